"""Standard error while the live screen is drawn: warnings belong on it, not across it."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import TextIO

SHOWN = 15.0  # seconds that a warning stands on the screen
KEPT = 100  # lines
PREFIX = "streamser: warning: "


class Warnings(io.TextIOBase):
    """A standard error that keeps its lines for the screen.

    Args:
        beneath: the real one. Where it is no terminal, lines go there at once; else `repeat` writes them when the screen is gone.
        clock: seconds, monotonic.
    """

    def __init__(self, beneath: TextIO, clock: Callable[[], float]) -> None:
        self.beneath = beneath
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._begun = ""
        self._at = 0.0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not self.beneath.isatty():
            self.beneath.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            self._lines.append(line)
            self._at = self._clock()
        return len(text)

    def flush(self) -> None:
        self.beneath.flush()

    def latest(self) -> str:
        """The newest line while it is fresh, else nothing."""
        fresh = bool(self._lines) and self._clock() - self._at < SHOWN
        return self._lines[-1].removeprefix(PREFIX) if fresh else ""

    def repeat(self) -> None:
        """Write what the screen had kept to itself."""
        if self.beneath.isatty():
            for line in self._lines:
                self.beneath.write(line + "\n")
            self.beneath.flush()
