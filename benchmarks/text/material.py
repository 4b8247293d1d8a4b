"""All that is heard: spoken sentences and acted clips, for choosing (development) and for the figures (test)."""

from __future__ import annotations

from dataclasses import dataclass

import jiwer

from benchmarks.text.acted import heard_of
from benchmarks.text.evidence import Heard
from benchmarks.text.listening import listen_to
from benchmarks.text.sentences import Script, conflicts, scripts
from benchmarks.text.voices import PROSODIES
from benchmarks.transcript import plain
from streamser import Recognizer
from train.corpora import TRAINING_CORPORA
from train.features import Collection

DEVELOPMENT = "goemotions dev"
TESTS = ("meld test", "goemotions test")
CONFLICTS = "goemotions test"


@dataclass(frozen=True)
class Amounts:
    """How much is heard: sentences of each label for development, test and conflict, clips of each acted corpus (None: all).

    skipped: test sentences of each label that are left out, the first ones.
    """

    development: int = 16
    test: int = 12
    skipped: int = 0
    conflict: int = 3
    validation_clips: int | None = 240
    test_clips: int | None = 240


@dataclass(frozen=True)
class Spoken:
    """Sentences and what was heard of them, in the same order."""

    scripts: list[Script]
    heard: list[Heard]

    def word_error_rate(self) -> float:
        """Of the utterances' final text, both sides through Whisper's English normaliser."""
        pairs = [(plain(script.text), plain(heard.text)) for script, heard in zip(self.scripts, self.heard, strict=True)]
        kept = [pair for pair in pairs if pair[0]]
        return float(jiwer.wer([said for said, _ in kept], [found for _, found in kept]))


def spoken_set(recognizer: Recognizer, name: str, per_label: int, skipped: int = 0) -> Spoken:
    """One set of sentences in a flat voice: `per_label` of each label, behind those `skipped`."""
    chosen = scripts(name, per_label, skipped=skipped)
    return Spoken(chosen, listen_to(recognizer, name, chosen))


def conflict_set(recognizer: Recognizer, per_label: int) -> Spoken:
    """Emotional sentences, each in every prosody."""
    chosen = conflicts(CONFLICTS, per_label, list(PROSODIES))
    return Spoken(chosen, listen_to(recognizer, "conflict", chosen))


def acted_sets(recognizer: Recognizer, split: str, limit: int | None) -> dict[str, list[Heard]]:
    """The clips of one split of every corpus that trains."""
    return {corpus: heard_of(recognizer, Collection(corpus, split), limit) for corpus in TRAINING_CORPORA}
