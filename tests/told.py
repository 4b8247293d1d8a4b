"""The events of recordings that were never made: who says what, how, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamser.events import EmotionEvent, Event, GapEvent, SummaryEvent, TransitionEvent, UtteranceEvent

STEP = 0.5  # seconds
DATED_BACK = 1.0  # seconds that a change of label is dated before the step that shows it
DUE = 1.0  # seconds after its end, an utterance's event comes

Said = tuple[str | None, float, str]  # the label (None: silence), seconds in whole steps, the words


def told(plan: Sequence[Said], source: str = "calls/a call.wav", channel: int = 0, words: bool = False) -> list[Event]:
    """The events of one channel, ordered as a stream orders them; every piece of speech is an utterance."""
    stamp: dict[str, Any] = {"source": source, "channel": channel, "seq": 0}
    events: list[Event] = []
    waiting: list[UtteranceEvent] = []
    stable: str | None = None
    now = 0.0
    seconds: dict[str, float] = {}
    for label, length, text in plan:
        begun = now
        for _ in range(round(length / STEP)):
            events.append(step(stamp, now, label))
            if label is not None and label != stable:
                back = DATED_BACK if now == begun and begun > 0 and stable is not None else 0.0
                events.append(TransitionEvent(**stamp, start=now - back, end=now - back, from_label=stable, to_label=label))
                stable = label
            seconds[label or "no_speech"] = seconds.get(label or "no_speech", 0.0) + STEP
            now += STEP
            events += [u for u in waiting if u.end + DUE <= now]
            waiting = [u for u in waiting if u.end + DUE > now]
        if label is not None:
            waiting.append(utterance(stamp, begun, now, label, text, words))
    events += waiting
    events.append(SummaryEvent(**stamp, start=0.0, end=now, seconds=seconds, utterances=len(waiting)))
    return [replace(event, seq=seq) for seq, event in enumerate(events)]


def step(stamp: dict[str, Any], start: float, label: str | None) -> EmotionEvent:
    return EmotionEvent(
        **stamp,
        start=start,
        end=start + STEP,
        window_start=max(0.0, start - 3.5),
        state="no_speech" if label is None else "speech",
        label=label,
        stable_label=label,
        confidence=None if label is None else 0.7,
        probabilities=None if label is None else {label: 0.7},
        arousal=None,
        text_probabilities=None,
        text="",
        text_pending="",
        pitch_hz=None,
        level_db=-23.4,
        latency=None,
    )


def utterance(stamp: dict[str, Any], start: float, end: float, label: str, text: str, words: bool) -> UtteranceEvent:
    said = text.split()
    each = (end - start) / max(len(said), 1)
    timed = [
        {"word": word, "start": start + i * each, "end": start + (i + 1) * each, "probability": 0.9} for i, word in enumerate(said)
    ]
    return UtteranceEvent(
        **stamp,
        start=start,
        end=end,
        label=label,
        confidence=0.66,
        probabilities={},
        text=text,
        language="en",
        words=timed if words else None,
    )


def lost(start: float, seconds: float, source: str = "calls/a call.wav", channel: int = 0) -> GapEvent:
    return GapEvent(
        source=source, channel=channel, seq=0, start=start, end=start + seconds, reason="source", lost_seconds=round(seconds, 3)
    )


def together(*channels: Sequence[Event]) -> list[Event]:
    """The events of several channels as a recording yields them: step by step, each channel's end last."""
    running = sorted((e for events in channels for e in _timed(events)), key=lambda pair: pair[0])
    return [event for _, event in running]


def _timed(events: Sequence[Event]) -> list[tuple[tuple[float, int, int], Event]]:
    """With the time at which each comes: the end of the step before it; what a finished stream says comes after all steps."""
    at = 0.0
    last_step = max(i for i, event in enumerate(events) if isinstance(event, EmotionEvent))
    timed = []
    for i, event in enumerate(events):
        at = event.end if isinstance(event, EmotionEvent) else at
        timed.append(((at if i <= last_step else 1e9, event.channel, i), event))
    return timed
