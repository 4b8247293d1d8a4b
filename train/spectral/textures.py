"""Sounds drawn at random: clicks, rubbed and blown noise, buzzing engines, calls of animals that never lived.

The recordings at hand are mostly voices and streets. The teacher answers whatever it is played, so what is drawn here has no
label of its own and need not be like anything: it only has to spread over the sounds that a listener may meet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamser.clock import SAMPLE_RATE

Texture = Callable[[int, np.random.Generator], np.ndarray]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _slow(count: int, rng: np.random.Generator, rate: float) -> np.ndarray:
    """A wandering curve of `rate` turns a second, about -1 to 1: float64 [count]."""
    knots = rng.standard_normal(max(4, int(count * rate / SAMPLE_RATE) + 3))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)


def _band_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise through a random smooth response of one to three humps over a tilt: float64 [count], deviation 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 30.0))
    decibels = -rng.uniform(0.0, 6.0) * (octaves - 5.0)
    for _ in range(int(rng.integers(1, 4))):
        decibels += rng.uniform(5, 35) * np.exp(-0.5 * ((octaves - rng.uniform(6.5, 12.8)) / rng.uniform(0.15, 1.5)) ** 2)
    noise = np.fft.irfft(spectrum * 10 ** (decibels / 20), count)
    return noise / (noise.std() + 1e-12)


def _times(count: int, rng: np.random.Generator) -> np.ndarray:
    """When things happen: evenly, nearly evenly, by chance, or in bouts; sample indices."""
    rate = _log_uniform(rng, 0.7, 40.0)
    gaps = SAMPLE_RATE / rate * np.ones(int(count * rate / SAMPLE_RATE) + 2)
    manner = rng.random()
    if manner < 0.35:
        gaps *= 1 + rng.uniform(0.0, 0.1) * rng.standard_normal(len(gaps))
    elif manner < 0.8:
        gaps = rng.exponential(gaps)
    else:
        gaps *= np.where(rng.random(len(gaps)) < 0.15, rng.uniform(5, 20), 1.0)
    times = np.cumsum(np.maximum(gaps, 16)).astype(int)
    return times[times < count]


def events(count: int, rng: np.random.Generator) -> np.ndarray:
    """One short sound again and again: ticks, knocks, drops, crackle, footsteps, bells. float32 [count]."""
    length = int(SAMPLE_RATE * _log_uniform(rng, 0.004, 0.6))
    t = np.arange(length) / SAMPLE_RATE
    decay = np.exp(-t * _log_uniform(rng, 3.0, 9.0) * SAMPLE_RATE / length)
    kinds = []
    for _ in range(int(rng.integers(1, 4))):
        hit = np.zeros(length)
        if rng.random() < 0.7:
            hit += _band_noise(max(length, 64), rng)[:length]
        for _ in range(int(rng.integers(0, 6))):
            hertz = _log_uniform(rng, 80, 7000)
            hit += rng.uniform(0, 2) * np.sin(2 * np.pi * hertz * t + rng.uniform(0, 6)) * np.exp(-t * rng.uniform(0, 30))
        kinds.append(hit * decay)
    out = np.zeros(count + length)
    for time in _times(count, rng):
        out[time : time + length] += kinds[int(rng.integers(len(kinds)))] * 10 ** (rng.uniform(-12, 0) / 20)
    return out[:count].astype(np.float32)


def blown(count: int, rng: np.random.Generator) -> np.ndarray:
    """Steady or swelling noise: rain, surf, wind, steam, rotors, applause. float32 [count]."""
    noise = _band_noise(count, rng)
    manner = rng.random()
    if manner < 0.35:
        noise *= np.exp(rng.uniform(0.2, 1.5) * _slow(count, rng, _log_uniform(rng, 0.1, 3.0)))
    elif manner < 0.6:
        t = np.arange(count) / SAMPLE_RATE
        beat = 0.5 + 0.5 * np.sin(2 * np.pi * _log_uniform(rng, 0.15, 30.0) * t)
        noise *= 0.05 + beat ** rng.uniform(0.5, 8.0)
    if rng.random() < 0.3:
        noise += rng.uniform(0.3, 3.0) * events(count, rng)
    return noise.astype(np.float32)


def _harmonics(f0: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a moving F0 (float64 [n] Hz) under a random tilt and humps: float64 [n]."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    humps = [(rng.uniform(8.0, 12.5), rng.uniform(0.2, 0.8), rng.uniform(5, 25)) for _ in range(int(rng.integers(0, 4)))]
    tilt = rng.uniform(0.0, 12.0)
    out = np.zeros(len(f0))
    for number in range(1, int(rng.integers(2, 40))):
        octave = np.log2(max(30.0, number * float(f0.mean())))
        if octave > 12.9:
            break
        level = -tilt * np.log2(number) + sum(gain * np.exp(-0.5 * ((octave - at) / wide) ** 2) for at, wide, gain in humps)
        out += 10 ** (level / 20) * np.sin(number * phase + rng.uniform(0, 6)) * (number * f0 < 7800)
    return out / (out.std() + 1e-12)


def buzz(count: int, rng: np.random.Generator) -> np.ndarray:
    """A low harmonic drone with a rough, revving pitch: engines, saws, drills, fans, mains hum. float32 [count]."""
    t = np.arange(count) / SAMPLE_RATE
    f0 = _log_uniform(rng, 18, 400) * 2 ** (rng.uniform(0, 0.8) * _slow(count, rng, _log_uniform(rng, 0.2, 4.0)))
    f0 *= 1 + rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(3, 40) * t)
    sound = _harmonics(np.clip(f0, 15, 2000), rng) + rng.uniform(0, 1.5) * _band_noise(count, rng)
    sound *= np.exp(rng.uniform(0, 1) * _slow(count, rng, rng.uniform(0.2, 6)))
    return sound.astype(np.float32)


def calls(count: int, rng: np.random.Generator) -> np.ndarray:
    """Separate harmonic or hissing cries with gliding pitch: barks, crows, mews, chirps, sirens, horns. float32 [count]."""
    out = np.zeros(count)
    centre, spread = _log_uniform(rng, 90, 3500), rng.uniform(0.0, 0.8)
    longest, breath = _log_uniform(rng, 0.05, 1.6), rng.uniform(0, 1) ** 2
    shape = rng.normal(0, 0.5, 3)
    at = int(rng.integers(0, SAMPLE_RATE))
    while at < count - 800:
        length = min(count - at, max(800, int(SAMPLE_RATE * longest * rng.uniform(0.5, 1.0))))
        x = np.linspace(0, 1, length)
        glide = shape[0] * x + shape[1] * np.sin(np.pi * x) + shape[2] * np.sin(2 * np.pi * x)
        f0 = np.clip(centre * 2 ** (glide + spread * rng.normal(0, 0.3)), 40, 7000)
        if rng.random() < 0.3:
            f0 = f0 * (1 + rng.uniform(0, 0.08) * np.sin(2 * np.pi * rng.uniform(4, 60) * x * length / SAMPLE_RATE))
        call = (1 - breath) * _harmonics(f0, rng) + breath * _band_noise(length, rng)
        edge = np.minimum(1, np.minimum(x / rng.uniform(0.02, 0.4), (1 - x) / rng.uniform(0.05, 0.6)))
        out[at : at + length] += call * edge * 10 ** (rng.uniform(-8, 0) / 20)
        at += length + int(SAMPLE_RATE * rng.exponential(rng.uniform(0.05, 0.8)))
    return out.astype(np.float32)


def tune(count: int, rng: np.random.Generator) -> np.ndarray:
    """Notes and chords of one made-up instrument. float32 [count]."""
    out = np.zeros(count)
    root, seed = _log_uniform(rng, 55, 500), int(rng.integers(1 << 30))
    beat = SAMPLE_RATE * rng.uniform(0.12, 0.8)
    steps = np.array([0, 2, 3, 5, 7, 8, 10, 12, 15, 19])
    for start in np.arange(0, count, beat).astype(int):
        if rng.random() < 0.15:
            continue
        length = min(count - start, int(beat * rng.uniform(0.8, 3.0)))
        fade = np.exp(-rng.uniform(0.5, 6) * np.arange(length) / SAMPLE_RATE) * np.minimum(1, np.arange(length) / 200)
        for _ in range(int(rng.integers(1, 4))):
            f0 = np.full(length, root * 2 ** (rng.choice(steps) / 12))
            out[start : start + length] += _harmonics(f0, np.random.default_rng(seed)) * fade
    return out.astype(np.float32)


KINDS: tuple[Texture, ...] = (events, blown, buzz, calls, tune)


def texture(count: int, rng: np.random.Generator) -> np.ndarray:
    """One to two kinds at once, with a limited band now and then: float32 [count], peak 0.5."""
    sound = KINDS[int(rng.integers(len(KINDS)))](count, rng)
    if rng.random() < 0.25:
        other = KINDS[int(rng.integers(len(KINDS)))](count, rng)
        sound = sound / (sound.std() + 1e-9) + other / (other.std() + 1e-9) * 10 ** (rng.uniform(-15, 0) / 20)
    peak = float(np.abs(sound).max())
    return (0.5 * sound / peak if peak > 0 else sound).astype(np.float32)
