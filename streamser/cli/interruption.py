"""Ctrl-C and SIGTERM: they break off reading at once, while what is being judged and written is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, a signal raises KeyboardInterrupt where `reading` is entered; the second does so anywhere."""

    def __init__(self) -> None:
        self._reading = False
        self._asked = False
        self._before: list[Any] = []

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # signals come there alone
            self._before = [signal.signal(number, self._note) for number in SIGNALS]
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=False):
            signal.signal(number, handler)

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._reading = True
        try:
            if self._asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._reading = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._reading or self._asked:
            raise KeyboardInterrupt
        self._asked = True
