"""The recordings that may teach the spectral encoder, and which of them are held out to watch it learn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.corpora import LABELS, SPLITS_FILE, TRAINING_CORPORA, data_root, read_audio, read_corpus

SHARES = {"speech": 0.38, "burst": 0.12, "urban": 0.17, "meeting": 0.06, "cry": 0.06, "texture": 0.21}


@dataclass(frozen=True)
class Source:
    """One recording: its kind (a key of `SHARES` but "texture"), its samples as int16, the index of its label, -1 for none."""

    kind: str
    corpus: str
    samples: np.ndarray
    label: int


def held_out(name: str) -> bool:
    """One unlabelled recording in ten watches instead of training, chosen by the hash of what it was cut from."""
    return hashlib.sha1(name.encode()).digest()[0] % 10 == 0


def read_sources(split: str) -> list[Source]:
    """All recordings of `train` or `validation`; the test speakers and the evaluation corpora are never opened.

    Raises:
        ValueError: another split was asked for.
    """
    if split not in ("train", "validation"):
        raise ValueError(f"no {split!r} material: only train and validation")
    train = split == "train"
    speakers = json.loads(SPLITS_FILE.read_text())
    sources = []
    for corpus in TRAINING_CORPORA:
        chosen = set(speakers[corpus][split])
        for clip in read_corpus(corpus):
            if clip.speaker in chosen:
                sources.append(_source("speech", corpus, clip.path, clip.label))
    in_esc10 = {clip.speaker for clip in read_corpus("esc10")}
    for corpus, kind in (("emogator", "burst"), ("urbansound8k_part", "urban"), ("donateacry", "cry")):
        for clip in read_corpus(corpus):
            if held_out(clip.speaker) != train and not (kind == "urban" and clip.speaker in in_esc10):
                sources.append(_source(kind, corpus, clip.path, clip.label))
    for path in sorted((data_root() / "meetings" / "ami").glob("trn*.flac")):
        if (path.stem == "trn08") != train:
            sources.append(_source("meeting", "ami", path, ""))
    return sources


def _source(kind: str, corpus: str, path: Path, label: str) -> Source:
    samples = np.round(np.clip(read_audio(path), -1.0, 1.0) * 32767.0).astype(np.int16)
    return Source(kind, corpus, samples, LABELS.index(label) if label in LABELS else -1)
