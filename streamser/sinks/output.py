"""A text file or standard output, checked before any work and never overwritten unasked."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TextIO

from streamser.errors import StreamserError


class ReaderGoneError(Exception):
    """Whoever read the output has closed it; nothing is left to do."""


class Output:
    """Lines of text, flushed one by one. A file keeps its old content until the first line is written over it.

    Args:
        path: a file, or None for standard output.
        force: whether an existing file may be overwritten.

    Raises:
        StreamserError: the file exists and `force` is not set, or it cannot be written.
    """

    def __init__(self, path: str | None, force: bool = False) -> None:
        self._path = path
        self._written = False
        self._created = False
        if path is None:
            if sys.stdout is None:
                raise StreamserError("standard output is closed: give a file with -o")
            # Names of files may not be valid text; escaped, they stay valid JSON.
            if hasattr(sys.stdout, "reconfigure"):
                sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
            self._file: TextIO = sys.stdout
            return
        regular = Path(path).is_file()
        if regular and not force:
            raise StreamserError(f"{path} exists: choose another name, or overwrite it with --force")
        try:
            self._file = Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="\n")  # noqa: SIM115
        except OSError as error:
            raise StreamserError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
        self._created = not regular and Path(path).is_file()
        self._regular = regular or self._created

    def write_line(self, line: str) -> None:
        """Write one line, without its end, and flush it.

        Raises:
            ReaderGoneError: a pipe whose reader went away.
            StreamserError: the disk is full, or the like.
        """
        try:
            if self._path is not None and not self._written and self._regular:
                self._file.truncate(0)
            self._written = True
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            # Windows reports a closed pipe as an invalid argument.
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
                raise ReaderGoneError from error
            reason = (error.strerror or str(error)).lower()
            raise StreamserError(f"{self._path or 'standard output'} cannot be written: {reason}") from error

    def close(self) -> None:
        """Close the file; one that was created and got nothing is removed."""
        if self._path is None:
            return
        self._file.close()
        if self._created and not self._written:
            Path(self._path).unlink(missing_ok=True)


def silence_standard_output() -> None:
    """Let the interpreter's last flush go nowhere, after the reader of standard output went away."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        return
