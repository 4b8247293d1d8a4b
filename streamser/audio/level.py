"""How loud a stretch of audio is."""

from __future__ import annotations

import math

import numpy as np


class Level:
    """Gathers samples; `take` gives their level and begins anew."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._count = 0

    def add(self, samples: np.ndarray) -> None:
        """samples: float32 [n], between -1 and 1."""
        wide = samples.astype(np.float64)
        self._energy += float(wide @ wide)
        self._count += len(samples)

    def take(self) -> float | None:
        """RMS level in dB full scale, 1 decimal: 0 for a full-scale square wave, -3.0 for a sine; None in digital silence."""
        energy, count = self._energy, self._count
        self._energy, self._count = 0.0, 0
        return round(10 * math.log10(energy / count), 1) + 0.0 if energy > 0 else None
