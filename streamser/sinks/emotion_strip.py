"""The last minutes as a strip: a column for two seconds, the emotion by colour and name, its confidence by height."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from streamser.events import EmotionEvent, GapEvent
from streamser.sinks.look import Look
from streamser.sinks.wording import clock, printable
from streamser.timeline import NO_SPEECH, UNCERTAIN

COLUMN = 2.0  # seconds
TICK = 15  # columns between times
KEPT = 512  # columns, for the widest screen


@dataclass
class Column:
    """What was heard in two seconds."""

    seconds: dict[str, float] = field(default_factory=dict)  # by stable label, or `no_speech`
    confidence: dict[str, float] = field(default_factory=dict)  # summed over those seconds
    lost: float = 0.0

    def label(self) -> str | None:
        """The label that lasted longest, of speech before silence; None if nothing was heard."""
        spoken = {label: seconds for label, seconds in self.seconds.items() if label != NO_SPEECH}
        return max(spoken or self.seconds, key=lambda label: self.seconds[label], default=None)

    def mean_confidence(self) -> float:
        label = self.label()
        return self.confidence.get(label, 0.0) / self.seconds[label] if label is not None else 0.0


class EmotionStrip:
    """The columns of one channel."""

    def __init__(self) -> None:
        self._columns: dict[int, Column] = {}
        self.last = -1  # the newest column's number, counted from the stream's start

    def hear(self, event: EmotionEvent) -> None:
        label = event.stable_label or NO_SPEECH
        for column, seconds in self._parts(event.start, event.end):
            column.seconds[label] = column.seconds.get(label, 0.0) + seconds
            column.confidence[label] = column.confidence.get(label, 0.0) + seconds * (event.confidence or 0.0)

    def lose(self, event: GapEvent) -> None:
        for column, seconds in self._parts(event.start, event.end):
            column.lost += seconds

    def heights(self, look: Look, first: int, count: int) -> Text:
        """How surely, one character a column."""
        line = Text(end="")
        for column in self._range(first, count):
            label = column.label()
            if label in (None, NO_SPEECH):
                line.append(" ")
            else:
                line.append(look.height(column.mean_confidence()), style=look.style(label))
        return line

    def names(self, look: Look, first: int, count: int) -> Text:
        """Which emotion: a block of its colour, with its name where that fits; without colour its name, or letter, and a line."""
        line = Text(end="")
        shown = ("" if column.lost else column.label() for column in self._range(first, count))
        for label, run in groupby(shown):
            width = len(list(run))
            if label is None:
                line.append(" " * width)
            elif label == "":
                line.append(look.glyphs.lost * width, style=look.alert)
            elif label == NO_SPEECH:
                line.append(look.glyphs.silence * width, style=look.dim)
            else:
                line.append(_block(look, label, width), style=look.badge(label) if look.colour else "")
        return line

    def _parts(self, start: float, end: float) -> list[tuple[Column, float]]:
        """The columns that a stretch of time falls into, made where they are new, with its seconds in each."""
        numbers = range(max(int(start / COLUMN), math.ceil(end / COLUMN) - KEPT), math.ceil(end / COLUMN))
        parts = []
        for number in numbers:
            column = self._columns.setdefault(number, Column())
            parts.append((column, min(end, (number + 1) * COLUMN) - max(start, number * COLUMN)))
            self.last = max(self.last, number)
        for old in [number for number in self._columns if number <= self.last - KEPT]:
            del self._columns[old]
        return parts

    def _range(self, first: int, count: int) -> list[Column]:
        return [self._columns.get(number, Column()) for number in range(first, first + count)]


def ticks(look: Look, first: int, count: int) -> Text:
    """The time below every 15th column."""
    line = [" "] * count
    for number in range(-(-first // TICK) * TICK, first + count, TICK):
        at = number - first
        if number >= 0:
            time = f"{look.glyphs.tick}{clock(number * COLUMN)}"
            if at + len(time) <= count:
                line[at : at + len(time)] = time
    return Text("".join(line), style=look.dim, end="")


def _block(look: Look, label: str, width: int) -> str:
    name = printable(label)
    if width < cell_len(name) + (not look.colour):
        name = "?" if label == UNCERTAIN else look.letters.get(label, "#")
    elif look.colour and width > cell_len(name):
        name = f" {name}"
    return name + (" " if look.colour else look.glyphs.line) * (width - cell_len(name))
