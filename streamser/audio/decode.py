"""An opened container, decoded packet by packet in bounded memory with PyAV."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain

import av
import numpy as np

from streamser.audio.pieces import Block, Channels, Lost, Piece, Samples
from streamser.audio.resample import Resampler, scaled
from streamser.clock import SAMPLE_RATE
from streamser.errors import AudioError

log = logging.getLogger(__name__)

SHORTEST = 0.1  # seconds; less carries no emotion
BLOCK = 0.1  # seconds decoded before they are handed on, where they may still be arriving
MOST_VALUES = 1 << 22  # samples of all channels that are gathered for a block, whatever its seconds
JUMP = 0.1  # seconds by which a time stamp must run ahead before audio counts as lost: containers round stamps
LONGEST_LOSS = 3600.0  # a stamp further ahead is a new time base, not lost audio


class Decoded:
    """A source over an open container.

    Opening decodes the first 0.1 s, so that what cannot be recognised fails at once.

    Args:
        container: opened for reading; closed by `close`.
        name: the source's name, used in events and messages.
        channels: mix or split.
        shortfall: given the seconds that were decoded, the seconds that the recording declares but lacks (0.0 if none).
        block: seconds decoded before they are handed on.

    Raises:
        AudioError: no audio in it, nothing that can be decoded, or less than 0.1 s.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        name: str,
        channels: Channels,
        shortfall: Callable[[float], float] | None = None,
        block: float = BLOCK,
    ) -> None:
        self.name = name
        self._block = block
        self._container = container
        self._mode = channels
        self._shortfall = shortfall
        stream = container.streams.best("audio")
        if not isinstance(stream, av.AudioStream):
            container.close()
            raise AudioError(f"{name}: no audio in it")
        self._stream = stream
        self._resampler: Resampler | None = None
        self._failed_packets = 0
        self._truncated: AudioError | None = None
        self.seconds = declared_seconds(container, stream)
        self._pieces = self._decode()
        try:
            self._pieces = self._long_enough(self._pieces)
        except BaseException:
            container.close()
            raise

    @property
    def channels(self) -> int:
        return self._resampler.outputs if self._resampler else 1

    def __iter__(self) -> Iterator[Piece]:
        return self._pieces

    def close(self) -> None:
        self._container.close()

    def _long_enough(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        first: list[Piece] = []
        samples = 0
        for piece in pieces:
            first.append(piece)
            samples += len(piece.samples) if isinstance(piece, Block) else 0
            if samples >= SHORTEST * SAMPLE_RATE:
                return chain(first, pieces)
        if samples == 0:
            raise AudioError(f"{self.name}: no audio in it that can be decoded")
        raise AudioError(f"{self.name}: only {samples / SAMPLE_RATE:.3f} s long; at least {SHORTEST} s are needed")

    def _decode(self) -> Iterator[Piece]:
        waiting: list[Samples] = []
        waiting_samples = 0
        decoded = 0.0  # seconds
        expected: float | None = None  # the next frame's time stamp
        for frame in self._frames():
            if not self._prepared_for(frame):
                yield from self._blocks(waiting, end=True)
                waiting, waiting_samples = [], 0
                self._prepare(frame, decoded)
            stamp = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            if stamp is not None and expected is not None and JUMP < stamp - expected < LONGEST_LOSS:
                yield from self._blocks(waiting, end=True)
                waiting, waiting_samples = [], 0
                yield Lost(stamp - expected, "source")
                decoded += stamp - expected
            waiting.append(as_float32(frame))
            waiting_samples += frame.samples
            seconds = frame.samples / frame.sample_rate
            decoded += seconds
            expected = stamp + seconds if stamp is not None else None if expected is None else expected + seconds
            enough = waiting_samples * frame.layout.nb_channels >= MOST_VALUES
            if enough or waiting_samples >= self._block * frame.sample_rate:
                yield from self._blocks(waiting)
                waiting, waiting_samples = [], 0
        yield from self._blocks(waiting, end=True)
        self._report(decoded)

    def _frames(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._truncated = AudioError(f"{self.name}: cut off ({reason(error)}); what came before was recognised")
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._failed_packets += 1
                continue
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame

    def _prepared_for(self, frame: av.AudioFrame) -> bool:
        now = self._resampler
        return now is not None and (frame.sample_rate, frame.layout.nb_channels) == (now.rate, now.channels)

    def _prepare(self, frame: av.AudioFrame, at: float) -> None:
        channels = frame.layout.nb_channels
        before = self._resampler
        if before and self._mode == "split" and channels != before.channels:
            raise AudioError(f"{self.name}: goes from {before.channels} to {channels} channels at {at:.1f} s: use --channels mix")
        self._resampler = Resampler(frame.sample_rate, channels, self._mode)
        if before:
            self._resampler.repaired = before.repaired

    def _blocks(self, waiting: list[Samples], end: bool = False) -> Iterator[Block]:
        if self._resampler is None:
            return
        if waiting:
            samples = self._resampler.feed(np.concatenate(waiting))
            if len(samples):
                yield Block(samples)
        if end and len(rest := self._resampler.flush()):
            yield Block(rest)

    def _report(self, decoded: float) -> None:
        if self._resampler:
            self._resampler.warn_of_repairs(self.name)
        if self._failed_packets:
            log.warning("%s: %d packets could not be decoded", self.name, self._failed_packets)
        if self._truncated:
            raise self._truncated
        missing = self._shortfall(decoded) if self._shortfall else 0.0
        if missing:
            raise AudioError(
                f"{self.name}: truncated: {decoded:.1f} s of {decoded + missing:.1f} s are there; these were recognised"
            )


def declared_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """The length that the container's header gives, in some formats an estimate; None where it gives none."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def as_float32(frame: av.AudioFrame) -> Samples:
    """A frame's samples as float32 [n, channels], integers scaled to [-1, 1)."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    return scaled(values)


def reason(error: av.error.FFmpegError) -> str:
    """FFmpeg's own words for what went wrong, without the numbers around them."""
    return (error.strerror or str(error)).lower()
