"""What was heard of a clip, before words and sound are joined: enough to try every way of joining them without hearing it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamser.ensemble import Decision, Ensemble
from streamser.late_fusion import LateFusion
from streamser.timeline import UtteranceDecision, step_weights
from train.metrics import UNDECIDED


@dataclass(frozen=True)
class Utterance:
    """One utterance: its steps' members with and without words, and its final words.

    without, with_words: float32 [steps, members, labels], the members' log posteriors. heard: float32 [steps], seconds.
    words: float32 [labels], what the final words say; None where none count.
    """

    without: np.ndarray
    with_words: np.ndarray
    heard: np.ndarray
    words: np.ndarray | None


@dataclass(frozen=True)
class Heard:
    """One clip: its label, what was said in it as the recogniser has it and in which language, and its utterances."""

    label: int
    speaker: str
    text: str
    language: str | None
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True)
class Verdict:
    """Labels of clips with the confidence of each: int64 [clips], UNDECIDED where no step held speech; float [clips]."""

    labels: np.ndarray
    confidence: np.ndarray

    def emitted(self, uncertain_below: float) -> np.ndarray:
        """The labels as a stream emits them: `uncertain` is UNDECIDED."""
        return np.where(self.confidence >= uncertain_below, self.labels, UNDECIDED)


Sound = list[list[tuple[Decision, float, np.ndarray | None]]]  # by clip and utterance: decision, weight, words


def sound_of(clips: list[Heard], ensemble: Ensemble, in_fusion: bool) -> Sound:
    """The runtime's decision about every utterance before its words are joined late; `in_fusion`: the graph has read them."""
    everything = np.arange(len(ensemble.labels))
    found: Sound = []
    for clip in clips:
        entries = []
        for part in clip.utterances:
            running = UtteranceDecision()
            for members, heard in zip(part.with_words if in_fusion else part.without, part.heard, strict=True):
                running.add(ensemble.combine(members, 0.0, everything), float(heard))
            decision = running.decide()
            if decision is not None:
                entries.append((decision, float(step_weights(part.heard).sum()), part.words))
        found.append(entries)
    return found


def judge(sound: Sound, late: LateFusion) -> Verdict:
    """Every clip's label: of its utterances' joined posteriors, weighted by the speech in them as the agreed rule does."""
    everything = np.arange(len(late.labels))
    labels, confidence = np.full(len(sound), UNDECIDED), np.zeros(len(sound))
    for index, entries in enumerate(sound):
        if entries:
            joined = [(late.join(decision, words, everything), weight) for decision, weight, words in entries]
            labels[index] = int(np.argmax(sum(weight * decision.log_posterior for decision, weight in joined)))
            total = sum(weight for _, weight in joined)
            confidence[index] = sum(weight * decision.confidence for decision, weight in joined) / total
    return Verdict(labels, confidence)


def words_alone(clips: list[Heard]) -> Verdict:
    """The label that the words name, UNDECIDED without any that count."""
    labels, confidence = np.full(len(clips), UNDECIDED), np.zeros(len(clips))
    for index, clip in enumerate(clips):
        said = [part.words for part in clip.utterances if part.words is not None]
        if said:
            mean = np.mean(said, axis=0)
            labels[index], confidence[index] = int(mean.argmax()), float(mean.max())
    return Verdict(labels, confidence)
