"""Linear probes: what can be read from frozen vectors about speakers that the probe was not fitted on.

A standardised logistic regression with balanced classes. Its C is chosen from a fixed grid inside each training fold, by
folds that are disjoint in the same groups; the same for every encoder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.tagging.clips import Task
from benchmarks.tagging.encoders import Embeddings
from train.metrics import Interval, interval_over_speakers, uar

POOLINGS: dict[str, Callable[[Embeddings], np.ndarray]] = {
    "mean": lambda found: found.mean,
    "mean + deviation": lambda found: np.concatenate([found.mean, found.deviation], axis=-1),
}
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # C
OUTER_FOLDS, INNER_FOLDS = 5, 3
MOST_LEFT_OUT = 8  # up to so many groups each is a fold of its own
RECIPE = 1  # names the cached decisions: raise it when the probe or its folds change


def folds(groups: np.ndarray, count: int, most_left_out: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices to fit on and to score, no group in both; one group a fold where there are at most `most_left_out` of them."""
    from sklearn.model_selection import GroupKFold

    present = len(np.unique(groups))
    yield from GroupKFold(present if present <= max(most_left_out, count) else count).split(groups, groups=groups)


def probe(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, tol=1e-3))


def chosen_strength(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """The C of the grid with the best mean recall over inner folds; the smaller of equals."""
    scores = []
    for strength in STRENGTHS:
        decided = np.empty_like(labels)
        for fit, score in folds(groups, INNER_FOLDS):
            decided[score] = probe(strength).fit(vectors[fit], labels[fit]).predict(vectors[score])
        scores.append(uar(labels, decided))
    return STRENGTHS[int(np.argmax(scores))]


def decisions(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """What a probe says of every clip, fitted without any clip of its group.

    Args:
        vectors: float [clips, width].
        labels: str [clips].
        groups: str [clips]; at least 3 different ones.

    Returns:
        str [clips].
    """
    decided = np.empty_like(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fold without one of the classes, or a fit that stopped early at a large C
        for fit, score in folds(groups, OUTER_FOLDS, MOST_LEFT_OUT):
            strength = chosen_strength(vectors[fit], labels[fit], groups[fit])
            decided[score] = probe(strength).fit(vectors[fit], labels[fit]).predict(vectors[score])
    return decided


def probe_score(found: Embeddings, task: Task, pooling: str) -> Interval:
    """The score of a task with its 95 % interval over speakers; over the members of an encoder together their mean."""
    path = found.where.with_name(f"{found.where.stem}-{pooling.replace(' + ', '-')}-probe{RECIPE}.npy")
    if not path.exists():
        members = POOLINGS[pooling](found)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.stack([decisions(vectors, task.labels, task.groups) for vectors in members]))
        partial.replace(path)
    decided = np.load(path)
    repeated = [np.tile(values, len(decided)) for values in (task.labels, task.speakers)]
    return interval_over_speakers(task.score, repeated[0], decided.ravel(), repeated[1])
