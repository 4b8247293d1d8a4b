"""The corpora: manifests read from the data root, their labels mapped, their speakers split.

Splits are speaker-independent: `train/splits.json` (made once by `python -m train splits`, committed) names the split of every
speaker of the four corpora that may train. All other corpora are evaluation only, and asking to train on them is an error.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
TRAINING_CORPORA = ("ravdess", "nemo", "banglaser", "indian_emospeech")
EVALUATION_CORPORA = ("ased", "emodb_2s", "turev", "korean_emotiontts")
SPLITS_FILE = Path(__file__).with_name("splits.json")


@dataclass(frozen=True)
class Clip:
    """One recording of one speaker with one label."""

    corpus: str
    path: Path
    label_raw: str
    label: str
    speaker: str
    gender: str
    language: str
    duration: float
    extra: str


def data_root() -> Path:
    """The folder that holds `corpora`, `noise`, `text`: the setting STREAMSER_DATA, by default ../shared."""
    root = Path(os.environ.get("STREAMSER_DATA", "../shared"))
    if not (root / "corpora").is_dir():
        raise SystemExit(f"no corpora under {root.resolve()}: set STREAMSER_DATA to the folder that holds `corpora`")
    return root


def cache_root() -> Path:
    """Where features and checkpoints are kept: the setting STREAMSER_CACHE, by default ~/.cache/streamser."""
    root = Path(os.environ.get("STREAMSER_CACHE", Path.home() / ".cache" / "streamser"))
    root.mkdir(parents=True, exist_ok=True)
    return root


def read_corpus(name: str) -> list[Clip]:
    """All clips of a corpus, in the order of its manifest; `calm` counts as neutral (the raw label keeps them apart)."""
    folder = data_root() / "corpora" / name
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SystemExit(f"corpus {name!r} has no manifest at {manifest}")
    with manifest.open(newline="") as file:
        return [
            Clip(
                corpus=name,
                path=folder / row["path"],
                label_raw=row["label_raw"],
                label="neutral" if row["label"] == "calm" else row["label"],
                speaker=row["speaker"],
                gender=row["gender"],
                language=row["language"],
                duration=float(row["duration"]),
                extra=row["extra"],
            )
            for row in csv.DictReader(file)
        ]


def read_split(corpus: str, split: str) -> list[Clip]:
    """The clips of one split (train, validation, test) of a training corpus that carry one of the seven labels."""
    if corpus not in TRAINING_CORPORA:
        raise SystemExit(f"{corpus!r} is for evaluation only: it has no {split!r} split")
    speakers = json.loads(SPLITS_FILE.read_text())[corpus]
    known = {speaker for names in speakers.values() for speaker in names}
    clips = read_corpus(corpus)
    unknown = sorted({clip.speaker for clip in clips} - known)
    if unknown:
        raise SystemExit(f"{SPLITS_FILE.name} does not know speakers {unknown[:5]} of {corpus}: run `python -m train splits`")
    chosen = set(speakers[split])
    return [clip for clip in clips if clip.speaker in chosen and clip.label in LABELS]


def read_audio(path: Path) -> np.ndarray:
    """A corpus clip as float32 mono at 16 kHz.

    Raises:
        SystemExit: the clip is not mono 16 kHz, which the corpora here all are.
    """
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    if rate != 16_000 or samples.ndim != 1:
        raise SystemExit(f"{path} is {rate} Hz with shape {samples.shape}, not 16 kHz mono")
    return samples
