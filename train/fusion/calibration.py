"""Temperatures and the threshold of `uncertain`, from validation speakers."""

from __future__ import annotations

import numpy as np

FEW_STEPS = 100  # of a corpus: too few to show that a network is surer than it says


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def fit_temperature(logits: list[np.ndarray], labels: list[np.ndarray]) -> float:
    """The temperature with the least cross-entropy, every entry of the lists (a corpus) counting the same.

    Never below 1 from a few steps: a handful of clips that are all told apart would make every later decision all but certain.
    logits: float32 [n, labels] each; labels: int64 [n] each.
    """

    def loss(temperature: float) -> float:
        parts = (
            -log_softmax(values / temperature)[np.arange(len(truth)), truth].mean()
            for values, truth in zip(logits, labels, strict=True)
        )
        return float(sum(parts))

    temperatures = np.geomspace(0.4, 4.0, 231)
    if min(len(truth) for truth in labels) < FEW_STEPS:
        temperatures = np.array([1.0, *temperatures[temperatures > 1]])
    return float(min(temperatures, key=loss))


def risk_coverage(confidence: np.ndarray, right: np.ndarray, coverages: tuple[float, ...]) -> dict[str, float]:
    """The share of wrong decisions among the surest, by coverage."""
    order = np.argsort(-confidence, kind="stable")
    return {f"{c:g}": round(float(1 - right[order[: max(1, round(c * len(order)))]].mean()), 4) for c in coverages}
