"""Background sounds for training: the training half of the noise folder and steady urban sounds, plus coloured noise."""

from __future__ import annotations

import csv
import hashlib

import numpy as np
from numpy.typing import NDArray

from train.corpora import data_root
from train.pitch.synthesis import SAMPLE_RATE

URBAN_KINDS = frozenset({"0", "4", "5", "7"})  # air conditioner, drilling, engine, jackhammer: nothing that sings
URBAN_CLIPS = 120
# Sessions that are kept for benchmarks; many files are cuts of one recording, so whole sessions are held out.
HELD_OUT_SESSIONS = (
    "cafe-2019-08-19_14",
    "cafe-cafe",
    "street-2019-08-19_10.10",
    "street-2019-08-19_10.07",
    "train-33180",
    "train-33190",
    "fridge",
    "traffic",
    "noise2",
    "noise4",
)

Audio = NDArray[np.float32]


def is_held_out(name: str) -> bool:
    """Whether a noise file is for evaluation only."""
    return name.startswith(HELD_OUT_SESSIONS)


def _read(path: object) -> Audio:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        import soxr

        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.asarray(mono, dtype=np.float32)


def recorded_noise(held_out: bool) -> list[Audio]:
    """The noise files of one half, f32 at 16 kHz."""
    files = sorted((data_root() / "noise").glob("*.flac"))
    return [_read(path) for path in files if is_held_out(path.name) == held_out]


def urban_noise() -> list[Audio]:
    """Some machine-like urban sounds; recordings that also occur in esc10 are left out."""
    corpora = data_root() / "corpora"
    with (corpora / "esc10" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        shared = {row["speaker"] for row in csv.DictReader(stream)}
    folder = corpora / "urbansound8k_part"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label_raw"] in URBAN_KINDS and row["speaker"] not in shared]
    rows.sort(key=lambda row: hashlib.sha1(row["path"].encode()).hexdigest())
    return [_read(folder / row["path"]) for row in rows[:URBAN_CLIPS]]


def coloured_noise(length: int, generator: np.random.Generator) -> Audio:
    """White to brown noise with a random slope, f32[length]."""
    spectrum = np.fft.rfft(generator.standard_normal(length))
    slope = generator.uniform(0.0, 1.2)
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20.0) ** slope, length).astype(np.float32)
