"""When did the present stretch of one emotion begin, and which emotion is it? Every answer that is still possible, with its weight.

A step is told by its profile, the square roots of its probabilities. The profiles of a stretch scatter around a mean of the
stretch's own, and those means around what is typical of the label. So a change shows as a profile unlike the ones before it, even
where the likeliest label stays the same; and a stretch whose profiles are alike keeps its label, even where two are nearly even.

All scatter is Gaussian, the same in every direction, so sums are all that has to be remembered of a possible stretch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

MOST = 8  # possible beginnings that are kept, the likeliest
EVIDENCE = 2.2  # steps that a second of speech counts for: their windows overlap
CHANGE = 0.008  # how likely a stretch is to end within a second
TYPICAL = 0.38  # of a label's typical profile: its own share beyond an even one
SPREAD, SCATTER = 0.17**2, 0.18**2  # variances: of stretches around what is typical, of steps around their stretch


class Stretches(NamedTuple):
    """Possible answers: the present stretch began at `begin` and has one of the labels.

    weight: float64 [b, labels], log probabilities, normalised. total: float64 [b, labels], the stretch's profiles summed, and
    steps: float64 [b], how many, both by the evidence of each. begin: int64 [b], the sample where the stretch's first step begins.
    """

    weight: np.ndarray
    total: np.ndarray
    steps: np.ndarray
    begin: np.ndarray


def opened(start: int, seconds: float, log_posterior: np.ndarray) -> Stretches:
    """After a first step of that many seconds from sample `start` on; log_posterior: float64 [labels], normalised."""
    profile = np.exp(log_posterior / 2)
    evidence = EVIDENCE * seconds
    weight = _normalised(evidence * _first(profile)[None])
    return Stretches(weight, evidence * profile[None], np.array([evidence]), np.array([start], np.int64))


def followed(before: Stretches, start: int, seconds: float, log_posterior: np.ndarray) -> Stretches:
    """After another step: each stretch goes on, or ended before it."""
    profile = np.exp(log_posterior / 2)
    labels, evidence = len(profile), EVIDENCE * seconds
    change = -math.expm1(seconds * math.log1p(-CHANGE))
    # What is known of a stretch's own mean, if it has label j: a Gaussian around `mean`, float64 [b, labels, directions].
    variance = 1.0 / (1.0 / SPREAD + before.steps / SCATTER)
    mean = variance[:, None, None] * (_typical(labels) / SPREAD + before.total[:, None] / SCATTER)
    going_on = before.weight + math.log1p(-change) + evidence * _log_density(profile, mean, (variance + SCATTER)[:, None])
    new = math.log(change / labels) + evidence * _first(profile)  # any label may follow, the same one too
    kept = np.sort(np.argsort(-going_on.max(axis=1), kind="stable")[: MOST - 1])
    return Stretches(
        _normalised(np.concatenate([going_on[kept], new[None]])),
        np.concatenate([before.total[kept], np.zeros((1, labels))]) + evidence * profile,
        np.append(before.steps[kept], 0.0) + evidence,
        np.append(before.begin[kept], np.int64(start)),
    )


def label_weights(possible: Stretches) -> np.ndarray:
    """float64 [labels]: the log probability of each label now."""
    return np.logaddexp.reduce(possible.weight, axis=0)


def began(possible: Stretches, label: int) -> int:
    """Where the present stretch most likely began, if it has that label."""
    return int(possible.begin[int(np.argmax(possible.weight[:, label]))])


def _typical(labels: int) -> np.ndarray:
    """float64 [labels, labels]: a row is the typical profile of a label."""
    return np.sqrt(np.full((labels, labels), (1.0 - TYPICAL) / labels) + TYPICAL * np.eye(labels))


def _first(profile: np.ndarray) -> np.ndarray:
    """float64 [labels]: log density of a stretch's first profile."""
    return _log_density(profile, _typical(len(profile)), np.array(SPREAD + SCATTER))


def _log_density(profile: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Of a Gaussian of that variance in every direction; mean: [..., directions], variance: [...]."""
    distance = np.square(profile - mean).sum(axis=-1)
    return np.asarray(-0.5 * (len(profile) * np.log(variance) + distance / variance))


def _normalised(weight: np.ndarray) -> np.ndarray:
    return np.asarray(weight - np.logaddexp.reduce(weight, axis=None))
