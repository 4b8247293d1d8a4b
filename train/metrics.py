"""Scores: macro-F1, UAR, confusion, calibration, and intervals that respect that clips of one speaker are alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FEW_SPEAKERS = 15  # below that many, a t-interval over speakers instead of a bootstrap
UNDECIDED = -1  # a decision that is always wrong (no speech found, `uncertain`)

Score = Callable[[np.ndarray, np.ndarray], float]


def confusion(truth: np.ndarray, decided: np.ndarray, labels: int) -> np.ndarray:
    """int64 [labels, labels + 1]: rows are the truth, columns the decision; the last column counts the undecided."""
    table = np.zeros((labels, labels + 1), np.int64)
    np.add.at(table, (truth, np.where(decided == UNDECIDED, labels, decided)), 1)
    return table


def macro_f1(truth: np.ndarray, decided: np.ndarray) -> float:
    """Mean F1 over the labels that occur in `truth`; a decision for any other label is a miss."""
    scores = []
    for label in np.unique(truth):
        hits = int(((truth == label) & (decided == label)).sum())
        total = int((truth == label).sum() + (decided == label).sum())
        scores.append(2 * hits / total)
    return float(np.mean(scores))


def uar(truth: np.ndarray, decided: np.ndarray) -> float:
    """Mean recall over the labels that occur in `truth`."""
    return float(np.mean([(decided[truth == label] == label).mean() for label in np.unique(truth)]))


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval; `kind` names how it was made."""

    value: float
    low: float
    high: float
    kind: str

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{'t' if self.kind == 't' else ''}"


def interval_over_speakers(
    score: Score, truth: np.ndarray, decided: np.ndarray, speakers: np.ndarray, draws: int = 1000, seed: int = 0
) -> Interval:
    """A score with its 95 % interval over speakers.

    From 15 speakers on, a bootstrap that redraws whole speakers; below, a t-interval of the speakers' own scores around
    the pooled score, cut to 0..1. One speaker has no interval: its bounds are nan.
    """
    value = score(truth, decided)
    rows = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    if len(rows) == 1:
        return Interval(value, float("nan"), float("nan"), "t")
    if len(rows) < FEW_SPEAKERS:
        from scipy import stats

        each = np.array([score(truth[row], decided[row]) for row in rows])
        half = float(stats.t.ppf(0.975, len(rows) - 1) * each.std(ddof=1) / np.sqrt(len(rows)))
        return Interval(value, max(value - half, 0.0), min(value + half, 1.0), "t")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[index] for index in rng.integers(len(rows), size=len(rows))])
        values.append(score(truth[drawn], decided[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(value, float(low), float(high), "bootstrap")


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the decision, in bins of equal mass. probabilities: float [n, labels]."""
    return confidence_error(probabilities.max(1), probabilities.argmax(1) == truth, bins=bins)


def confidence_error(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None, bins: int = 15) -> float:
    """How far confidences are from how often they are right, a mean over bins of equal mass, in order of confidence.

    confidence: float [n]; right: bool [n]; weights: float [n], how much each counts, 1 where None.
    """
    shares = np.ones(len(confidence)) if weights is None else np.asarray(weights, float)
    order = np.argsort(confidence, kind="stable")
    shares, gaps = shares[order] / shares.sum(), (confidence - right)[order]
    place = np.minimum(((np.cumsum(shares) - shares / 2) * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, shares * gaps, bins)).sum())


def conformal_threshold(confidence: np.ndarray, coverage: float) -> float:
    """The largest threshold at or above which a new decision is with probability >= coverage, if it is exchangeable with these.

    Split conformal: the floor((n + 1) (1 - coverage))-th smallest of the n confidences, 0 to 1. Where n is too small for any
    to be turned away, 0.
    """
    rank = int(np.floor((len(confidence) + 1) * (1 - coverage) + 1e-9))  # 10 * (1 - 0.9) is 0.9999999999999998
    return float(np.sort(confidence)[rank - 1]) if rank else 0.0
