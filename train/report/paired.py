"""Two systems on the same clips: how much better one is, with an interval that respects that clips of one speaker are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from train.metrics import FEW_SPEAKERS, Score

DRAWS = 1000


@dataclass(frozen=True)
class Answers:
    """The same clips, decided twice: int64 [clips] each; corpora and speakers: str [clips]."""

    truth: np.ndarray
    before: np.ndarray
    after: np.ndarray
    corpora: np.ndarray
    speakers: np.ndarray


def compare(answers: Answers, score: Score) -> dict[str, Any]:
    """The scores before and after, means over corpora, and the difference with its interval.

    `low`, `high`: 95 %, whole speakers redrawn within each corpus. `p`: of no difference, by flipping the signs of speakers' own
    differences, pooled over corpora. By corpus also: the interval is a t-interval of the speakers' differences below 15 speakers,
    else by redrawing; one speaker has none (None).
    """
    by_corpus = {str(corpus): _one(answers, answers.corpora == corpus, score) for corpus in np.unique(answers.corpora)}
    rng = np.random.default_rng(0)
    groups = [_rows_by_speaker(answers, answers.corpora == corpus) for corpus in np.unique(answers.corpora)]
    drawn = [np.mean([_redrawn(answers, rows, score, rng) for rows in groups]) for _ in range(DRAWS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    speakers = np.array([_difference(answers, row, score) for rows in groups for row in rows])
    before, after = (float(np.mean([entry[name] for entry in by_corpus.values()])) for name in ("before", "after"))
    return {
        "before": round(before, 4),
        "after": round(after, 4),
        "difference": round(after - before, 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "p": round(sign_flips(speakers), 4),
        "clips": len(answers.truth),
        "speakers": len(speakers),
        "by_corpus": by_corpus,
    }


def sign_flips(differences: np.ndarray, draws: int = 10_000) -> float:
    """The share of random signs that give a mean at least as far from 0; float [n]."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (draws, len(differences)))
    return float((np.abs((signs * differences).mean(1)) >= abs(differences.mean()) - 1e-12).mean())


def _one(answers: Answers, wanted: np.ndarray, score: Score) -> dict[str, Any]:
    rows = _rows_by_speaker(answers, wanted)
    everything = np.concatenate(rows)
    difference = _difference(answers, everything, score)
    bounds: dict[str, float | None] = {"low": None, "high": None}
    if len(rows) >= FEW_SPEAKERS:
        rng = np.random.default_rng(0)
        low, high = np.percentile([_redrawn(answers, rows, score, rng) for _ in range(DRAWS)], [2.5, 97.5])
        bounds = {"low": round(float(low), 4), "high": round(float(high), 4)}
    elif len(rows) > 1:
        from scipy import stats

        each = np.array([_difference(answers, row, score) for row in rows])
        half = float(stats.t.ppf(0.975, len(rows) - 1) * each.std(ddof=1) / np.sqrt(len(rows)))
        bounds = {"low": round(difference - half, 4), "high": round(difference + half, 4)}
    truth = answers.truth[everything]
    found = {"before": score(truth, answers.before[everything]), "after": score(truth, answers.after[everything])}
    found["difference"] = difference
    rounded = {name: round(value, 4) for name, value in found.items()}
    return {**rounded, **bounds, "clips": len(everything), "speakers": len(rows)}


def _rows_by_speaker(answers: Answers, wanted: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(wanted & (answers.speakers == speaker)) for speaker in np.unique(answers.speakers[wanted])]


def _redrawn(answers: Answers, rows: list[np.ndarray], score: Score, rng: np.random.Generator) -> float:
    return _difference(answers, np.concatenate([rows[index] for index in rng.integers(len(rows), size=len(rows))]), score)


def _difference(answers: Answers, rows: np.ndarray, score: Score) -> float:
    truth = answers.truth[rows]
    return score(truth, answers.after[rows]) - score(truth, answers.before[rows])
