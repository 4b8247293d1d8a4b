"""What comes out of a stream: one dataclass an event type, and their JSON (a contract, see docs/events.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

State = Literal["speech", "no_speech"]
GapReason = Literal["overflow", "device", "source"]


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
    """The machine was too slow for live audio and this work was shed."""

    type: ClassVar[str] = "degraded"
    shed: str


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
