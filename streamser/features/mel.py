"""The pitch network's front end: log-mel frames of a stream, each computed once, the same in training and live.

RMVPE's input (window 1024 Hann, hop 160, 128 HTK mel bands, natural log of magnitude) with two changes: bands end at
5 kHz, where harmonics of a voice still stand apart, and the window is padded to 2048 so that the lowest bands are not empty.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE

WINDOW = 1024
HOP = 160
HALF_WINDOW = WINDOW // 2
BANDS = 128
_FFT = 2048
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 5000.0
_FLOOR = 1e-5  # -100 dB below a full-scale tone

Float32 = NDArray[np.float32]


def mel_filters() -> Float32:
    """Triangles f32[bins up to 5 kHz, 128], each with sum 1, HTK mel spacing."""
    top = int(_HIGHEST_HZ * _FFT / SAMPLE_RATE) + 1
    frequencies = np.arange(top) * SAMPLE_RATE / _FFT
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = np.linspace(lowest, highest, BANDS + 2)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    rising = (frequencies[:, None] - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    falling = (hertz[2:] - frequencies[:, None]) / (hertz[2:] - hertz[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles / triangles.sum(axis=0)).astype(np.float32)


_TAPER = (np.hanning(WINDOW + 1)[:-1] * 2 / (WINDOW / 2)).astype(np.float32)  # a full-scale tone has magnitude 1
_FILTERS = mel_filters()


def log_mel(padded: Float32) -> Float32:
    """Log-mel frames of samples that already carry half a window before the first frame's centre.

    Args:
        padded: f32[n]; frame i is `padded[160 i : 160 i + 1024]`.

    Returns:
        f32[max(0, (n - 1024) // 160 + 1), 128], natural log of magnitude, at least ln 1e-5.
    """
    if len(padded) < WINDOW:
        return np.empty((0, BANDS), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * _TAPER
    spectrum = np.abs(np.fft.rfft(frames, _FFT, axis=1)[:, : len(_FILTERS)]).astype(np.float32)
    return np.log(np.maximum(spectrum @ _FILTERS, np.float32(_FLOOR)))


class MelStream:
    """The samples that the next frames still need. Frame i is centred on sample 160 i of the stream."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything; before a stream's start there is silence."""
        self._kept: Float32 = np.zeros(HALF_WINDOW, dtype=np.float32)

    def restore(self, heard: int, recent: Float32) -> None:
        """Go on as after `heard` samples, whose last are `recent` f32[n], n at least 1184; silence before the first."""
        padded = HALF_WINDOW + heard
        frames = max(0, (padded - WINDOW) // HOP + 1)
        self._kept = recent[len(recent) - (padded - frames * HOP) :]

    def feed(self, samples: Float32) -> Float32:
        """samples f32[n] -> log-mel f32[m, 128] of all frames that are complete now."""
        joined = np.concatenate([self._kept, samples])
        frames = log_mel(joined)
        self._kept = joined[len(frames) * HOP :].copy()
        return frames
