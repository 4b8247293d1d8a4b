"""The last seconds of a stream, addressed by sample index."""

from __future__ import annotations

import numpy as np


class AudioRing:
    """Keeps the newest `capacity` samples, float32 at 16 kHz; anything older or never written reads as silence."""

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.float32)
        self.capacity = capacity
        self.end = 0

    @property
    def start(self) -> int:
        """The oldest sample index that is kept."""
        return self.end - self.capacity

    def write(self, samples: np.ndarray) -> None:
        """Append float32 [n], n at most the capacity."""
        positions = (self.end + np.arange(len(samples))) % self.capacity
        self._samples[positions] = samples
        self.end += len(samples)

    def jump(self, end: int) -> None:
        """Go on at a later sample index; what lies between reads as silence."""
        self._samples[:] = 0.0
        self.end = end

    def read(self, start: int, end: int) -> np.ndarray:
        """A copy of [start, end), float32.

        Raises:
            ValueError: part of it is already forgotten or not yet written.
        """
        if end > self.end or start < self.start:
            raise ValueError(f"[{start}, {end}) is not within the last {self.capacity} samples before {self.end}")
        return self._samples[np.arange(start, end) % self.capacity]
