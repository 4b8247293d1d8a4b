"""Training material: 8 s scenes of recordings strung together and mixed, their mels, and the teachers' answers.

Scene i of a seed is always the same sound; made once and kept as memory-mapped arrays, because the teachers heard exactly
this view of it (consistent distillation, Dinkel et al. 2024):
    mel         float16 [scenes, 50, 16, 64]   decibels, by column
    scores      float16 [scenes, 15, 521]      YAMNet's, for windows of 0.975 s every 3 columns
    embedding   float16 [scenes, 15, 1024]     YAMNet's
    whisper     float16 [scenes, 15, 1024]     Whisper base's layers 2 and 4, means over the window's 6 columns; every third
                                               scene, not a number in the others
    label       int8    [scenes, 15]           index of the emotion that fills the window, -1 for none
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from pathlib import Path

import numpy as np

from streamser.features.spectral_mel import COLUMN_FRAMES, COLUMN_SAMPLES, LOOK_AHEAD, MEL_BANDS, columns_decibels
from train.augmentation.waveform import room
from train.spectral.sources import SHARES, Source, read_sources
from train.spectral.teachers import EMBEDDING, PATCH_SAMPLES, SCORES, WHISPER, WhisperLayers, Yamnet
from train.spectral.textures import texture

COLUMNS = 50
WINDOW_COLUMNS = 6  # 0.96 s: the columns under one answer of the teachers
WINDOW_HOP = 3
WINDOWS = (COLUMNS - WINDOW_COLUMNS) // WINDOW_HOP + 1
SCENE_SAMPLES = COLUMNS * COLUMN_SAMPLES + LOOK_AHEAD
WHISPER_EVERY = 3  # its encoder takes longer than all the rest
SHAPES: dict[str, tuple[tuple[int, ...], str]] = {
    "mel": ((COLUMNS, COLUMN_FRAMES, MEL_BANDS), "float16"),
    "scores": ((WINDOWS, SCORES), "float16"),
    "embedding": ((WINDOWS, EMBEDDING), "float16"),
    "whisper": ((WINDOWS, WHISPER), "float16"),
    "label": ((WINDOWS,), "int8"),
}


class Scenes:
    """Draws scenes from recordings; scene `index` of a seed depends on nothing else."""

    def __init__(self, sources: list[Source], seed: int, index: int) -> None:
        self._rng = np.random.default_rng([seed, index])
        self._by_kind = {kind: [source for source in sources if source.kind == kind] for kind in SHARES}

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """The scene: samples float32 [SCENE_SAMPLES] and labels int8 [WINDOWS]."""
        rng = self._rng
        scene = np.zeros(SCENE_SAMPLES, np.float32)
        owner = np.full(SCENE_SAMPLES, -1, np.int32)
        labels: list[int] = []
        position = int(rng.integers(0, 8000)) if rng.random() < 0.5 else 0
        while position < SCENE_SAMPLES:
            samples, label = self._pick(tuple(SHARES), 8 * 16_000)
            part = samples[: SCENE_SAMPLES - position]
            scene[position : position + len(part)] = part * np.float32(10.0 ** (rng.normal(0.0, 4.0) / 20.0))
            owner[position : position + len(part)] = len(labels)
            labels.append(label)
            position += len(part) + (int(rng.integers(0, 8000)) if rng.random() < 0.5 else 0)
        label_of_window = _window_labels(scene, owner, labels)
        if rng.random() < 0.25:
            scene = room(scene, rng)
        scene = scene + self._background(scene)
        if rng.random() < 0.5:
            scene = self._microphone(scene)
        scene *= np.float32(10.0 ** (rng.uniform(-20.0, 6.0) / 20.0))
        return np.clip(scene, -1.0, 1.0).astype(np.float32), label_of_window

    def _pick(self, kinds: tuple[str, ...], most: int) -> tuple[np.ndarray, int]:
        """An excerpt of at most `most` samples and its label. What has no label is often played faster or slower."""
        rng = self._rng
        weights = np.array([SHARES[kind] for kind in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        if kind == "texture":
            return texture(min(most, int(rng.integers(16_000, 96_000))), rng), -1
        source = self._by_kind[kind][int(rng.integers(len(self._by_kind[kind])))]
        length = min(most, int(rng.integers(32_000, 96_000))) if kind == "meeting" else most
        begin = int(rng.integers(0, max(1, len(source.samples) - length)))
        samples = source.samples[begin : begin + length].astype(np.float32) / np.float32(32768.0)
        if kind in ("urban", "cry") and rng.random() < 0.5:
            speed = 2.0 ** rng.uniform(-1.0, 0.7)
            places = np.arange(0, len(samples) - 1, speed)
            samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)[:most]
        return samples, source.label

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
            noise = np.resize(self._pick(("urban", "meeting", "cry", "texture"), SCENE_SAMPLES)[0], SCENE_SAMPLES)
        level = np.sqrt(np.mean(scene**2) + 1e-10) / np.sqrt(np.mean(noise**2) + 1e-10)
        return (noise * level * 10.0 ** (-rng.uniform(0.0, 25.0) / 20.0)).astype(np.float32)

    def _microphone(self, scene: np.ndarray) -> np.ndarray:
        """A random smooth colouring; in one of four the band of a telephone or of a poor microphone."""
        rng = self._rng
        spectrum = np.fft.rfft(scene)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(len(scene), 1 / 16_000), 30.0))
        response = 10.0 ** (np.interp(octaves, np.linspace(4.9, 13.0, 8), rng.normal(0.0, 4.0, 8)) / 20.0)
        if rng.random() < 0.25:
            low, high = np.log2(rng.uniform(80, 400)), np.log2(rng.uniform(2800, 6000))
            response = response / (1 + 2.0 ** (8 * (low - octaves))) / (1 + 2.0 ** (16 * (octaves - high)))
        return np.fft.irfft(spectrum * response, len(scene)).astype(np.float32)


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


def _fill(folder: Path, sources: list[Source], seed: int, first: int, last: int) -> None:
    """Make scenes first..last-1 and write them into the arrays of the folder."""
    arrays = open_material(folder, "r+")
    yamnet, whisper = Yamnet(), WhisperLayers()
    start = time.monotonic()
    for index in range(first, last):
        samples, arrays["label"][index] = Scenes(sources, seed, index).draw()
        arrays["mel"][index] = columns_decibels(samples)
        for window in range(WINDOWS):
            begin = window * WINDOW_HOP * COLUMN_SAMPLES
            patch = np.zeros(PATCH_SAMPLES, np.float32)
            heard = samples[begin : begin + PATCH_SAMPLES]
            patch[: len(heard)] = heard
            arrays["scores"][index, window], arrays["embedding"][index, window] = yamnet(patch)
        if index % WHISPER_EVERY == 0:
            columns = whisper(samples[: COLUMNS * COLUMN_SAMPLES]).reshape(COLUMNS, -1, WHISPER).mean(axis=1)
            windows = np.lib.stride_tricks.sliding_window_view(columns, WINDOW_COLUMNS, axis=0)[::WINDOW_HOP]
            arrays["whisper"][index] = windows.mean(axis=-1)
        else:
            arrays["whisper"][index] = np.nan
        if (index - first) % 500 == 499:
            print(f"scenes {first} to {index} of {last}, {time.monotonic() - start:.0f} s", flush=True)
    for array in arrays.values():
        assert isinstance(array, np.memmap)
        array.flush()


def make_material(folder: Path, split: str, scenes: int, seed: int, processes: int = 2) -> dict[str, np.ndarray]:
    """Open the material of a split, made first where it is missing or was left unfinished."""
    done = folder / f"done-{scenes}-{seed}"
    if done.exists():
        return open_material(folder, "r")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (shape, dtype) in SHAPES.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.dtype(dtype), (scenes, *shape))
    sources = read_sources(split)
    edges = np.linspace(0, scenes, processes + 1).astype(int)
    workers = [
        multiprocessing.Process(target=_fill, args=(folder, sources, seed, int(first), int(last)))
        for first, last in itertools.pairwise(edges)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("making the material failed: see the error above, then run the same command again")
    done.touch()
    return open_material(folder, "r")
