"""Speech whose F0 is known exactly: WORLD takes a recording apart, the contour is replaced, WORLD puts it together again.

Source: Morise et al. 2016 (WORLD), through pyworld; the idea of taking truth from resynthesis is Salamon et al. 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
HOP = 160
PERIOD_MS = 5.0  # WORLD's frame; every second one is a frame of the network
LOWEST, HIGHEST = 45.0, 1100.0

Audio = NDArray[np.float32]
Contour = NDArray[np.float32]


def _smooth_noise(generator: np.random.Generator, length: int, knots_every: int) -> NDArray[np.float64]:
    """Gaussian values `knots_every` frames apart, joined by straight lines."""
    count = max(2, length // knots_every + 2)
    knots = generator.standard_normal(count)
    return np.interp(np.arange(length), np.arange(count) * knots_every, knots)


def new_contour(f0: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Move, stretch and colour a contour (f64[n] Hz at 5 ms, 0 = unvoiced); where it is unvoiced it stays so."""
    voiced = f0 > 0
    octaves = np.log2(np.where(voiced, f0, 1.0))
    centre = float(np.median(octaves[voiced]))
    target = float(np.clip(centre + generator.normal(0.0, 0.45), np.log2(60), np.log2(620)))
    if generator.random() < 0.15:
        target = float(generator.uniform(np.log2(55), np.log2(800)))
    moved = target + (octaves - centre) * generator.uniform(0.4, 1.9)
    moved = moved + generator.uniform(0.0, 0.06) * _smooth_noise(generator, len(f0), 30)
    if generator.random() < 0.3:
        rate, depth = generator.uniform(4.0, 8.0), generator.uniform(0.01, 0.08)
        moved = moved + depth * np.sin(2 * np.pi * (rate * np.arange(len(f0)) * PERIOD_MS / 1000 + generator.random()))
    if generator.random() < 0.15:  # a jump of an octave part of the way, as breaking voices make
        start = int(generator.integers(0, len(f0)))
        moved[start : start + int(generator.integers(10, 60))] += generator.choice([-1.0, 1.0])
    return np.where(voiced, np.clip(2.0**moved, LOWEST, HIGHEST), 0.0)


def roughen(contour: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """What real voices do to a contour (f64[n] Hz at 5 ms, 0 = unvoiced): jitter, and creak where a voiced run ends."""
    rough = contour.copy()
    if generator.random() < 0.4:
        jitter = generator.uniform(0.002, 0.02) * generator.standard_normal(len(rough))
        rough *= np.where(_smooth_noise(generator, len(rough), 40) > 0, 1 + jitter, 1.0)
    if generator.random() < 0.3:
        ends = np.flatnonzero((rough[:-1] > 0) & (rough[1:] == 0))
        for end in ends[generator.random(len(ends)) < 0.5]:
            start = max(0, int(end) + 1 - int(generator.integers(12, 50)))
            run = slice(start, int(end) + 1)
            fall = 1.0 - generator.uniform(0.2, 0.5) * np.linspace(0.0, 1.0, int(end) + 1 - start) ** 0.5
            rough[run] *= fall * (1 + 0.04 * generator.standard_normal(int(end) + 1 - start))
    return np.where(contour > 0, np.clip(rough, LOWEST, HIGHEST), 0.0)


def resynthesise(samples: NDArray[np.float64], generator: np.random.Generator) -> tuple[Audio, Contour] | None:
    """A recording with a new contour; one in twenty is whispered (no pitch at all), one in ten is breathy.

    Args:
        samples: f64[n] at 16 kHz.
        generator: draws the contour and the width of the vocal tract.

    Returns:
        (audio f32[m], F0 f32[m // 160 + 1] in Hz, frame i at sample 160 i, 0 = unvoiced), or None if nothing is voiced.
    """
    import pyworld

    coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=50.0, f0_ceil=900.0, frame_period=PERIOD_MS)
    f0 = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    if np.count_nonzero(f0) < 20:
        return None
    envelope = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE)
    aperiodicity = pyworld.d4c(samples, f0, times, SAMPLE_RATE)
    # Where WORLD excites with noise alone there is no pitch, whatever its contour says.
    low_band = slice(3, aperiodicity.shape[1] // 8)
    f0 = np.where(aperiodicity[:, low_band].mean(axis=1) > 0.9, 0.0, f0)
    if np.count_nonzero(f0) < 20:
        return None
    contour = roughen(new_contour(f0, generator), generator)
    manner = generator.random()
    if manner < 0.05:
        contour[:] = 0.0
    elif manner < 0.15:
        # Breath fills the upper bands; the lowest, in which the truth is heard, keep their harmonics.
        bands = np.linspace(0.0, 1.0, aperiodicity.shape[1])
        aperiodicity = np.maximum(aperiodicity, np.clip(generator.uniform(0.5, 1.0) * np.sqrt(bands) * 1.6, 0.0, 1.0))
    bins = np.arange(envelope.shape[1])
    warped = np.clip(bins * generator.uniform(0.85, 1.18), 0, bins[-1])
    low = np.floor(warped).astype(int)
    high = np.minimum(low + 1, bins[-1])
    part = warped - low
    envelope = np.ascontiguousarray(envelope[:, low] * (1 - part) + envelope[:, high] * part)
    audio = pyworld.synthesize(contour, envelope, aperiodicity, SAMPLE_RATE, PERIOD_MS)
    truth = contour[::2]
    frames = min(len(truth), len(audio) // HOP + 1)
    return audio[: (frames - 1) * HOP + 1].astype(np.float32), truth[:frames].astype(np.float32)


def harmonic_sound(seconds: float, generator: np.random.Generator) -> tuple[Audio, Contour]:
    """Sums of harmonics with a wandering F0, a random tilt and holes in the spectrum: everything the corpora lack.

    Returns:
        As `resynthesise`.
    """
    frames = int(seconds * SAMPLE_RATE / HOP)
    times = np.arange((frames - 1) * HOP + 1)
    kind = generator.random()
    base = generator.uniform(np.log2(50), np.log2(1050))
    path = np.full(frames, base)
    if kind < 0.4:
        path = base + generator.uniform(0.05, 0.5) * _smooth_noise(generator, frames, int(generator.integers(20, 80)))
    elif kind < 0.7:
        path = np.linspace(base, generator.uniform(np.log2(50), np.log2(1050)), frames)
    f0 = np.clip(2.0**path, LOWEST, HIGHEST)
    voiced = np.ones(frames, dtype=bool)
    for _ in range(int(generator.integers(0, 4))):
        start = int(generator.integers(0, frames))
        voiced[start : start + int(generator.integers(8, 40))] = False
    dense = np.interp(times, np.arange(frames) * HOP, f0)
    phase = 2 * np.pi * np.cumsum(dense) / SAMPLE_RATE
    count = int(generator.integers(2, 50))
    gains = np.arange(1, count + 1) ** -generator.uniform(0.0, 1.6) * np.exp(0.7 * generator.standard_normal(count))
    gains[generator.random(count) < 0.15] = 0.0
    if generator.random() < 0.25:
        gains[0] = 0.0  # the missing fundamental of a telephone
    audio = np.zeros(len(times))
    for number, gain in enumerate(gains, start=1):
        if gain > 0 and number * f0.min() < 7500:
            audio += np.where(number * dense < 7500, gain * np.cos(number * phase + generator.uniform(0, 2 * np.pi)), 0.0)
    gate = np.interp(times, np.arange(frames) * HOP, voiced.astype(float))
    audio *= gate * np.exp(0.4 * np.interp(times, np.arange(frames) * HOP, _smooth_noise(generator, frames, 15)))
    peak = float(np.abs(audio).max())
    return (0.5 * audio / peak if peak > 0 else audio).astype(np.float32), np.where(voiced, f0, 0.0).astype(np.float32)
