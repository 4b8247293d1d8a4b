"""An output that can be gone on with: its checkpoint is kept up to date while recordings are recognised."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamser.audio.pieces import Source
from streamser.audio.recollection import Passages, Position, recollected
from streamser.audio.watched import Watched
from streamser.checkpoint import Checkpoint
from streamser.cli.interruption import Interruption
from streamser.cli.progress import tell
from streamser.cli.recordings import Recording
from streamser.clock import to_samples, to_seconds
from streamser.errors import AudioError, StreamserError
from streamser.sinks import LineSink
from streamser.sinks.names import checkpoint_path
from streamser.sinks.output import Output
from streamser.sinks.wording import clock
from streamser.stream import Stream
from streamser.stream_state import passages, restore, snapshot

log = logging.getLogger(__name__)

EVERY = to_samples(15.0)  # of audio; with the block that is being judged then, a checkpoint is at most half a minute old


class Journal:
    """Of one output.

    Args:
        path: of the output.
        made_with: what its content depends on besides the recordings, by option.
        recordings: all that it shall hold, in order.
        resume: go on where there is a checkpoint. force: whatever lies in the checkpoint's place may be overwritten.

    Raises:
        StreamserError: the checkpoint cannot be read or is of something else, or a file of another kind lies in its place.
    """

    def __init__(
        self,
        path: Path,
        output: Output,
        sink: LineSink,
        made_with: dict[str, Any],
        recordings: Sequence[Recording],
        resume: bool,
        force: bool,
    ) -> None:
        self._name, self._path = path.name, checkpoint_path(path)
        self._output, self._sink = output, sink
        self._recordings = recordings
        self._at = -1  # which of them it is at
        self._saved = 0  # samples of it
        self._kept = True
        self._state = Checkpoint(made_with, [identity(recording) for recording in recordings])
        if resume and self._path.exists():
            self._take_up(Checkpoint.load(self._path))
        else:
            if self._path.exists() and not force:
                Checkpoint.load(self._path)  # an older one, without its output
            self._save()

    @property
    def failed(self) -> bool:
        """Whether a recording could not be read to its end."""
        return self._state.failed

    @contextmanager
    def recording(self) -> Iterator[bool]:
        """The next recording; False where it is done already."""
        self._at, self._saved = self._at + 1, 0
        if self._at < self._state.done:
            yield False
            return
        begun = self._state.position is not None
        try:
            yield True
        except AudioError as error:
            if begun and self._saved == 0:  # it cannot be opened any more
                raise StreamserError(
                    f"{error} ({self._name} holds a part of it: try --resume again, or start with --force)"
                ) from error
            self._finish(failed=True)
            raise
        self._finish(failed=False)

    def watched(self, source: Source, streams: Sequence[Stream], interruption: Interruption) -> tuple[Source, float]:
        """The rest of the recording for these streams, which are put where it was left, and how many seconds had been heard.

        Raises:
            StreamserError: it is another one than it was.
        """
        position = Position()
        left = self._state.position
        if left is not None:
            if len(self._state.channels) != len(streams):
                raise StreamserError(f"{source.name}: has another number of channels than it had: start again with --force")
            position = replace(left)
            heard = [Passages(passages(*pair)) for pair in zip(streams, self._state.channels, strict=True)]
            with interruption.reading():
                recollected(iter(source), left, source.name, heard)
            for stream, state, audio in zip(streams, self._state.channels, heard, strict=True):
                restore(stream, state, audio.read)
            tell(f"going on at {clock(to_seconds(left.samples))} of {source.name}")
        self._saved = position.samples

        def passed(now: Position, stopped: bool) -> None:
            if stopped or now.samples - self._saved >= EVERY:
                self._saved = now.samples
                self._state.position, self._state.channels = replace(now), [snapshot(stream) for stream in streams]
                self._save()
            if stopped:
                tell(f"stopped at {clock(to_seconds(now.samples))} of {source.name}: --resume goes on from there")

        return Watched(source, position, interruption.reading, passed), to_seconds(position.samples)

    def remove(self) -> None:
        """The output is complete."""
        self._path.unlink(missing_ok=True)

    def _take_up(self, found: Checkpoint) -> None:
        for option, value in self._state.made_with.items():
            if found.made_with.get(option) != value:
                raise StreamserError(
                    f"{self._name} was begun with {told(option, found.made_with.get(option))}, not {told(option, value)}: "
                    "give the same options, or start again with --force"
                )
        if [one[0] for one in found.recordings] != [one[0] for one in self._state.recordings]:
            raise StreamserError(f"{self._name} was begun with other recordings: give the same ones, or start again with --force")
        for before, now in list(zip(found.recordings, self._state.recordings, strict=True))[found.done :]:
            if before != now:
                raise StreamserError(f"{now[0]} was changed since {self._name} was begun: start again with --force")
        self._output.go_on(found.bytes)
        self._sink.restore(found.sink)
        self._state = found

    def _finish(self, failed: bool) -> None:
        self._state.done, self._state.failed = self._at + 1, self._state.failed or failed
        self._state.position, self._state.channels = None, []
        self._save()

    def _save(self) -> None:
        if not self._kept:
            return
        self._state.bytes, self._state.sink = self._output.position(), self._sink.state()
        try:
            self._state.save(self._path)
        except OSError as error:
            self._kept = False
            reason = (error.strerror or str(error)).lower()
            log.warning(
                "%s cannot be written (%s): if this is broken off, --resume will not find how far it came", self._path, reason
            )


def identity(recording: Recording) -> list[Any]:
    """What tells a recording from another one in its place: path, size and time of change, as far as it is a file."""
    try:
        found = os.stat(recording.path)  # noqa: PTH116
    except (OSError, ValueError):
        return [recording.path, None, None]
    return [recording.path, found.st_size, found.st_mtime_ns]


def told(option: str, value: Any) -> str:
    """An option as one would write it."""
    if value in (None, False):
        return f"no {option}"
    shown = ",".join(map(str, value)) if isinstance(value, list) else value
    return option if value is True else f"{option} {shown}"
