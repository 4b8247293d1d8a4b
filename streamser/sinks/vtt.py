"""WebVTT: a cue an utterance, its emotion in brackets and as a class with a colour; of several channels, each is a voice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from streamser.events import Event, GapEvent
from streamser.sinks.cues import Cue, Cues, time_stamp
from streamser.sinks.output import Output
from streamser.sinks.palette import colours
from streamser.sinks.wording import NOTES


class WebVtt:
    """A line sink of one recording. Lost audio is a NOTE.

    Args:
        output: where it goes.
        labels: those that get a colour.
    """

    def __init__(self, output: Output, labels: Sequence[str]) -> None:
        self._output = output
        self._labels = tuple(labels)
        self._cues = Cues()
        self._count = 0
        self._begun = False

    def write(self, event: Event) -> None:
        if not self._begun:
            self._begun = True
            self._output.write_line(header(self._labels))
        if isinstance(event, GapEvent):
            self._output.write_line(f"NOTE {event.lost_seconds:.3f} s lost at {time_stamp(event.start, '.')} ({event.reason})\n")
        for cue in self._cues.take(event):
            self._count += 1
            times = f"{time_stamp(cue.start, '.')} --> {time_stamp(cue.end, '.')}"
            self._output.write_line(f"{self._count}\n{times}\n{payload(cue, self._cues.split)}\n")

    def state(self) -> dict[str, Any]:
        return {"begun": self._begun, "count": self._count, "cues": self._cues.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._begun, self._count = state["begun"], state["count"]
        self._cues.restore(state["cues"])

    def close(self) -> None:
        self._output.close()


def header(labels: Sequence[str]) -> str:
    styles = [f"::cue(.{class_name(label)}) {{ color: {colour} }}" for label, colour in colours(labels).items()]
    return "\n".join(["WEBVTT", "", f"NOTE {NOTES[0]}", "", "STYLE", *styles, ""])


def payload(cue: Cue, split: bool) -> str:
    """A cue's line, its words escaped."""
    line = f"<c.{class_name(cue.label)}>[{escaped(cue.label)}]</c> {escaped(cue.text)}".rstrip()
    return f"<v channel {cue.channel}>{line}</v>" if split else line


def class_name(label: str) -> str:
    """A label as cues and style sheets can name it."""
    name = re.sub(r"[^\w-]", "_", label)
    return name if name[:1].isalpha() else f"_{name}"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
