"""The live display: the whole terminal while it listens, drawn by a thread of its own; the last picture and the summary stay."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from streamser.events import Event
from streamser.sinks import Sink
from streamser.sinks.live_frame import frame
from streamser.sinks.live_lines import LiveLines
from streamser.sinks.live_state import LiveState
from streamser.sinks.live_warnings import Warnings
from streamser.sinks.look import Look
from streamser.sinks.output import Output
from streamser.sinks.wording import summary_line

IDLE = 0.5  # seconds after which it is drawn anew though nothing came: the terminal may have another size
SHORTEST = 0.1  # seconds between two pictures
CLOSING = 2.0  # seconds that a terminal which takes nothing may hold up the end


def open_live(console: Console, labels: Sequence[str], channels: int = 1) -> Sink:
    """The screen; lines of text where standard output is no terminal, or one that cannot be drawn on."""
    if console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows:
        return LiveScreen(console, labels)
    return LiveLines(Output(None), channels)


class LiveScreen:
    """A sink. `write` only notes the event, however slow the terminal is; a thread draws.

    Args:
        console: a terminal.
        labels: the emotions that get a bar.
        clock: seconds, monotonic.
    """

    def __init__(self, console: Console, labels: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._look = Look.of(console, labels)
        self._clock = clock
        self._state = LiveState()
        self._heard_at = clock()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._broken: Exception | None = None
        self._warnings = Warnings(sys.stderr, clock)
        sys.stderr = self._warnings
        console.set_alt_screen(True)
        console.show_cursor(False)
        self._thread = threading.Thread(target=self._draw_until_closed, name="live screen", daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        with self._lock:
            self._state.take(event)
            self._heard_at = self._clock()
        self._changed.set()

    def close(self) -> None:
        """Give the terminal back, with the last picture, warnings and the summary on it.

        Raises:
            Exception: whatever broke the drawing, if something did; recognition went on.
        """
        self._closing.set()
        self._changed.set()
        self._thread.join(CLOSING)
        if sys.stderr is self._warnings:
            sys.stderr = self._warnings.beneath
        try:
            self._leave()
        except OSError:
            return  # the terminal is gone
        if self._broken is not None and not isinstance(self._broken, OSError):
            raise self._broken

    def picture(self) -> list[Text]:
        """The screen of this moment, as lines."""
        width, height = self._console.size
        with self._lock:
            waiting = self._clock() - self._heard_at
            return frame(self._state, self._look, self._console, width, height, waiting, self._warnings.latest())

    def _draw_until_closed(self) -> None:
        try:
            while not self._closing.is_set():
                self._draw()
                self._changed.wait(IDLE)
                self._changed.clear()
                self._closing.wait(SHORTEST)
        except Exception as error:  # recognition must go on; `close` tells
            self._broken = error

    def _draw(self) -> None:
        console, width = self._console, self._console.width
        lines = [Segment.adjust_line_length(list(line.render(console)), width) for line in self.picture()]
        console.update_screen_lines(lines)

    def _leave(self) -> None:
        console = self._console
        console.show_cursor(True)
        console.set_alt_screen(False)
        with self._lock:
            summaries = self._state.summaries
            if self._state.voices and self._broken is None:
                for line in frame(self._state, self._look, console, console.width, console.height, None):
                    console.print(line, soft_wrap=True)
        self._warnings.repeat()
        for summary in summaries:
            name = f"channel {summary.channel}  " if len(summaries) > 1 else ""
            console.print(Text(name + summary_line(summary)))
