"""The audio of a plan."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from benchmarks.timeline.plans import Plan
from streamser.clock import SAMPLE_RATE, to_samples
from train.corpora import data_root, read_audio

FADE = to_samples(0.01)  # of every clip at both ends, so that a join does not click
BED_SLOPE = 0.5  # the bed's amplitude falls by that power of the frequency: pink


def render(plan: Plan) -> np.ndarray:
    """float32 [plan.length] at 16 kHz: the clips over one room bed, and over a noise where the plan has one."""
    rng = np.random.default_rng(plan.seed)
    audio = at_level(pink(plan.length, rng), plan.bed_db)
    if plan.noises:
        audio += at_level(np.resize(joined(plan.noises), plan.length), plan.noise_db)
    for place in plan.places:
        clip = _clip(place.path)[place.first : place.last] * np.float32(10 ** (plan.gains_db[place.speaker] / 20))
        slope = np.minimum(np.arange(1, len(clip) + 1) / FADE, 1.0).astype(np.float32)
        audio[place.at : place.end] += clip * slope * slope[::-1]
    return np.clip(audio, -1.0, 1.0).astype(np.float32)


def pink(length: int, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** BED_SLOPE
    spectrum[: round(20.0 * length / SAMPLE_RATE)] = 0.0  # below 20 Hz
    return np.fft.irfft(spectrum, length).astype(np.float32)


def at_level(samples: np.ndarray, level_db: float) -> np.ndarray:
    """float32, as many, with a mean power of `level_db` decibels of full scale."""
    mean = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) + 1e-12
    return (samples * np.float32(10 ** (level_db / 20) / mean)).astype(np.float32)


@lru_cache(maxsize=8)
def joined(names: tuple[str, ...]) -> np.ndarray:
    """Noise files at one level after each other, float32."""
    return np.concatenate([at_level(read_audio(data_root() / "noise" / name), 0.0) for name in names])


@lru_cache(maxsize=256)
def _clip(path: str) -> np.ndarray:
    return read_audio(data_root() / "corpora" / path)
