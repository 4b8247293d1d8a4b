"""From utterances to cues of subtitles, in order of their beginnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamser.events import EmotionEvent, Event, SummaryEvent, UtteranceEvent
from streamser.sinks.wording import one_line

LONGEST_WAIT = 30.0  # seconds: an utterance lasts at most 20, its text is due a second after its end, a step lasts 8 at most


@dataclass(order=True)
class Cue:
    """Seconds [start, end) of one channel, what was said, and how."""

    start: float
    end: float
    channel: int
    label: str
    text: str


@dataclass
class Cues:
    """State of one output. Of one channel utterances come in order; those of several wait until none can come before them."""

    _heard: dict[str, float] = field(default_factory=dict)  # up to where, by channel
    _waiting: list[Cue] = field(default_factory=list)

    @property
    def split(self) -> bool:
        """Whether there are several channels."""
        return len(self._heard) > 1

    def take(self, event: Event) -> list[Cue]:
        """The cues that may be written from this event on."""
        channel = str(event.channel)
        if isinstance(event, UtteranceEvent):
            end = max(event.end, event.start + 0.001)
            self._waiting.append(Cue(event.start, end, event.channel, one_line(event.label), one_line(event.text)))
            self._waiting.sort()
        elif isinstance(event, EmotionEvent):
            self._heard[channel] = event.end
        elif isinstance(event, SummaryEvent):
            self._heard[channel] = float("inf")
        if not self.split:
            ready = len(self._waiting)
        else:
            certain = min(self._heard.values()) - LONGEST_WAIT
            ready = sum(cue.start <= certain for cue in self._waiting)
        cues, self._waiting[:ready] = self._waiting[:ready], []
        return cues

    def state(self) -> dict[str, Any]:
        return {"heard": self._heard, "waiting": [[*vars(cue).values()] for cue in self._waiting]}

    def restore(self, state: dict[str, Any]) -> None:
        self._heard = dict(state["heard"])
        self._waiting = [Cue(*values) for values in state["waiting"]]


def time_stamp(seconds: float, separator: str) -> str:
    """`hh:mm:ss,mmm`, with a comma or a point before the milliseconds."""
    milliseconds = round(seconds * 1000)
    whole, milliseconds = divmod(milliseconds, 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{whole:02}{separator}{milliseconds:03}"
