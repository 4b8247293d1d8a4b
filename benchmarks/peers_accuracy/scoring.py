"""Scores of everyone's answers on the same clips, and how much better streamser is, with intervals over speakers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.corpora import Clip
from train.metrics import UNDECIDED, Interval, interval_over_speakers, macro_f1, uar
from train.report.paired import Answers, compare

SCORES = {"macro_f1": macro_f1, "uar": uar}
TOLD = ("before", "after", "difference", "low", "high", "p")


@dataclass(frozen=True)
class Material:
    """Clips with one of `labels`; corpora: str [clips], which each is of."""

    labels: tuple[str, ...]
    clips: Sequence[Clip]
    corpora: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """int64 [clips]."""
        return np.array([self.labels.index(clip.label) for clip in self.clips], np.int64)

    @property
    def speakers(self) -> np.ndarray:
        return np.array([clip.speaker for clip in self.clips])

    def numbered(self, answers: Sequence[str | None]) -> np.ndarray:
        """int64 [clips]: answers by number, UNDECIDED for None and for what is none of the labels."""
        return np.array([self.labels.index(a) if a in self.labels else UNDECIDED for a in answers], np.int64)


def scores_of(material: Material, decided: np.ndarray) -> dict[str, Any]:
    """By corpus, macro-F1 and UAR with their intervals; `mean` is over the corpora. decided: int64 [clips]."""
    told: dict[str, Any] = {}
    for corpus in corpora_of(material):
        mine = material.corpora == corpus
        truth, speakers = material.truth[mine], material.speakers[mine]
        told[corpus] = {
            "clips": int(mine.sum()),
            "speakers": len(set(speakers.tolist())),
            "undecided": int((decided[mine] == UNDECIDED).sum()),
        }
        for name, score in SCORES.items():
            told[corpus][name] = rounded(interval_over_speakers(score, truth, decided[mine], speakers))
    means = {name: round(float(np.mean([found[name]["value"] for found in told.values()])), 4) for name in SCORES}
    return {"corpora": told, "mean": means}


def rounded(interval: Interval) -> dict[str, Any]:
    """As JSON has it: of one speaker there is no interval, and its bounds are None."""
    low, high = (None if math.isnan(bound) else round(bound, 4) for bound in (interval.low, interval.high))
    return {"value": round(interval.value, 4), "low": low, "high": high, "interval": interval.kind}


def paired(material: Material, theirs: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    """By score: a peer's (`before`), streamser's (`after`) and the difference, over all corpora and by corpus."""
    answers = Answers(material.truth, theirs, ours, material.corpora, material.speakers)
    told = {}
    for name, score in SCORES.items():
        found = compare(answers, score)
        by_corpus = {corpus: {key: entry[key] for key in TOLD if key in entry} for corpus, entry in found["by_corpus"].items()}
        told[name] = {**{key: found[key] for key in TOLD}, "by_corpus": by_corpus}
    return told


def corpora_of(material: Material) -> list[str]:
    """Their names in the order in which they were asked for."""
    return list(dict.fromkeys(material.corpora.tolist()))
