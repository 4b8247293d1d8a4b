"""SubRip: a cue an utterance, its emotion in brackets before its words."""

from __future__ import annotations

from typing import Any

from streamser.events import Event
from streamser.sinks.cues import Cue, Cues, time_stamp
from streamser.sinks.output import Output

HARMLESS = str.maketrans("<>{}", "\u2039\u203a()")  # players take <...> for tags, {\...} for commands; nothing can be escaped


class SubRip:
    """A line sink of one recording."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._cues = Cues()
        self._count = 0

    def write(self, event: Event) -> None:
        self._output.begin()  # a recording without speech has no cues
        for cue in self._cues.take(event):
            self._count += 1
            times = f"{time_stamp(cue.start, ',')} --> {time_stamp(cue.end, ',')}"
            self._output.write_line(f"{self._count}\n{times}\n{spoken(cue, self._cues.split)}\n")

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "cues": self._cues.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._count = state["count"]
        self._cues.restore(state["cues"])

    def close(self) -> None:
        self._output.close()


def spoken(cue: Cue, split: bool) -> str:
    """One line: the channel where there are several, the emotion, the words."""
    who = f"(channel {cue.channel}) " if split else ""
    return f"{who}[{cue.label}] {cue.text}".strip().translate(HARMLESS)
