"""A text file or standard output, checked before any work and never overwritten unasked."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

    def begin(self) -> None:
        """What is written from now on, even if nothing, takes the place of a file's old content."""
        if self._path is not None and not self._written and self._regular:
            self._file.truncate(0)
        self._written = True

    def write_line(self, line: str) -> None:
        """Write one line, without its end, and flush it. Several at once, with line ends between them, stay together.

        Raises:
            ReaderGoneError: a pipe whose reader went away.
            StreamserError: the disk is full, or the like.
        """
        try:
            self.begin()
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            # Windows reports a closed pipe as an invalid argument.
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
                raise ReaderGoneError from error
            reason = (error.strerror or str(error)).lower()
            raise StreamserError(f"{self._path or 'standard output'} cannot be written: {reason}") from error

    @property
    def regular(self) -> bool:
        """Whether it is a file, which can be gone on with later."""
        return self._path is not None and self._regular

    def position(self) -> int:
        """Bytes written to a file, which are on the disk by then.

        Raises:
            StreamserError: they cannot be brought there.
        """
        if not self._written:
            return 0
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StreamserError(f"{self._path} cannot be written: {(error.strerror or str(error)).lower()}") from error
        return os.fstat(self._file.fileno()).st_size

    def go_on(self, position: int) -> None:
        """Drop what a file holds beyond so many bytes, and write on from there.

        Raises:
            StreamserError: it holds fewer.
        """
        size = os.fstat(self._file.fileno()).st_size
        if size < position:
            raise StreamserError(f"{self._path} has {size} bytes where {position} were written: start again with --force")
        self._file.truncate(position)
        self._written = position > 0

    def close(self) -> None:
        """Close the file; one that was created and got nothing is removed."""
        if self._path is None:
            return
        self._file.close()
        if self._created and not self._written:
            Path(self._path).unlink(missing_ok=True)


class FinishedFile:
    """A text file that is there whole or not at all: written beside its place and then moved there.

    Args:
        path: where it shall be; what a link there points to is replaced, not the link.
        force: whether an existing file may be overwritten.

    Raises:
        StreamserError: the file exists and `force` is not set, or it cannot be written; said at once, before long work.
    """

    def __init__(self, path: str, force: bool = False) -> None:
        self._path = path
        self._target = Path(os.path.realpath(path))
        self._part = self._target.with_name(f".{self._target.name}.part")
        if self._target.exists() and not self._target.is_file():
            raise StreamserError(f"{path} is no file: this format is made at the end and moved there, so give a file's name")
        if self._target.exists() and not force:
            raise StreamserError(f"{path} exists: choose another name, or overwrite it with --force")
        with self._errors_in_words():
            self._part.open("w").close()
            self._part.unlink()

    @contextmanager
    def writing(self) -> Iterator[TextIO]:
        """The file to write to, UTF-8; afterwards it takes its place, unless writing failed.

        Raises:
            StreamserError: the disk is full, or the like.
        """
        with self._errors_in_words():
            try:
                with self._part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                self._part.replace(self._target)
            except BaseException:
                self._part.unlink(missing_ok=True)
                raise

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StreamserError(f"{self._path} cannot be written: {(error.strerror or str(error)).lower()}") from error


def silence_standard_output() -> None:
    """Let the interpreter's last flush go nowhere, after the reader of standard output went away."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        return
