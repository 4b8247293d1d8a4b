"""From a source's own samples to the recogniser's: repaired, mixed or split, 16 kHz, without clicks at the joins."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamser.audio.pieces import Channels, Samples
from streamser.audio.polyphase import Polyphase
from streamser.clock import SAMPLE_RATE

log = logging.getLogger(__name__)

FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "int64": 2.0**63}
# Float recordings exceed 1.0 now and then; what is 90 dB above full scale is a broken sample, like NaN and infinity.
LOUDEST = 32_768.0


class Resampler:
    """One source's way to 16 kHz. Any split of the same samples into blocks gives the same output, bit for bit.

    Args:
        rate: the source's samples a second.
        mode: `mix` averages the channels into one, `split` keeps them.
        channels: the source's channels.
    """

    def __init__(self, rate: int, channels: int, mode: Channels) -> None:
        self.rate = rate
        self.channels = channels
        self.mode = mode
        self.repaired = 0
        self._fed = 0
        self._given = 0
        self._streams = self._open()

    @property
    def outputs(self) -> int:
        return 1 if self.mode == "mix" else self.channels

    @property
    def delay(self) -> float:
        """Seconds of fed audio that have not come out yet."""
        return self._fed / self.rate - self._given / SAMPLE_RATE

    def feed(self, samples: Samples) -> Samples:
        """float32 [n, channels] at the source's rate in, float32 [m, outputs] at 16 kHz out; m may be 0."""
        broken = ~(np.abs(samples) <= LOUDEST)  # NaN compares false
        if broken.any():
            self.repaired += int(broken.any(axis=1).sum())
            samples = np.where(broken, np.float32(0), samples)
        if self.mode == "mix" and self.channels > 1:
            samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
        self._fed += len(samples)
        return self._resample(samples, last=False)

    def flush(self) -> Samples:
        """What is still inside, float32 [m, outputs], when audio ends or is interrupted; a new stretch starts then."""
        rest = self._resample(np.zeros((0, self.outputs), np.float32), last=True)
        self._streams = self._open()
        self._fed = self._given = 0
        return rest

    def warn_of_repairs(self, name: str) -> None:
        """Say once, at the end, how much of a source was not sound."""
        if self.repaired:
            log.warning("%s: %d samples were not finite numbers and were heard as silence", name, self.repaired)

    def _open(self) -> list[Polyphase]:
        return [] if self.rate == SAMPLE_RATE else [Polyphase(self.rate) for _ in range(self.outputs)]

    def _resample(self, samples: Samples, last: bool) -> Samples:
        if self._streams:
            fed = [stream.feed(column) for stream, column in zip(self._streams, samples.T, strict=True)]
            if last:
                fed = [stream.end() for stream in self._streams]
            samples = np.stack(fed, axis=1)
        self._given += len(samples)
        return samples


def scaled(values: NDArray[Any]) -> Samples:
    """Samples of any encoding as float32 of the same shape, integers scaled to [-1, 1)."""
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128.0) / 128.0
    if values.dtype.kind == "i":
        return (values / FULL_SCALE[values.dtype.name]).astype(np.float32)
    with np.errstate(over="ignore"):  # what does not fit float32 becomes infinite, and is repaired as such
        return values.astype(np.float32)
