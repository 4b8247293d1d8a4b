"""The front end that the published RMVPE weights expect: log-mel frames of a whole recording, every 10 ms.

16 kHz, 1024 point periodic Hann window, hop 160, frames centred on sample 160 i with the ends reflected, magnitude (not power),
128 triangles from 30 Hz to 8 kHz equally spaced on the HTK mel scale with equal area (librosa's `norm="slaney"`, `htk=True`),
natural log of at least 1e-5. The streaming network has a front end of its own, `streamser.features.mel`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE
from streamser.errors import UsageError

WINDOW = 1024
HOP = 160
BANDS = 128
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 8000.0
_FLOOR = np.float32(1e-5)
_FRAMES_AT_ONCE = 4096  # bounds the memory of a long recording's spectra

Float32 = NDArray[np.float32]


def mel_filters() -> Float32:
    """Triangles f32[513, 128] of area 1 over frequency in Hz; the lowest are as narrow as one FFT bin."""
    frequencies = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700)
    corners = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    up = (frequencies[:, None] - left) / (peak - left)
    down = (right - frequencies[:, None]) / (right - peak)
    return (np.clip(np.minimum(up, down), 0, None) * 2 / (right - left)).astype(np.float32)


_TAPER = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
_FILTERS = mel_filters()


def log_mel(audio: Float32) -> Float32:
    """Log-mel frames of a whole recording.

    Args:
        audio: f32[n] at 16 kHz, full scale 1. Integer samples must be scaled first, or the log is off by 10.4.

    Returns:
        f32[n // 160 + 1, 128], natural log of magnitude; no frame for no sample.

    Raises:
        UsageError: audio is not one channel of floating-point samples.
    """
    if audio.ndim != 1 or audio.dtype.kind != "f":
        raise UsageError(
            f"expected one channel of floating-point samples at full scale 1, not {audio.dtype} of shape {audio.shape}"
        )
    if not len(audio):
        return np.empty((0, BANDS), dtype=np.float32)
    padded = np.pad(audio.astype(np.float32), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    rows = []
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        magnitude = np.abs(np.fft.rfft(frames[first : first + _FRAMES_AT_ONCE] * _TAPER, axis=1)).astype(np.float32)
        rows.append(np.log(np.maximum(magnitude @ _FILTERS, _FLOOR)))
    return np.concatenate(rows)


def pad_frames(mel: Float32, multiple: int) -> Float32:
    """Frames f32[n, 128] reflected at the end up to a multiple of `multiple`, which the network's pooling needs."""
    return np.pad(mel, ((0, -len(mel) % multiple), (0, 0)), mode="reflect")
