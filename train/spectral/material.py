"""Training material: 8 s scenes of recordings strung together and mixed, their mels, and the teacher's answers.

Made once and kept as memory-mapped arrays, because the teacher's answers never change:
    mel         float16 [scenes, 50, 16, 64]   decibels, by column
    scores      float16 [scenes, 15, 521]      the teacher's, for windows of 0.975 s every 3 columns
    embedding   float16 [scenes, 15, 1024]
    label       int8    [scenes, 15]           index of the emotion that fills the window, -1 for none
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from streamser.features.spectral_mel import COLUMN_FRAMES, COLUMN_SAMPLES, LOOK_AHEAD, MEL_BANDS, columns_decibels
from train.spectral.sources import SHARES, Source, read_sources
from train.spectral.teacher import EMBEDDING, PATCH_SAMPLES, SCORES, Yamnet

COLUMNS = 50
WINDOW_COLUMNS = 6  # 0.96 s: the columns under one answer of the teacher
WINDOW_HOP = 3
WINDOWS = (COLUMNS - WINDOW_COLUMNS) // WINDOW_HOP + 1
SCENE_SAMPLES = COLUMNS * COLUMN_SAMPLES + LOOK_AHEAD
SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "mel": ((COLUMNS, COLUMN_FRAMES, MEL_BANDS), "float16"),
    "scores": ((WINDOWS, SCORES), "float16"),
    "embedding": ((WINDOWS, EMBEDDING), "float16"),
    "label": ((WINDOWS,), "int8"),
}


class Scenes:
    """Draws scenes from recordings, reproducibly for a seed."""

    def __init__(self, sources: list[Source], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._by_kind = {kind: [source for source in sources if source.kind == kind] for kind in SHARES}

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """One scene: samples float32 [SCENE_SAMPLES] and labels int8 [WINDOWS]."""
        rng = self._rng
        scene = np.zeros(SCENE_SAMPLES, np.float32)
        owner = np.full(SCENE_SAMPLES, -1, np.int32)
        labels: list[int] = []
        position = int(rng.integers(0, 8000)) if rng.random() < 0.5 else 0
        while position < SCENE_SAMPLES:
            source = self._pick(tuple(SHARES))
            part = self._excerpt(source, 8 * 16_000)[: SCENE_SAMPLES - position]
            scene[position : position + len(part)] = part * np.float32(10.0 ** (rng.normal(0.0, 4.0) / 20.0))
            owner[position : position + len(part)] = len(labels)
            labels.append(source.label)
            position += len(part) + (int(rng.integers(0, 8000)) if rng.random() < 0.5 else 0)
        label = _window_labels(scene, owner, labels)
        if rng.random() < 0.25:
            scene = self._room(scene)
        scene = scene + self._background(scene)
        scene *= np.float32(10.0 ** (rng.uniform(-20.0, 6.0) / 20.0))
        return np.clip(scene, -1.0, 1.0).astype(np.float32), label

    def _pick(self, kinds: tuple[str, ...]) -> Source:
        weights = np.array([SHARES[kind] for kind in kinds])
        kind = kinds[int(self._rng.choice(len(kinds), p=weights / weights.sum()))]
        return self._by_kind[kind][int(self._rng.integers(len(self._by_kind[kind])))]

    def _excerpt(self, source: Source, most: int) -> np.ndarray:
        most = min(most, int(self._rng.integers(32_000, 96_000)) if source.kind == "meeting" else most)
        begin = int(self._rng.integers(0, max(1, len(source.samples) - most)))
        return source.samples[begin : begin + most].astype(np.float32) / np.float32(32768.0)

    def _background(self, scene: np.ndarray) -> np.ndarray:
        """Nothing, faint noise of a random colour, or another recording, 0 to 25 dB under the scene."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.35:
            return np.zeros_like(scene)
        if chance < 0.6:
            spectrum = np.fft.rfft(rng.standard_normal(SCENE_SAMPLES).astype(np.float32))
            spectrum *= np.maximum(np.arange(len(spectrum)), 20.0) ** (-rng.uniform(0.0, 1.0))
            noise = np.fft.irfft(spectrum, SCENE_SAMPLES)
        else:
            noise = np.resize(self._excerpt(self._pick(("urban", "meeting", "urban", "cry")), SCENE_SAMPLES), SCENE_SAMPLES)
        level = np.sqrt(np.mean(scene**2) + 1e-10) / np.sqrt(np.mean(noise**2) + 1e-10)
        return (noise * level * 10.0 ** (-rng.uniform(0.0, 25.0) / 20.0)).astype(np.float32)

    def _room(self, scene: np.ndarray) -> np.ndarray:
        """A simulated room: noise that decays by 60 dB in 0.15 to 0.8 s, behind a direct path."""
        rng = self._rng
        length = int(16_000 * rng.uniform(0.15, 0.8))
        response = rng.standard_normal(length) * 10.0 ** (-3.0 * np.arange(length) / length)
        response *= rng.uniform(0.2, 1.0) / np.sqrt(np.sum(response**2))
        response[0] = 1.0
        size = 1 << (SCENE_SAMPLES + length - 1).bit_length()
        wet = np.fft.irfft(np.fft.rfft(scene, size) * np.fft.rfft(response, size), size)[:SCENE_SAMPLES]
        return wet.astype(np.float32)


def _window_labels(scene: np.ndarray, owner: np.ndarray, labels: list[int]) -> np.ndarray:
    """A window has the label of the recording that fills at least 85 % of it, unless it is only that one's silence."""
    found = np.full(WINDOWS, -1, np.int8)
    power = scene**2
    loudness = [float(power[owner == index].mean()) if np.any(owner == index) else 0.0 for index in range(len(labels))]
    for window in range(WINDOWS):
        begin = window * WINDOW_HOP * COLUMN_SAMPLES
        span = slice(begin, begin + WINDOW_COLUMNS * COLUMN_SAMPLES)
        index = int(np.bincount(owner[span] + 1).argmax()) - 1
        full = np.mean(owner[span] == index) >= 0.85
        if index >= 0 and full and float(power[span].mean()) > 0.1 * loudness[index]:
            found[window] = labels[index]
    return found


def open_material(folder: Path, mode: str) -> dict[str, np.ndarray]:
    """The arrays of a finished folder, memory-mapped."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r" if mode == "r" else "r+") for name in SHAPES}


def make_material(folder: Path, split: str, scenes: int, seed: int) -> dict[str, np.ndarray]:
    """Open the material of a split, made first where it is missing or was left unfinished."""
    done = folder / f"done-{scenes}-{seed}"
    if done.exists():
        return open_material(folder, "r")
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.dtype(dtype), (scenes, *shape))
        for name, (shape, dtype) in SHAPES.items()
    }
    teacher = Yamnet()
    drawer = Scenes(read_sources(split), seed)
    start = time.monotonic()
    for index in range(scenes):
        samples, arrays["label"][index] = drawer.draw()
        arrays["mel"][index] = columns_decibels(samples)
        for window in range(WINDOWS):
            begin = window * WINDOW_HOP * COLUMN_SAMPLES
            patch = np.zeros(PATCH_SAMPLES, np.float32)
            heard = samples[begin : begin + PATCH_SAMPLES]
            patch[: len(heard)] = heard
            arrays["scores"][index, window], arrays["embedding"][index, window] = teacher(patch)
        if index % 1000 == 999:
            print(f"{split}: {index + 1} of {scenes} scenes, {time.monotonic() - start:.0f} s", flush=True)
    for array in arrays.values():
        array.flush()
    done.touch()
    return open_material(folder, "r")
