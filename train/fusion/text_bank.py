"""Words for training windows: GoEmotions sentences as the pack's text network encodes them.

The acted corpora repeat their sentences, so their own words say nothing and would give the corpus away. Every window gets at
the same rates, whatever its corpus: no text, or a sentence that is neutral, of the window's label, or of any label.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamser.features.text import WIDTH, TextEncoder
from train.corpora import LABELS, cache_root, data_root
from train.text.sentences import read_goemotions
from train.whisper import PACK

TEXT_SHARES = {"none": 0.60, "neutral": 0.25, "same": 0.11, "any": 0.04}


@dataclass(frozen=True)
class TextBank:
    """Token features of sentences, float16 [n, 384], grouped by label; `labels` are those that windows may have."""

    sentences: dict[str, list[np.ndarray]]
    labels: tuple[str, ...] = LABELS

    def draw(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """The tokens of one window: maybe none, maybe of a sentence that fits it."""
        kind = rng.choice(list(TEXT_SHARES), p=list(TEXT_SHARES.values()))
        if kind == "none":
            return np.zeros((0, WIDTH), np.float16)
        wanted = {"neutral": "neutral", "same": label or "neutral", "any": str(rng.choice(self.labels))}[str(kind)]
        return self.sentences[wanted][rng.integers(len(self.sentences[wanted]))]


def words_can_be_taught(labels: tuple[str, ...]) -> bool:
    """Whether there are sentences of every label: GoEmotions at hand, and no label that it does not have.

    With some labels only, words would tell these from the others by being there at all.
    """
    try:
        return set(labels) <= set(LABELS) and (data_root() / "text" / "goemotions" / "train.csv").is_file()
    except SystemExit:  # no data at hand but a user's own
        return False


def build_text_bank(labels: tuple[str, ...] = LABELS, per_label: int = 300) -> TextBank:
    """Encode GoEmotions sentences with one label, every second one cut short as a growing transcript is; cached."""

    digest = hashlib.sha256((PACK / "text.onnx").read_bytes()).hexdigest()[:10]
    path = cache_root() / "fusion_features" / f"text-{digest}-{per_label}.npz"
    if not path.exists():
        encoder = TextEncoder.load(PACK)
        rng = np.random.default_rng(0)
        sentences = [sentence for sentence in read_goemotions("train") if sentence.single_label is not None]
        saved: dict[str, Any] = {}
        for index, label in enumerate(LABELS):
            fitting = [sentence.text for sentence in sentences if sentence.single_label == index]
            tokens: list[np.ndarray] = []
            for number in rng.permutation(len(fitting))[: per_label * (3 if label == "neutral" else 1)]:
                words = fitting[number].replace("[NAME]", "Anna").replace("[RELIGION]", "Christian").split()
                if len(tokens) % 2:
                    words = words[: int(rng.integers(1, len(words) + 1))]
                tokens.append(encoder.encode(" ".join(words), "en").tokens.astype(np.float16))
            tokens = [value for value in tokens if len(value)]
            saved[label], saved[f"{label}_count"] = np.concatenate(tokens), np.array([len(value) for value in tokens])
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{os.getpid()}-{path.name}")  # two trainings may begin at once
        np.savez(unfinished, **saved)
        unfinished.replace(path)
    with np.load(path) as file:
        return TextBank({label: np.split(file[label], np.cumsum(file[f"{label}_count"])[:-1]) for label in LABELS}, labels)
