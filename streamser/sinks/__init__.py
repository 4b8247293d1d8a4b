"""Where events go: one file an output format."""

from __future__ import annotations

from typing import Protocol

from streamser.events import Event


class Sink(Protocol):
    """Takes events as they come; what was written is flushed before `write` returns."""

    def write(self, event: Event) -> None: ...

    def close(self) -> None: ...
