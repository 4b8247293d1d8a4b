"""Labelled English sentences, and their rewriting into what a speech recogniser writes.

GoEmotions (Demszky et al. 2020, Apache-2.0) trains; MELD is for evaluation only. Several labels may apply to one sentence:
the target is then an even share of each.
"""

from __future__ import annotations

import csv
import random
import re
from dataclasses import dataclass, replace

import numpy as np

from streamser.features.text import normalise_text
from train.corpora import LABELS, data_root

# GoEmotions hides names; a recogniser writes real ones.
NAMES: tuple[str, ...] = (
    "Alex",
    "Anna",
    "Ben",
    "Carlos",
    "Daniel",
    "Emma",
    "Fatima",
    "George",
    "Hannah",
    "Ivan",
    "Jack",
    "James",
    "Julia",
    "Kevin",
)
NAMES += ("Laura", "Linda", "Maria", "Mark", "Mike", "Nina", "Omar", "Paul", "Priya", "Rachel", "Sam", "Sarah", "Tom", "Wei")
RELIGIONS = ("Christian", "Muslim", "Jewish", "Hindu", "Buddhist")


@dataclass(frozen=True)
class Sentence:
    """One sentence and its target distribution over LABELS (shares that sum to 1)."""

    text: str
    target: tuple[float, ...]

    @property
    def single_label(self) -> int | None:
        """The index of the only label, or None where several apply."""
        return self.target.index(1.0) if 1.0 in self.target else None


def _target(names: list[str]) -> tuple[float, ...]:
    labels = {"happiness" if name == "joy" else name for name in names}
    unknown = labels - set(LABELS)
    if unknown or not labels:
        raise SystemExit(f"a sentence carries the labels {sorted(labels)}: expected some of {', '.join(LABELS)}")
    return tuple(1.0 / len(labels) if label in labels else 0.0 for label in LABELS)


def _read(path: str, text_column: str, label_column: str) -> list[Sentence]:
    file_path = data_root() / "text" / path
    if not file_path.is_file():
        raise SystemExit(f"no sentences at {file_path}")
    with file_path.open(newline="", encoding="utf-8") as file:
        return [Sentence(row[text_column], _target(row[label_column].split())) for row in csv.DictReader(file)]


def read_goemotions(split: str) -> list[Sentence]:
    """GoEmotions with Ekman's labels; `split` is train, dev or test."""
    return _read(f"goemotions/{split}.csv", "text", "labels")


def read_meld_test() -> list[Sentence]:
    """MELD's test sentences, for evaluation only. Its labels were given to picture and sound too: words alone fall short."""
    return _read("meld/test.csv", "utterance", "emotion")


def targets_of(sentences: list[Sentence]) -> np.ndarray:
    """float32 [sentences, 7]."""
    return np.array([sentence.target for sentence in sentences], np.float32)


def named(text: str, chance: random.Random | None = None) -> str:
    """The text with GoEmotions' placeholders filled in: at random, or always alike without `chance`."""
    text = re.sub(r"\[NAME\]", lambda _: chance.choice(NAMES) if chance else NAMES[0], text)
    return re.sub(r"\[RELIGION\]", lambda _: chance.choice(RELIGIONS) if chance else RELIGIONS[0], text)


def as_spoken(text: str, punctuation: bool) -> str:
    """What a recogniser might write: lower case, no emoji or emoticons; full stops, commas, ! and ? if `punctuation`."""
    text = normalise_text(text).lower()
    text = re.sub(r"https?://\S+|(?<!\w)/s\b|[:;=]['-]?[()dp/\\|*]+(?!\w)", " ", text)
    text = re.sub(r"[^a-z0-9'.,?! ]" if punctuation else r"[^a-z0-9' ]", " ", text)
    return normalise_text(text)


def augmented(sentence: Sentence, chance: random.Random) -> Sentence:
    """A training copy: half of them as a recogniser writes, 30 % cut short, as a stream sees text that still grows."""
    text = named(sentence.text, chance)
    if chance.random() < 0.5:
        text = as_spoken(text, punctuation=chance.random() < 0.5) or text
    words = text.split()
    if chance.random() < 0.3 and len(words) > 4:
        text = " ".join(words[: max(3, round(len(words) * chance.uniform(0.6, 1.0)))])
    return replace(sentence, text=text)
