"""Where the results of several recordings go: into one output, or one each in a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from streamser.cli.recordings import Recording
from streamser.errors import AudioError, StreamserError, UsageError
from streamser.sinks.formats import Format
from streamser.sinks.names import checkpoint_path
from streamser.sinks.output import FinishedFile, Output

if TYPE_CHECKING:
    from streamser.cli.journal import Journal
    from streamser.sinks import LineSink, Sink


@dataclass(frozen=True)
class Place:
    """Where the events of a recording go. journal: None where that cannot be gone on with later."""

    sink: Sink
    journal: Journal | None

    def recording(self) -> AbstractContextManager[bool]:
        """Entered for each; False where it is done already."""
        return nullcontext(True) if self.journal is None else self.journal.recording()


class Outputs:
    """Opens the sink of each recording. What would go wrong is said before any work, as far as it can be known.

    Args:
        output: a file, a folder (one that exists, or whose name ends in a slash), or None for standard output.
        resume: leave what is complete as it is, and go on with what is not.

    Raises:
        UsageError: this format cannot hold these recordings in such an output.
        StreamserError: the output exists and neither `force` nor `resume` is set, or it cannot be written.
    """

    def __init__(
        self, format: Format, output: str | None, force: bool, recordings: Sequence[Recording], resume: bool = False
    ) -> None:
        self._format, self._force, self._resume = format, force, resume
        self._folder = Path(output) if output is not None and is_folder(output) else None
        self._path = output
        self._recordings = recordings
        self._opened = ExitStack()
        self._lines: Output | None = None
        self._one: Place | None = None
        self._targets: dict[Recording, Path] = {}
        self._made_folder = False
        if self._folder is not None:
            self._targets = {r: self._folder / name for r, name in file_names(recordings, format.extension).items()}
            self._check_folder(self._folder)
            return
        check_one(format, output, recordings)
        if output is not None:
            self._targets = dict.fromkeys(recordings, Path(output))
            self._check_existing([Path(output)])
        if format.made_at_end and output is not None:
            FinishedFile(output, force)
        elif not self._is_complete(output):
            self._lines = self._opened.enter_context(closing(Output(output, force or resume)))

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)
        if self._made_folder and self._folder is not None:
            with suppress(OSError):  # it holds results
                self._folder.rmdir()

    @property
    def failed(self) -> bool:
        """Whether some recording in the one output could not be read to its end, perhaps before it was gone on with."""
        return self._one is not None and self._one.journal is not None and self._one.journal.failed

    def complete(self, recording: Recording) -> Path | None:
        """The output that is to be gone on with and already holds all of this recording."""
        target = self._targets.get(recording)
        return target if target is not None and self._is_complete(target) else None

    @contextmanager
    def place(self, recording: Recording, labels: Sequence[str], made_with: dict[str, Any] | None = None) -> Iterator[Place]:
        """Where a recording's events go.

        Args:
            made_with: as in Journal; None where nothing is to be gone on with later.
        """
        if self._folder is not None:
            target = self._targets[recording]
            make_folder(target.parent)
            lines = None if self._format.made_at_end else Output(str(target), self._force or self._resume)
            with self._open(str(target), lines, [recording], labels, made_with) as own:
                yield own
            return
        if self._one is None:
            opening = self._open(self._path, self._lines, self._recordings, labels, made_with)
            self._one = self._opened.enter_context(opening)
        yield self._one

    @contextmanager
    def _open(
        self,
        path: str | None,
        lines: Output | None,
        recordings: Sequence[Recording],
        labels: Sequence[str],
        made_with: dict[str, Any] | None,
    ) -> Iterator[Place]:
        """An output, closed afterwards; a checkpoint beside it is kept only as long as it is not complete."""
        if lines is None:
            with closing(self._format.open(labels, path, self._force)) as sink:
                yield Place(sink, None)
            return
        ended = False
        journal = None
        with closing(self._format.open(labels, lines)) as sink:
            if path is not None and lines.regular and made_with is not None:
                from streamser.cli.journal import Journal

                line_sink = cast("LineSink", sink)  # as every format's is that is written as events come
                journal = Journal(Path(path), lines, line_sink, made_with, recordings, self._resume, self._force)
            try:
                yield Place(sink, journal)
                ended = True
            except AudioError:
                ended = True  # no more can be had of it
                raise
        if ended and journal is not None:
            journal.remove()

    def _check_folder(self, folder: Path) -> None:
        self._check_existing(list(self._targets.values()))
        self._made_folder = not folder.exists()
        make_folder(folder)

    def _check_existing(self, targets: Sequence[Path]) -> None:
        """Say if there is something that was not asked to be overwritten or gone on with."""
        existing = [] if self._force or self._resume else [target for target in targets if target.exists()]
        unfinished = [target for target in existing if checkpoint_path(target).exists()]
        if unfinished:
            raise StreamserError(f"{unfinished[0]} is unfinished: go on with --resume, or start again with --force")
        if existing and self._folder is not None:
            raise StreamserError(f"{existing[0]} exists: choose another folder, or overwrite what is there with --force")

    def _is_complete(self, target: str | Path | None) -> bool:
        """Whether it is to be gone on with and there is nothing to go on with."""
        path = None if target is None else Path(target)
        there = path is not None and path.is_file() and path.stat().st_size > 0
        return self._resume and there and path is not None and not checkpoint_path(path).exists()


def is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StreamserError(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}") from error


def check_one(format: Format, output: str | None, recordings: Sequence[Recording]) -> None:
    """Say if one output of this format cannot hold the recordings.

    Raises:
        UsageError: it cannot.
    """
    if format.made_at_end and output is None:
        raise UsageError(f"--format {format.name} is made at the end: give a file with -o, or a folder as in -o results/")
    if len(recordings) < 2:
        return
    if not format.several:
        raise UsageError(
            f"one {format.name} file cannot hold {len(recordings)} recordings: give a folder as in -o results/, for one file each"
        )
    if format.called is not None:
        _unlike(recordings, [format.called(recording.path) for recording in recordings], f"in one {format.name} file")


def file_names(recordings: Sequence[Recording], extension: str) -> dict[Recording, str]:
    """Each recording's file in a folder of results: `call.srt`, or `call.mp3.srt` where there is a `call.wav` too.

    Raises:
        UsageError: two would still have the same.
    """
    short = [str(recording.place.with_suffix("")) for recording in recordings]
    times = Counter(name.casefold() for name in short)
    names = [n if times[n.casefold()] == 1 else str(r.place) for r, n in zip(recordings, short, strict=True)]
    names = [f"{name}.{extension}" for name in names]
    _unlike(recordings, names, "in that folder")
    return dict(zip(recordings, names, strict=True))


def _unlike(recordings: Sequence[Recording], names: Sequence[str], where: str) -> None:
    seen: dict[str, Recording] = {}
    for recording, name in zip(recordings, names, strict=True):
        other = seen.setdefault(name.casefold(), recording)
        if other is not recording:
            raise UsageError(
                f"{other.path} and {recording.path} would both be called {name} {where}: "
                "recognise them one after the other into different ones, or the folder above them into a folder"
            )
