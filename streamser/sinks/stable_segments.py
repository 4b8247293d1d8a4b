"""From events to segments of one stable label each, cut where a change is dated to have happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamser.events import EmotionEvent, Event, SummaryEvent, TransitionEvent

HELD = 10.0  # seconds: a transition is dated back by at most `--delay`, which is at most the longest window, 8 s


@dataclass
class Segment:
    """Seconds [start, end) of a channel in which speech had one stable label."""

    source: str
    channel: int
    start: float
    end: float
    label: str


@dataclass
class StableSegments:
    """State of one output. What a transition may still change is held back; `state` and `restore` carry it over a restart."""

    _held: dict[str, list[Segment]] = field(default_factory=dict)  # by source and channel, in order of time

    def take(self, event: Event) -> list[Segment]:
        """The segments that are certain from this event on, in order of time within a channel."""
        held = self._held.setdefault(f"{event.channel} {event.source}", [])
        if isinstance(event, TransitionEvent):
            _date(held, event.start, event.to_label)
        elif isinstance(event, EmotionEvent):
            if event.stable_label is not None:
                _append(held, Segment(event.source, event.channel, event.start, event.end, event.stable_label))
            done = 0
            # The last one may still grow, and a transition may come with it.
            while done < len(held) - 1 and held[done].end <= event.end - HELD:
                done += 1
            if held and held[-1].end <= event.end - HELD:
                done = len(held)
            certain, held[:done] = held[:done], []
            return certain
        elif isinstance(event, SummaryEvent):
            return self._held.pop(f"{event.channel} {event.source}")
        return []

    def state(self) -> dict[str, Any]:
        return {key: [[*vars(segment).values()] for segment in held] for key, held in self._held.items()}

    def restore(self, state: dict[str, Any]) -> None:
        self._held = {key: [Segment(*values) for values in held] for key, held in state.items()}


def _append(held: list[Segment], new: Segment) -> None:
    if held and held[-1].label == new.label and abs(held[-1].end - new.start) < 1e-6:
        held[-1].end = new.end
    else:
        held.append(new)


def _date(held: list[Segment], start: float, label: str) -> None:
    """Give what was spoken from `start` on the new label; silence in between stays silence."""
    before: list[Segment] = []
    for segment in held:
        if segment.start < start:
            before.append(Segment(segment.source, segment.channel, segment.start, min(segment.end, start), segment.label))
        if segment.end > start:
            _append(before, Segment(segment.source, segment.channel, max(segment.start, start), segment.end, label))
    held[:] = before
