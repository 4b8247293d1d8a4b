"""Labels for natural speech: only where independent trackers agree. What they dispute is masked out of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from train.pitch.synthesis import HOP, SAMPLE_RATE

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

AGREE_CENTS = 25.0
SURE = 0.5  # swift-f0's confidence above which it votes voiced
LOWEST, HIGHEST = 50.0, 900.0
UNKNOWN = -1.0


def _swift(samples: NDArray[np.float64], swift: SwiftF0, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """swift-f0's Hz and confidence at `times`."""
    result = swift.detect(samples.astype(np.float32), SAMPLE_RATE)
    stamps = np.asarray(result.timestamps, dtype=np.float64)
    octaves = np.log2(np.maximum(np.asarray(result.pitch_hz, dtype=np.float64), 20.0))
    confidence = np.asarray(result.confidence, dtype=np.float64)
    return 2.0 ** np.interp(times, stamps, octaves), np.interp(times, stamps, confidence)


def _praat(samples: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Praat's autocorrelation tracker at `times`: Hz between two voiced frames, 0 where one of them is unvoiced."""
    import parselmouth

    pitch = parselmouth.Sound(samples, SAMPLE_RATE).to_pitch_ac(
        time_step=HOP / SAMPLE_RATE, pitch_floor=LOWEST, pitch_ceiling=HIGHEST, very_accurate=False
    )
    stamps, values = pitch.xs(), np.asarray(pitch.selected_array["frequency"], dtype=np.float64)
    both = np.interp(times, stamps, (values > 0).astype(float), left=0.0, right=0.0) > 0.999
    return np.where(both, 2.0 ** np.interp(times, stamps, np.log2(np.maximum(values, 1.0))), 0.0)


def consensus(samples: NDArray[np.float64], swift: SwiftF0) -> NDArray[np.float32]:
    """F0 f32[n // 160 + 1] in Hz at 10 ms; 0 where all call it unvoiced, -1 where they disagree.

    swift-f0, Praat and WORLD's DIO with StoneMask vote: voiced where all three lie within 25 cents of each other.

    Args:
        samples: f64[n] at 16 kHz, n >= 4000.
        swift: a loaded swift-f0 detector.
    """
    import pyworld

    coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=LOWEST, f0_ceil=HIGHEST, frame_period=10.0)
    world = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    frames = min(len(world), len(samples) // HOP + 1)
    world, times = world[:frames], times[:frames]
    learned, confidence = _swift(samples, swift, times)
    praat = _praat(samples, times)
    voiced = (world > 0) & (praat > 0)
    votes = np.log2(np.where(voiced, np.stack([world, praat, learned]), 1.0))
    labels = np.full(frames, UNKNOWN)
    labels[(world == 0) & (praat == 0) & (confidence < SURE)] = 0.0
    agreed = voiced & (confidence > SURE) & (1200 * np.ptp(votes, axis=0) < AGREE_CENTS)
    labels[agreed] = 2.0 ** np.median(votes, axis=0)[agreed]
    return labels.astype(np.float32)
