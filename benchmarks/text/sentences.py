"""Which sentences are spoken: as many of every label, each with one label, short enough for a streamed utterance."""

from __future__ import annotations

import random
from dataclasses import dataclass

from train.corpora import LABELS
from train.text.sentences import Sentence, as_spoken, named, read_goemotions, read_meld_test

WORDS = (4, 14)  # in a sentence
CONFLICTING = ("anger", "happiness", "sadness", "surprise", "fear", "disgust")  # neutral words conflict with no voice


@dataclass(frozen=True)
class Script:
    """One sentence to be spoken. Even ones are espeak-ng's, odd ones flite's."""

    text: str
    label: int
    prosody: str = "flat"

    def __str__(self) -> str:
        return f"{self.prosody}: {self.text}"


def read_sentences(name: str) -> list[Sentence]:
    """The sentences of `goemotions dev`, `goemotions test` or `meld test`."""
    return read_meld_test() if name == "meld test" else read_goemotions(name.split()[1])


def scripts(name: str, per_label: int, seed: int = 0, skipped: int = 0) -> list[Script]:
    """`per_label` sentences of every label behind those `skipped`, in an order in which every first part is balanced."""
    chance = random.Random(seed)
    by_label: dict[int, list[str]] = {index: [] for index in range(len(LABELS))}
    for sentence in read_sentences(name):
        text = as_spoken(named(sentence.text), punctuation=True)
        if sentence.single_label is not None and WORDS[0] <= len(text.split()) <= WORDS[1]:
            by_label[sentence.single_label].append(text)
    for texts in by_label.values():
        texts[:] = dict.fromkeys(texts)
        chance.shuffle(texts)
    return [
        Script(by_label[label][number], label)
        for number in range(skipped, skipped + per_label)
        for label in range(len(LABELS))
        if number < len(by_label[label])
    ]


def conflicts(name: str, per_label: int, prosodies: list[str]) -> list[Script]:
    """Other sentences than `scripts` gives, each in every prosody."""
    labels = [LABELS.index(label) for label in CONFLICTING]
    found = [script for script in scripts(name, per_label, seed=1) if script.label in labels]
    return [Script(script.text, script.label, prosody) for script in found for prosody in prosodies]
