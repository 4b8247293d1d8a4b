"""Pseudo-pairs: sentences that a clip could have said, for corpora that repeat a few sentences whatever the emotion.

Every clip, whatever its corpus, meets at the same rates no words, a neutral sentence, one of its own label, or one of any
label. Training draws anew each time from GoEmotions' training sentences; clips of validation and test each have a fixed
sentence of GoEmotions' own splits.
"""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from train.corpora import LABELS, Clip, cache_root
from train.encoders.registry import fingerprint, load_text_encoder
from train.text.sentences import as_spoken, named, read_goemotions

PAIR_SHARES = {"none": 0.40, "neutral": 0.25, "same": 0.30, "any": 0.05}
SENTENCE_SPLITS = {"train": "train", "validation": "dev", "test": "test"}  # GoEmotions' names
PER_LABEL = {"train": 600, "validation": 120, "test": 120}
MOST_WORDS = 12  # what is said in the few seconds of a clip
NEUTRAL_TIMES = 2  # as many neutral sentences: they are met most
NO_SENTENCE = -1
RECIPE = 1  # part of the file's name: raise it when other sentences are chosen


@dataclass(frozen=True)
class SentenceBank:
    """Encoded sentences with one label each. tokens: float16 [tokens, width]; offsets: int64 [n + 1]; labels: str [n]."""

    tokens: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """The sentences of every label."""
        return {str(label): np.flatnonzero(self.labels == label) for label in np.unique(self.labels)}

    def __len__(self) -> int:
        return len(self.labels)

    def sentence(self, row: int) -> np.ndarray:
        """float16 [tokens, width]; none for NO_SENTENCE."""
        if row == NO_SENTENCE:
            return self.tokens[:0]
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    def draw(self, label: str, rng: np.random.Generator) -> int:
        """The row of a sentence for a clip with this label, or NO_SENTENCE, at the rates of PAIR_SHARES."""
        kind = str(rng.choice(list(PAIR_SHARES), p=list(PAIR_SHARES.values())))
        wanted = {"none": "", "neutral": "neutral", "same": label, "any": str(rng.choice(list(self.rows)))}[kind]
        rows = self.rows.get(wanted)
        return NO_SENTENCE if rows is None else int(rows[rng.integers(len(rows))])

    def fixed(self, clips: Iterable[Clip]) -> np.ndarray:
        """int64 [clips]: the sentence that each clip of an evaluation always meets, whatever else is evaluated."""
        return np.array(
            [
                self.draw(clip.label, np.random.default_rng(zlib.crc32(f"{clip.corpus}/{clip.path.name}".encode())))
                for clip in clips
            ],
            np.int64,
        )


def sentence_bank(encoder: str, split: str) -> SentenceBank:
    """GoEmotions sentences with one label, as a recogniser would write them, encoded once by a text encoder of `train.encoders`.

    Args:
        encoder: its name or folder.
        split: train, validation or test.
    """
    path = cache_root() / "sentences" / f"{fingerprint(encoder)[:12]}-{split}-{RECIPE}.npz"
    if not path.exists():
        texts, labels = chosen_sentences(split)
        network = load_text_encoder(encoder)
        tokens = [network.encode(text, "en").astype(np.float16) for text in texts]
        offsets = np.concatenate([[0], np.cumsum([len(entry) for entry in tokens])])
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, tokens=np.concatenate(tokens), offsets=offsets, labels=np.array(labels))
        partial.replace(path)
    with np.load(path) as file:
        return SentenceBank(file["tokens"], file["offsets"], file["labels"])


def chosen_sentences(split: str) -> tuple[list[str], list[str]]:
    """Texts and labels of at most PER_LABEL sentences a label, drawn with a fixed seed."""
    chance, rng = random.Random(0), np.random.default_rng(0)
    sentences = read_goemotions(SENTENCE_SPLITS[split])
    texts: list[str] = []
    labels: list[str] = []
    for index, label in enumerate(LABELS):
        spoken = [as_spoken(named(entry.text, chance), True) for entry in sentences if entry.single_label == index]
        fitting = [text for text in spoken if 0 < len(text.split()) <= MOST_WORDS]
        wanted = PER_LABEL[split] * (NEUTRAL_TIMES if label == "neutral" else 1)
        texts += [fitting[row] for row in rng.permutation(len(fitting))[:wanted]]
        labels += [label] * min(wanted, len(fitting))
    return texts, labels
