"""Events, and a screen to show them on, for the tests of the live display."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from streamser.events import DegradedEvent, EmotionEvent, Event, GapEvent, SummaryEvent, TransitionEvent, UtteranceEvent
from streamser.sinks.live_frame import frame
from streamser.sinks.live_state import LiveState
from streamser.sinks.look import Look
from tests.conftest import LABELS


def stamp(start: float, end: float, channel: int = 0, source: str = "a microphone") -> dict[str, Any]:
    return {"source": source, "channel": channel, "seq": 0, "start": start, "end": end}


def step(
    start: float, heard: str | None = "anger", share: float = 0.7, labels: tuple[str, ...] = LABELS, **other: Any
) -> EmotionEvent:
    """A step of half a second; heard None: no speech. other: fields of the event, instead of what follows from that."""
    event = stamp(start, start + 0.5, other.pop("channel", 0))
    spoken = heard is not None
    rest = (1 - share) / max(len(labels) - 1, 1)
    fields: dict[str, Any] = {
        "window_start": max(start - 3.5, 0.0),
        "state": "speech" if spoken else "no_speech",
        "label": heard,
        "stable_label": heard,
        "confidence": share if spoken else None,
        "probabilities": {name: share if name == heard else rest for name in labels} if spoken else None,
        "arousal": 0.83 if spoken else None,
        "text_probabilities": None,
        "text": "",
        "text_pending": "",
        "pitch_hz": 231.4 if spoken else None,
        "level_db": -23.4,
        "latency": 0.42,
    }
    return EmotionEvent(**event, **{**fields, **other})


def utterance(start: float, end: float, text: str, label: str = "anger", channel: int = 0) -> UtteranceEvent:
    said: dict[str, Any] = {"confidence": 0.66, "probabilities": {}, "language": "en", "words": None}
    return UtteranceEvent(**stamp(start, end, channel), label=label, text=text, **said)


def gap(start: float, seconds: float, channel: int = 0) -> GapEvent:
    return GapEvent(**stamp(start, start + seconds, channel), reason="overflow", lost_seconds=seconds)


def transition(at: float, label: str) -> TransitionEvent:
    return TransitionEvent(**stamp(at, at), from_label=None, to_label=label)


def degraded(at: float, shed: str, channel: int = 0) -> DegradedEvent:
    return DegradedEvent(**stamp(at, at, channel), shed=shed)


def summary(end: float, channel: int = 0, **other: Any) -> SummaryEvent:
    return SummaryEvent(**stamp(0.0, end, channel), **other)


def console(width: int = 80, height: int = 24, encoding: str = "utf-8", colour: bool = True) -> Console:
    """A terminal that keeps what is written: `written`."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
    system: Any = "truecolor" if colour else None
    return Console(
        file=file, force_terminal=True, width=width, height=height, color_system=system, no_color=not colour, legacy_windows=False
    )


def written(screen: Console) -> str:
    file = screen.file
    file.seek(0)
    return file.read()


def shown(
    events: list[Event], terminal: Console, labels: tuple[str, ...] = LABELS, waiting: float | None = 0.0, notice: str = ""
) -> list[str]:
    """The lines of the screen after these events."""
    state = LiveState()
    for event in events:
        state.take(event)
    look = Look.of(terminal, labels)
    lines = frame(state, look, terminal, terminal.width, terminal.height, waiting, notice)
    return [line.plain.rstrip() for line in lines]
