"""A terminal made of software: a command runs on it, and the tests read what a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pyte


class Terminal:
    """A command on a pseudo-terminal of the given size, with standard error on it too; in colour unless told otherwise."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24, colour: bool = True
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.written = b""
        self._master, terminal = pty.openpty()
        self._set_size(columns, rows)
        variables = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            list(command),
            env={**variables, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **({} if colour else {"NO_COLOR": "1"})},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines(self) -> list[str]:
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    def colours(self) -> set[str]:
        """Of letters and backgrounds on the screen now."""
        with self._lock:
            cells = [cell for row in self._screen.buffer.values() for cell in row.values()]
        return {colour for cell in cells for colour in (cell.fg, cell.bg)}

    def wait_for(self, seen: Callable[[list[str]], bool], seconds: float = 60.0) -> list[str]:
        """The first screen of which `seen` is true; fails with the last one where none comes."""
        end = time.monotonic() + seconds
        while not seen(lines := self.lines()):
            assert time.monotonic() < end, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def end(self, seconds: float = 60.0) -> int:
        """The exit code, when all output has been read."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        os.close(self._master)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(self._master, 65_536):
                self.written += data
                with self._lock:
                    self._stream.feed(data)
