"""A recording decoded again up to where it was left, for those passages of it that are needed to go on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamser.audio.pieces import Lost, Piece
from streamser.clock import to_samples
from streamser.errors import AudioError


@dataclass
class Position:
    """How far a recording has been heard: pieces, samples of its time line (lost ones too), and a checksum of them all."""

    pieces: int = 0
    samples: int = 0
    checksum: int = 0

    def pass_by(self, piece: Piece) -> None:
        self.pieces += 1
        self.samples += length(piece)
        data = f"{piece.seconds} {piece.reason}".encode() if isinstance(piece, Lost) else piece.samples.tobytes()
        self.checksum = zlib.crc32(data, self.checksum)


class Passages:
    """Stretches of one channel's time line; lost audio is silence.

    Args:
        wanted: sample indices [start, end).
    """

    def __init__(self, wanted: Sequence[tuple[int, int]]) -> None:
        self._found = {(start, end): np.zeros(end - start, np.float32) for start, end in wanted}

    def take(self, at: int, samples: np.ndarray) -> None:
        """float32 [n] that lie at the sample index `at`."""
        for (start, end), passage in self._found.items():
            first, last = max(start, at), min(end, at + len(samples))
            if first < last:
                passage[first - start : last - start] = samples[first - at : last - at]

    def read(self, start: int, end: int) -> np.ndarray:
        """One of those wanted."""
        return self._found[start, end]


def recollected(pieces: Iterator[Piece], left: Position, name: str, channels: Sequence[Passages]) -> None:
    """Take pieces up to where the recording was left, and fill each channel's passages.

    Raises:
        AudioError: it is not the same recording.
    """
    now = Position()
    try:
        while now.pieces < left.pieces:
            piece = next(pieces)
            for channel, passages in enumerate(channels):
                if not isinstance(piece, Lost):
                    passages.take(now.samples, piece.samples[:, channel])
            now.pass_by(piece)
    except (StopIteration, AudioError) as error:
        raise _another(name) from error
    if now != left:
        raise _another(name)


def _another(name: str) -> AudioError:
    return AudioError(f"{name}: no longer sounds as it did when it was begun: recognise it anew, with --force")


def length(piece: Piece) -> int:
    """Samples of the time line."""
    return to_samples(piece.seconds) if isinstance(piece, Lost) else len(piece.samples)
