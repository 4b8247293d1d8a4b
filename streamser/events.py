"""What comes out of a stream: one dataclass an event type, and their JSON (a contract, see docs/events.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from streamser.errors import StreamserError

State = Literal["speech", "no_speech"]
GapReason = Literal["overflow", "device", "source"]
Shed = Literal["nothing", "transcript", "steps"]


@dataclass(kw_only=True)
class Event:
    """What every event carries: times in seconds with 3 decimals, `seq` counting from 0 within a source and channel."""

    type: ClassVar[str]
    source: str
    channel: int
    seq: int
    start: float
    end: float

    def to_json(self) -> str:
        """One line of JSON, `type` first."""
        return json.dumps({"type": self.type, **self.to_dict()}, ensure_ascii=False, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(kw_only=True)
class EmotionEvent(Event):
    """Every step. In `no_speech` the label, stable label, confidence, probabilities and pitch are None."""

    type: ClassVar[str] = "emotion"
    window_start: float
    state: State
    label: str | None
    stable_label: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    arousal: float | None
    text_probabilities: dict[str, float] | None
    text: str
    text_pending: str
    pitch_hz: float | None
    level_db: float | None
    latency: float | None


@dataclass(kw_only=True)
class UtteranceEvent(Event):
    """Speech ended, or grew past the pack's limit."""

    type: ClassVar[str] = "utterance"
    label: str
    confidence: float
    probabilities: dict[str, float]
    text: str
    language: str | None
    words: list[dict[str, Any]] | None


@dataclass(kw_only=True)
class TransitionEvent(Event):
    """The stable label changed; `from` is None at the stream's first stable label."""

    type: ClassVar[str] = "transition"
    from_label: str | None
    to_label: str

    def to_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        return {
            **{k: v for k, v in fields.items() if not k.endswith("_label")},
            "from": self.from_label,
            "to": self.to_label,
        }


@dataclass(kw_only=True)
class GapEvent(Event):
    """Audio that was lost."""

    type: ClassVar[str] = "gap"
    reason: GapReason
    lost_seconds: float


@dataclass(kw_only=True)
class DegradedEvent(Event):
    """Live, what is left out changed: the machine became too slow, or caught up."""

    type: ClassVar[str] = "degraded"
    shed: Shed


@dataclass(kw_only=True)
class SummaryEvent(Event):
    """The last event of a stream: seconds per label (and `no_speech`), counts, and the measured speed."""

    type: ClassVar[str] = "summary"
    seconds: dict[str, float] = field(default_factory=dict)
    utterances: int = 0
    gaps: int = 0
    lost_seconds: float = 0.0
    real_time_factor: float | None = None
    latency: dict[str, float] | None = None


EVENT_TYPES: dict[str, type[Event]] = {
    kind.type: kind for kind in (EmotionEvent, UtteranceEvent, TransitionEvent, GapEvent, DegradedEvent, SummaryEvent)
}


def from_dict(fields: dict[str, Any]) -> Event:
    """The event that `{"type": event.type, **event.to_dict()}` was made of.

    Raises:
        StreamserError: an unknown type, or other fields than its own.
    """
    given = dict(fields)
    name = given.pop("type", None)
    kind = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise StreamserError(f"{name!r} is not a type of event: one of {', '.join(EVENT_TYPES)} is")
    if kind is TransitionEvent:
        given = {{"from": "from_label", "to": "to_label"}.get(key, key): value for key, value in given.items()}
    try:
        return kind(**given)
    except TypeError as error:
        raise StreamserError(f"this event of type {name} has other fields than this version of streamser: {error}") from error


def from_json(line: str) -> Event:
    """The event that `Event.to_json` wrote as this line.

    Raises:
        StreamserError: not a line of JSON, or not an event of this version.
    """
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise StreamserError(f"not an event but {line[:80]!r}: {error}") from error
    if not isinstance(fields, dict):
        raise StreamserError(f"not an event but {line[:80]!r}: a line of JSON with a `type` is needed")
    return from_dict(fields)
