"""The mel front end of the spectral encoder: 64 HTK mel bands in decibels every 10 ms, with a fixed floor.

As in CED (512-sample Hann window, hop 160, 0 to 8000 Hz, power), but for two things that a stream needs: the decibel
floor is a constant instead of 120 dB under the loudest frame, and the samples before the start are zeros instead of a
mirror image.
"""

from __future__ import annotations

import numpy as np

FFT_SIZE = 512
HOP = 160
MEL_BANDS = 64
FLOOR_DB = -60.0  # white noise at about -83 dBFS: under it lie only codecs and dither, which would tell the corpus
COLUMN_FRAMES = 16
COLUMN_SAMPLES = HOP * COLUMN_FRAMES
LEFT_CONTEXT = FFT_SIZE // 2  # frame i is centred on sample 160 i
LOOK_AHEAD = (COLUMN_FRAMES - 1) * HOP + FFT_SIZE // 2 - COLUMN_SAMPLES  # 96 samples after the column's end
COLUMN_SPAN = (COLUMN_FRAMES - 1) * HOP + FFT_SIZE  # samples under the windows of one column


def htk_filterbank() -> np.ndarray:
    """Triangles between points equally spaced in HTK mels (2595 log10(1 + f / 700)): float32 [257, 64], peaks of 1."""
    frequencies = np.linspace(0.0, 8000.0, FFT_SIZE // 2 + 1)
    points = 700.0 * (10.0 ** (np.linspace(0.0, 2595.0 * np.log10(1.0 + 8000.0 / 700.0), MEL_BANDS + 2) / 2595.0) - 1.0)
    rising = (frequencies[:, None] - points[None, :-2]) / np.diff(points)[None, :-1]
    falling = (points[None, 2:] - frequencies[:, None]) / np.diff(points)[None, 1:]
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


_WINDOW = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)).astype(np.float32)  # periodic Hann
_FILTERBANK = htk_filterbank()


def column_decibels(span: np.ndarray) -> np.ndarray:
    """The 16 mel frames of one column.

    Always the same shapes, one column a call, so that the result does not depend on how the audio was cut.

    Args:
        span: float32 [2912], the samples [2560 j - 256, 2560 (j + 1) + 96) of column j.

    Returns:
        float32 [16, 64], decibels, at least `FLOOR_DB`.
    """
    frames = np.lib.stride_tricks.sliding_window_view(span, FFT_SIZE)[::HOP] * _WINDOW
    spectrum = np.fft.rfft(frames, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    floor = np.float32(10.0 ** (FLOOR_DB / 10.0))
    return np.float32(10.0) * np.log10(np.maximum(power @ _FILTERBANK, floor))


def columns_decibels(samples: np.ndarray) -> np.ndarray:
    """All columns that a recording has enough samples for: float32 [n] at 16 kHz -> float32 [columns, 16, 64]."""
    count = max(0, (len(samples) - LOOK_AHEAD) // COLUMN_SAMPLES)
    padded = np.concatenate([np.zeros(LEFT_CONTEXT, np.float32), samples.astype(np.float32, copy=False)])
    columns = np.empty((count, COLUMN_FRAMES, MEL_BANDS), np.float32)
    for j in range(count):
        columns[j] = column_decibels(padded[j * COLUMN_SAMPLES : j * COLUMN_SAMPLES + COLUMN_SPAN])
    return columns
