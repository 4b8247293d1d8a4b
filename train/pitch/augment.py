"""Crops for training, made on the fly: joined examples, rooms, bands, noise, gain, and a mask of frames nobody could label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from streamser.features.mel import HALF_WINDOW, HOP, WINDOW, log_mel
from train.augmentation.waveform import looped, telephone
from train.pitch.noise import coloured_noise
from train.pitch.synthesis import SAMPLE_RATE

Float32 = NDArray[np.float32]
DROWNED_DB = -6.0  # voiced frames whose speech is so far under the noise are masked
FAINT_DB = -45.0  # and those so far under the crop's loudest frame
SECOND_VOICE = 0.12
TELEPHONE = 0.12


class Examples:
    """One shard of the cache, read into memory."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as shard:
            self._audio, self._f0 = shard["audio"], shard["f0"]
            self._audio_ends = [0, *shard["audio_ends"].tolist()]
            self._f0_ends = [0, *shard["f0_ends"].tolist()]

    def __len__(self) -> int:
        return len(self._f0_ends) - 1

    def __getitem__(self, index: int) -> tuple[Float32, Float32]:
        audio = self._audio[self._audio_ends[index] : self._audio_ends[index + 1]].astype(np.float32) / 32768
        return audio, self._f0[self._f0_ends[index] : self._f0_ends[index + 1]]


def _joined(
    shards: list[Examples], weights: NDArray[np.float64], frames: int, generator: np.random.Generator
) -> tuple[Float32, Float32]:
    """Examples one after another with pauses between, from a random place in the first one."""
    length = (frames - 1) * HOP + 1
    audio, f0 = np.zeros(length + HOP, dtype=np.float32), np.zeros(frames, dtype=np.float32)
    at = int(generator.integers(0, 40)) if generator.random() < 0.3 else -int(generator.integers(0, 120))
    while at < frames:
        shard = shards[int(generator.choice(len(shards), p=weights))]
        samples, labels = shard[int(generator.integers(len(shard)))]
        gain = 10 ** (generator.uniform(-8, 0) / 20)
        skip = max(0, -at)
        start, stop = at + skip, min(frames, at + len(labels) - 1)
        if stop > start:
            part = samples[skip * HOP : (stop - at) * HOP]
            fade = np.minimum(1.0, np.minimum(np.arange(len(part)), np.arange(len(part))[::-1]) / 80).astype(np.float32)
            audio[start * HOP : start * HOP + len(part)] = gain * part * fade
            f0[start:stop] = labels[skip : stop - at]
        at += len(labels) + int(generator.exponential(20))
    return audio[:length], f0


def _coloured(audio: Float32, generator: np.random.Generator) -> Float32:
    """A random microphone and room: tilt, band limits and a short decaying tail, in one product of spectra."""
    size = next_fast_len(len(audio) + SAMPLE_RATE // 4, real=True)
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    response = np.ones(len(frequencies), dtype=np.complex128)
    squared = np.maximum(frequencies, 1.0) ** 2
    if generator.random() < 0.5:
        knots = generator.normal(0, 4, 8)
        response *= 10 ** (np.interp(np.log2(frequencies + 30), np.linspace(4.9, 13, 8), knots) / 20)
    if generator.random() < 0.3:
        response /= 1 + (generator.uniform(60, 350) ** 2 / squared) ** 2
    if generator.random() < 0.3:
        response /= 1 + (squared / generator.uniform(1800, 7000) ** 2) ** 3
    if generator.random() < 0.2:
        times = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
        tail = generator.standard_normal(len(times)) * np.exp(-6.9 * times / generator.uniform(0.1, 0.4))
        tail *= generator.uniform(0.1, 0.6) / np.sqrt(np.sum(tail**2))
        tail[0] += 1.0
        response *= np.fft.rfft(tail, size)
    return np.fft.irfft(np.fft.rfft(audio, size) * response, size)[: len(audio)].astype(np.float32)


def _frame_power(audio: Float32, frames: int) -> NDArray[np.float64]:
    """Mean power in the 20 ms around each frame's centre."""
    sums = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    centres = np.arange(frames) * HOP
    low, high = np.maximum(centres - HOP, 0), np.minimum(centres + HOP, len(audio))
    return (sums[high] - sums[low]) / (high - low)


class CropMaker:
    """Draws crops. Every random choice comes from the generator handed to `crop`."""

    def __init__(self, shards: list[Examples], noises: list[list[Float32]], frames: int) -> None:
        self._shards = shards
        sizes = np.array([len(shard) for shard in shards], dtype=np.float64)
        self._weights = sizes / sizes.sum()
        self._noises = noises
        self._frames = frames

    def _noise(self, length: int, generator: np.random.Generator) -> Float32:
        if generator.random() < 0.35:
            return coloured_noise(length, generator)
        group = self._noises[int(generator.integers(len(self._noises)))]
        recording = group[int(generator.integers(len(group)))]
        return looped(recording, length, generator)

    def crop(self, generator: np.random.Generator, speech: bool | None = None) -> tuple[Float32, Float32, Float32]:
        """(log-mel f32[T, 128], F0 f32[T] Hz with 0 = unvoiced, weight f32[T]: 0 where the truth is unknown)."""
        frames = self._frames
        clean, f0 = _joined(self._shards, self._weights, frames, generator)
        if not (generator.random() < 0.95 if speech is None else speech):
            clean, f0 = np.zeros_like(clean), np.zeros_like(f0)
        known = (f0 >= 0).astype(np.float32)
        f0 = np.maximum(f0, 0.0)
        wet = _coloured(clean, generator)
        power = _frame_power(wet, frames)
        loudest = float(power.max())
        audio = wet
        if loudest > 0:
            known[(f0 > 0) & (power < loudest * 10 ** (FAINT_DB / 10))] = 0.0
        if loudest > 0 and generator.random() < SECOND_VOICE:
            other, its_f0 = _joined(self._shards, self._weights, frames, generator)
            its_power = _frame_power(other, frames)
            gain = np.sqrt(loudest / max(float(its_power.max()), 1e-12)) * 10 ** (-generator.uniform(6, 25) / 20)
            audio = wet + np.float32(gain) * other
            # Which of two voices is meant is clear only where the first one is voiced and well above the second.
            heard = (its_f0 != 0) & (gain**2 * its_power > loudest * 10 ** (FAINT_DB / 10))
            known[heard & ((f0 == 0) | (power < 4 * gain**2 * its_power))] = 0.0
        if generator.random() < 0.75:
            noise = self._noise(len(wet), generator)
            spoken = power > max(loudest * 1e-3, 1e-12)
            level = float(power[spoken].mean()) if spoken.any() else 10 ** (generator.uniform(-70, -20) / 10)
            loudness = float(np.mean(noise**2)) + 1e-12
            noise = noise * np.float32(np.sqrt(level / loudness) * 10 ** (-generator.uniform(-3, 40) / 20))
            drowned = power < _frame_power(noise, frames) * 10 ** (DROWNED_DB / 10)
            known[(f0 > 0) & drowned] = 0.0
            audio = audio + noise
        if generator.random() < TELEPHONE:
            audio = telephone(audio, generator)
        peak = float(np.abs(audio).max())
        if peak > 0:
            audio = audio * np.float32(10 ** (generator.uniform(-40, 0) / 20) / peak)
        if generator.random() < 0.05:
            audio = np.clip(audio, -0.3 * np.abs(audio).max(), 0.3 * np.abs(audio).max())
        if generator.random() < 0.6:
            audio = audio + np.float32(10 ** (generator.uniform(-100, -65) / 20)) * generator.standard_normal(
                len(audio), dtype=np.float32
            )
        # A crop starts as a stream does: silence before it, no state.
        padded = np.concatenate([np.zeros(HALF_WINDOW, np.float32), audio, np.zeros(WINDOW - HALF_WINDOW, np.float32)])
        return log_mel(padded.astype(np.float32))[:frames], f0, known

    def batch(self, size: int, generator: np.random.Generator) -> tuple[Float32, Float32, Float32]:
        """`size` crops: f32[B, T, 128], f32[B, T], f32[B, T]."""
        mel, f0, known = zip(*(self.crop(generator) for _ in range(size)), strict=True)
        return np.stack(mel), np.stack(f0), np.stack(known)
