"""Made-up corpora for tests of the systems: encodings in which the label can be heard, without any file of sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.corpora import LABELS, Clip
from train.encodings import Encodings
from train.systems import batches
from train.systems.config import SystemConfig, changed
from train.systems.words import SentenceBank

WIDTH, LAYERS, TEXT_WIDTH = 8, 3, 6
CORPORA = {"first": ("neutral", "anger", "sadness"), "second": ("anger", "happiness")}


def clips_of(corpus: str, split: str, labels: tuple[str, ...] = LABELS) -> list[Clip]:
    """24 clips of 4 speakers; the second corpus lacks most labels."""
    names = CORPORA[corpus]
    return [
        Clip(corpus, Path(f"{corpus}-{split}-{i}.wav"), "", names[i % len(names)], f"{split}{i % 4}", "", "en", 1.0 + i % 3, "")
        for i in range(24)
    ]


def encodings_of(kind: str, corpus: str, split: str, labels: tuple[str, ...] = LABELS) -> Encodings:
    """Noise around a direction of the clip's label; 12.5 frames a second, F0 at 50 Hz."""
    rng = np.random.default_rng(sum(map(ord, kind + corpus + split)))
    clips = clips_of(corpus, split)
    directions = np.random.default_rng(5).standard_normal((len(LABELS), WIDTH))
    rate = {"f0": 50.0, "spectral": 6.25}.get(kind, 0.0 if kind.startswith("text:") else 12.5)
    counts = [round(clip.duration * rate) if rate else 5 for clip in clips]
    pieces = []
    for clip, count in zip(clips, counts, strict=True):
        shape = {"f0": (), "spectral": (192,)}.get(kind, (TEXT_WIDTH,) if kind.startswith("text:") else (LAYERS, WIDTH))
        noise = rng.standard_normal((count, *shape))
        pieces.append(100 + 50 * noise if kind == "f0" else noise + (directions[LABELS.index(clip.label)] if rate == 12.5 else 0))
    dtype = np.float32 if kind == "f0" else np.float16
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Encodings(np.concatenate(pieces).astype(dtype), offsets, rate)


def bank_of(encoder: str, split: str) -> SentenceBank:
    """Five sentences of two tokens for every label."""
    labels = np.repeat(LABELS, 5)
    tokens = np.repeat(np.arange(len(labels)), 2)[:, None] * np.ones(TEXT_WIDTH)
    return SentenceBank(tokens.astype(np.float16), np.arange(0, 2 * len(labels) + 1, 2), labels)


def material(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that are trained in this test find the made-up corpora."""
    monkeypatch.setattr(batches, "clips_of", clips_of)
    monkeypatch.setattr(batches, "load_encodings", encodings_of)
    monkeypatch.setattr(batches, "sentence_bank", bank_of)


def small(**tables: dict[str, object]) -> SystemConfig:
    """A tiny system on them; `tables` replace settings, a keyword a table."""
    start = {
        "features": {"audio": "whisper-base", "rate": 12.5, "text": "", "audio_layers": [1]},
        "fusion": {"width": 16, "feed_forward": 16, "encoder_heads": 2, "masked": True, "dropout": 0.1},
        "classifier": {"hidden": 8},
        "data": {"corpora": list(CORPORA), "words": "none"},
        "training": {"epochs": 2, "batch": 8, "learning_rate": 1e-2, "least_learning_rate": 1e-3, "warm_up": 4},
    }
    for table, values in tables.items():
        start[table] = {**start[table], **values}
    return changed(SystemConfig("small"), start, "test")
