"""Intervals over speakers and seeds at once, by redrawing both.

Every seed is scored on the same test speakers, so the two are crossed: a draw takes speakers (within their corpus) and seeds, and
the score of the draw is the mean over its seeds of the mean over corpora of macro-F1 on its speakers. Of n speakers or seeds n - 1
are drawn, with replacement, which makes the variance right where n is small (Rao and Wu 1988, the rescaled bootstrap).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from train.experiments.cells import Outcome, macro_f1_of

DRAWS = 2000


@dataclass(frozen=True)
class Spread:
    """A mean over seeds and its 95 % interval; nan bounds where no draw differs from another."""

    value: float
    low: float
    high: float


def draws_of(names: list[str], draws: int = DRAWS) -> np.ndarray:
    """How often each of n things is drawn, int64 [draws, n]: n - 1 of them, with replacement; the only one always once.

    The draws depend on the names alone, so that two rows over the same speakers and seeds are drawn alike: that pairs them.
    """
    count = len(names)
    if count == 1:
        return np.ones((draws, 1), np.int64)
    seed = int.from_bytes(hashlib.sha256("\n".join(names).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).multinomial(count - 1, np.full(count, 1 / count), size=draws)


def redrawn(outcomes: list[Outcome], measure: str, draws: int = DRAWS) -> np.ndarray:
    """The macro-F1 of every draw, float64 [draws]. outcomes: the seeds of one row; all with the same speakers."""
    tables = [outcome.by_speaker[measure] for outcome in outcomes]
    speakers = sorted(tables[0])
    if any(sorted(table) != speakers for table in tables):
        raise ValueError(f"the seeds of {outcomes[0].cell.name} were scored on different speakers")
    by_seed = np.zeros((draws, len(outcomes)))
    corpora = sorted({speaker.split("/", 1)[0] for speaker in speakers})
    for corpus in corpora:
        of_corpus = [speaker for speaker in speakers if speaker.split("/", 1)[0] == corpus]
        counts = draws_of(of_corpus, draws).astype(np.float64)
        for column, table in enumerate(tables):
            confusions = np.array([table[speaker] for speaker in of_corpus], np.float64)
            by_seed[:, column] += macro_f1_of(np.einsum("dn,nij->dij", counts, confusions)) / len(corpora)
    weights = draws_of([f"seed {outcome.cell.seed}" for outcome in outcomes], draws)
    return np.asarray((by_seed * weights).sum(1) / weights.sum(1))


def spread(outcomes: list[Outcome], measure: str) -> Spread:
    """The mean of a measure over the seeds of one row, with its interval where the speakers' counts are known."""
    value = float(np.mean([outcome.scores[measure] for outcome in outcomes]))
    if any(measure not in outcome.by_speaker for outcome in outcomes):
        return Spread(value, float("nan"), float("nan"))
    return _between(value, redrawn(outcomes, measure))


def difference(outcomes: list[Outcome], reference: list[Outcome], measure: str) -> Spread | None:
    """The row minus the reference, paired over the speakers and over the seeds that both have; None where they cannot be."""
    seeds = {outcome.cell.seed for outcome in outcomes} & {outcome.cell.seed for outcome in reference}
    left = [outcome for outcome in outcomes if outcome.cell.seed in seeds and measure in outcome.by_speaker]
    right = [outcome for outcome in reference if outcome.cell.seed in seeds and measure in outcome.by_speaker]
    if not seeds or len(left) != len(right) or not left:
        return None
    left, right = (sorted(part, key=lambda outcome: outcome.cell.seed) for part in (left, right))
    if set(left[0].by_speaker[measure]) != set(right[0].by_speaker[measure]):
        return None
    value = float(np.mean([one.scores[measure] - other.scores[measure] for one, other in zip(left, right, strict=True)]))
    return _between(value, redrawn(left, measure) - redrawn(right, measure))


def _between(value: float, drawn: np.ndarray) -> Spread:
    if np.ptp(drawn) == 0:
        return Spread(value, float("nan"), float("nan"))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Spread(value, float(low), float(high))
