"""Events for pages, made without networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamser.events import EmotionEvent, Event, SummaryEvent, UtteranceEvent
from tests.conftest import LABELS

EVIL = "</script><script>alert(1)</script><!--<script><img src=x onerror=alert(2)>&lt;'\"`${alert(3)}"


def stamp(start: float, end: float, source: str = "call.wav", channel: int = 0) -> dict[str, Any]:
    return {"source": source, "channel": channel, "seq": 0, "start": start, "end": end}


def step(start: float, label: str | None, labels: tuple[str, ...] = LABELS, level: float = -30.0, **where: Any) -> EmotionEvent:
    """Half a second in which a label is likely, or nobody speaks."""
    rest = 0.4 / max(len(labels) - 1, 1)
    spoken = label is not None
    return EmotionEvent(
        **stamp(start, start + 0.5, **where),
        window_start=start,
        state="speech" if spoken else "no_speech",
        label=label,
        stable_label=label,
        confidence=0.6 if spoken else None,
        probabilities={one: 0.6 if one == label else rest for one in labels} if spoken else None,
        arousal=0.5 if spoken else None,
        text_probabilities=None,
        text="",
        text_pending="",
        pitch_hz=180.0 if spoken else None,
        level_db=level,
        latency=None,
    )


def steps(count: int, summary: bool = True, silences: bool = True) -> Iterator[Event]:
    """Steps of half a second: 10 s of anger, 10 s without speech unless `silences` is off, and so on; the third step is loud."""
    for i in range(count):
        silent = silences and i // 20 % 2 == 1
        yield step(i / 2, None if silent else "anger", level=-3.0 if i == 2 else -30.0)
    if summary:
        yield SummaryEvent(**stamp(0.0, count / 2), seconds={"anger": count / 2}, real_time_factor=0.1)


def talk(source: str = "call.wav", labels: tuple[str, ...] = LABELS, text: str = "So, why?", channels: int = 1) -> list[Event]:
    """Twelve seconds: the second label, silence from 5 s to 6 s, then the first one; two utterances a channel."""
    events: list[Event] = []
    for channel in range(channels):
        where = {"source": source, "channel": channel}
        for i in range(24):
            label = labels[1] if i < 10 else None if i < 12 else labels[0]
            events.append(step(i / 2, label, labels, **where))
        for start, end, label in ((0.0, 5.0, labels[1]), (6.0, 12.0, labels[0])):
            told: dict[str, Any] = {"probabilities": {}, "language": "en", "words": None}
            events.append(UtteranceEvent(**stamp(start, end, **where), label=label, confidence=0.6, text=text, **told))
        lasted = {labels[1]: 5.0, "no_speech": 1.0, labels[0]: 6.0}
        events.append(SummaryEvent(**stamp(0.0, 12.0, **where), seconds=lasted, utterances=2, real_time_factor=0.1))
    return events
