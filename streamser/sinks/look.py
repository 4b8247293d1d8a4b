"""What a terminal can show: colours or none, block characters or ASCII; and the bars that both are drawn with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from streamser.sinks.palette import colours, letters, readable_on

ALERT = "#e5484d"
DIM = "bright_black"  # a colour that terminals make readable on their own background; `dim` is lost on some


@dataclass(frozen=True)
class Glyphs:
    full: str
    half: str  # the end of a bar
    track: str  # where a bar could go on
    heights: str  # of a column, from least to most
    line: str  # where an emotion goes on
    silence: str
    lost: str
    mark: str  # of what holds now
    tick: str  # where a time stands
    alive: str


BLOCKS = Glyphs("━", "╸", "─", "▁▂▃▄▅▆▇█", "─", "·", "╳", "▸", "╵", "●")  # noqa: RUF001
ASCII = Glyphs("=", "-", ".", "_.-~=+*#", "-", ".", "X", ">", "|", "*")


@dataclass(frozen=True)
class Look:
    """The labels' colours and letters, and the characters there are."""

    labels: tuple[str, ...]
    colours: dict[str, str]
    letters: dict[str, str]
    colour: bool = True
    glyphs: Glyphs = BLOCKS

    @classmethod
    def of(cls, console: Console, labels: Sequence[str]) -> Look:
        """For a console. The Linux text console has too few characters for the blocks."""
        plain = console.options.ascii_only or os.environ.get("TERM") == "linux"
        colour = not console.no_color and console.color_system is not None
        return cls(tuple(labels), colours(labels), letters(labels), colour, ASCII if plain else BLOCKS)

    def style(self, label: str | None) -> str:
        """A label's colour for letters and bars."""
        return self.colours.get(label or "", "") if self.colour else ""

    def badge(self, label: str) -> str:
        """A label's colour as a background, with letters that can be read on it; bold where there is no colour."""
        colour = self.style(label)
        return f"{readable_on(colour)} on {colour}" if colour else "bold"

    def fit(self, text: Text, width: int) -> Text:
        """The text, cut to `width` columns where it is longer."""
        text.truncate(max(width, 0), overflow="ellipsis" if self.glyphs is BLOCKS else "crop")
        return text

    @property
    def alert(self) -> str:
        return f"bold {ALERT}" if self.colour else "bold"

    @property
    def dim(self) -> str:
        return DIM if self.colour else ""

    def bar(self, share: float, width: int, style: str = "") -> Text:
        """A bar of `width` characters, filled to `share`, 0 to 1."""
        halves = round(min(max(share, 0.0), 1.0) * width * 2)
        bar = Text(self.glyphs.full * (halves // 2) + self.glyphs.half * (halves % 2), style=style)
        bar.append(self.glyphs.track * (width - len(bar)), style=self.dim)
        return bar

    def height(self, share: float) -> str:
        """One character as high as `share`, 0 to 1."""
        heights = self.glyphs.heights
        return heights[min(int(max(share, 0.0) * len(heights)), len(heights) - 1)]
