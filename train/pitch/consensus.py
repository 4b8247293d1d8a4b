"""Labels for natural speech: only where independent trackers agree. What they dispute is masked out of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from train.pitch.synthesis import HOP, SAMPLE_RATE

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

AGREE_CENTS = 25.0
SURE, SILENT = 0.9, 0.5  # swift-f0's confidence above which it votes voiced, below which it votes unvoiced
UNKNOWN = -1.0


def consensus(samples: NDArray[np.float64], swift: SwiftF0) -> NDArray[np.float32]:
    """F0 f32[n // 160 + 1] in Hz at 10 ms; 0 where all call it unvoiced, -1 where they disagree.

    Args:
        samples: f64[n] at 16 kHz.
        swift: a loaded swift-f0 detector.
    """
    import pyworld

    coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=50.0, f0_ceil=900.0, frame_period=10.0)
    world = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    frames = min(len(world), len(samples) // HOP + 1)
    world, times = world[:frames], times[:frames]
    result = swift.detect(samples.astype(np.float32), SAMPLE_RATE)
    stamps = np.asarray(result.timestamps, dtype=np.float64)
    confidence = np.interp(times, stamps, np.asarray(result.confidence, dtype=np.float64))
    other = 2.0 ** np.interp(times, stamps, np.log2(np.maximum(np.asarray(result.pitch_hz, dtype=np.float64), 20.0)))
    voiced = world > 0
    apart = 1200 * np.abs(np.log2(np.where(voiced, world, 1.0) / other))
    labels = np.full(frames, UNKNOWN)
    labels[~voiced & (confidence < SILENT)] = 0.0
    agreed = voiced & (confidence > SURE) & (apart < AGREE_CENTS)
    labels[agreed] = np.sqrt(world * other)[agreed]
    return labels.astype(np.float32)
