"""RTTM: a SPEAKER line for every stretch of speech with one stable label, the label in the place of the speaker's name.

`SPEAKER <recording> <channel, from 1> <start> <duration> <NA> <NA> <label> <NA> <NA>`, times in seconds (NIST, RT-09).
"""

from __future__ import annotations

from typing import Any

from streamser.events import Event
from streamser.sinks.names import one_word, word_name
from streamser.sinks.output import Output
from streamser.sinks.stable_segments import StableSegments


class Rttm:
    """A line sink. A line is written once no transition can change its stretch any more."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._segments = StableSegments()

    def write(self, event: Event) -> None:
        self._output.begin()  # a recording without speech has no lines
        for segment in self._segments.take(event):
            times = f"{segment.start:.3f} {segment.end - segment.start:.3f}"
            name = f"{word_name(segment.source)} {segment.channel + 1}"
            self._output.write_line(f"SPEAKER {name} {times} <NA> <NA> {one_word(segment.label)} <NA> <NA>")

    def state(self) -> dict[str, Any]:
        return self._segments.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._segments.restore(state)

    def close(self) -> None:
        self._output.close()
