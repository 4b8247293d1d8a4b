"""JSON Lines: every event, one a line, as docs/events.md describes it."""

from __future__ import annotations

from typing import Any

from streamser.events import Event
from streamser.sinks.output import Output


class JsonLines:
    """A line sink."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, event: Event) -> None:
        self._output.write_line(event.to_json())

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        del state  # nothing is remembered between events

    def close(self) -> None:
        self._output.close()
