"""Where events go: one file an output format, listed in `formats`."""

from __future__ import annotations

from typing import Any, Protocol

from streamser.events import Event


class Sink(Protocol):
    """Takes events as they come."""

    def write(self, event: Event) -> None: ...

    def close(self) -> None: ...


class LineSink(Sink, Protocol):
    """A sink whose file is valid after every event: what is certain was written and flushed before `write` returns.

    `state` is what it must remember besides, ready for JSON; `restore` takes it back, so that a killed run can go on.
    """

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...
