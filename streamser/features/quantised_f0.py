"""F0 as tokens for a learned embedding: equal steps on the mel scale. Training and the runtime encode with this module alone.

Source: Ferreira et al. 2025 (arXiv 2506.02088), whose code follows RVC's `f0_to_coarse`; mel = 1127 ln(1 + f / 700).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamser.errors import UsageError


def _mel(hertz: ArrayLike) -> NDArray[np.float64]:
    return 1127 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700)


@dataclass(frozen=True)
class F0Quantiser:
    """Hz <-> tokens. Tokens 1 to bins - 1 are pitch, their centres equally spaced in mel from f0_min to f0_max.

    The constructor's defaults are the paper's setting: unvoiced frames share token 1 with everything up to the first bin's upper
    edge (51.3 Hz), and token 0 is never used. There decode takes token 1 for unvoiced, so a voice at 50 Hz comes back as 0.

    Round-trip error of decode(encode(f)) from 50 to 1100 Hz in cents, worst and mean over pitches spread evenly on a log scale:

        bins   65-130 Hz     130-260 Hz    260-520 Hz
          64   147.3  54.4    77.6  30.4    45.5  18.0
         128    68.7  26.0    37.5  14.6    21.9   8.8
         256    34.5  12.9    19.0   7.3    10.9   4.4
         512    17.3   6.5     9.4   3.6     5.4   2.2

    (`tests/test_quantised_f0.py` computes this table.) Pitch outside the range takes the nearest end.

    bins: tokens in all, 0 to bins - 1.
    f0_min, f0_max: Hz, the centres of tokens 1 and bins - 1.
    unvoiced: the token of unvoiced frames: 1, shared with the lowest pitch, or 0, a token of its own.
    """

    bins: int = 256
    f0_min: float = 50.0
    f0_max: float = 1100.0
    unvoiced: int = 1

    def __post_init__(self) -> None:
        """Raises UsageError unless bins >= 3, 0 < f0_min < f0_max and unvoiced is 0 or 1."""
        if self.bins < 3 or not 0 < self.f0_min < self.f0_max:
            raise UsageError(f"cannot quantise F0 into {self.bins} bins from {self.f0_min} to {self.f0_max} Hz")
        if self.unvoiced not in (0, 1):
            raise UsageError(f"the token of unvoiced frames is 0 (its own) or 1 (the lowest pitch's), not {self.unvoiced}")

    @property
    def step_mel(self) -> float:
        """The width of a bin in mel."""
        return float(_mel(self.f0_max) - _mel(self.f0_min)) / (self.bins - 2)

    def encode(self, f0_hz: ArrayLike) -> NDArray[np.int64]:
        """F0 in Hz, any shape, 0 (or less, or not a number) = unvoiced -> int64 tokens of the same shape in unvoiced..bins-1."""
        f0 = np.nan_to_num(np.asarray(f0_hz, dtype=np.float64), nan=0.0)
        place = (_mel(np.maximum(f0, 0.0)) - _mel(self.f0_min)) / self.step_mel + 1
        tokens = np.clip(np.floor(place + 0.5), 1, self.bins - 1)
        return np.where(f0 > 0, tokens, self.unvoiced).astype(np.int64)

    def decode(self, tokens: ArrayLike) -> NDArray[np.float32]:
        """Tokens -> the centre of each bin in Hz, 0 for the unvoiced token, shared or not.

        Raises:
            UsageError: tokens that encode never gives.
        """
        given = np.asarray(tokens)
        if given.size and (given.min() < self.unvoiced or given.max() >= self.bins):
            raise UsageError(f"F0 tokens must lie in {self.unvoiced}..{self.bins - 1}")
        mel = _mel(self.f0_min) + (given - 1) * self.step_mel
        return np.where(given == self.unvoiced, 0.0, 700 * np.expm1(mel / 1127)).astype(np.float32)


DEFAULT_PACK_F0 = F0Quantiser(unvoiced=0)  # what the default pack's fusion is trained on: a token of its own for unvoiced
