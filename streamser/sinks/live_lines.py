"""The live display where nothing can be redrawn: a pipe, a file, a terminal that cannot move its cursor."""

from __future__ import annotations

from streamser.events import Event
from streamser.sinks.output import Output
from streamser.sinks.wording import plain_line


class LiveLines:
    """A sink: a line for each utterance, change, gap and slowdown, and for the summary; of several channels it says whose."""

    def __init__(self, output: Output, channels: int = 1) -> None:
        self._output = output
        self._channels = channels

    def write(self, event: Event) -> None:
        line = plain_line(event)
        if line:
            self._output.write_line(f"channel {event.channel}  {line}" if self._channels > 1 else line)

    def close(self) -> None:
        self._output.close()
