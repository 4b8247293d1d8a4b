"""How good the words' labels are, and how their probabilities are calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score, recall_score

from train.corpora import LABELS
from train.text.sentences import Sentence, targets_of


@dataclass(frozen=True)
class Calibration:
    """probabilities = softmax(logits / temperature - prior_removed * log(prior)).

    The training sentences are mostly happy or neutral: removing part of their prior (logit adjustment, Menon et al. 2021)
    trades accuracy on them for the rare classes. The temperature is fitted under the prior that is left.
    """

    temperature: float
    prior_removed: float
    prior: tuple[float, ...]

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Adjusted logits, float32 [sentences, 7]."""
        return logits / self.temperature - self.prior_removed * np.log(np.asarray(self.prior, np.float32))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def scores(logits: np.ndarray, sentences: list[Sentence]) -> dict[str, float]:
    """Macro-F1, UAR, accuracy where just one label applies; `hit` over all: the decision is one of those that apply."""
    decided = logits.argmax(1)
    single = [(sentence.single_label, int(label)) for sentence, label in zip(sentences, decided, strict=True)]
    truth, guess = np.array([pair for pair in single if pair[0] is not None]).T
    return {
        "macro_f1": float(f1_score(truth, guess, average="macro", labels=range(len(LABELS)), zero_division=0)),
        "uar": float(recall_score(truth, guess, average="macro", labels=range(len(LABELS)), zero_division=0)),
        "accuracy": float((truth == guess).mean()),
        "hit": float((targets_of(sentences)[np.arange(len(decided)), decided] > 0).mean()),
    }


def class_f1(logits: np.ndarray, sentences: list[Sentence]) -> dict[str, float]:
    """F1 of each label, where exactly one applies."""
    labels = [sentence.single_label for sentence in sentences]
    rows = [row for row, label in enumerate(labels) if label is not None]
    values = f1_score(
        [labels[row] for row in rows], logits[rows].argmax(1), average=None, labels=range(len(LABELS)), zero_division=0
    )
    return {label: round(float(value), 3) for label, value in zip(LABELS, values, strict=True)}


def calibration_error(logits: np.ndarray, sentences: list[Sentence], bins: int = 15) -> float:
    """Expected calibration error of the decision, counted as right by the share of the labels that it holds."""
    probabilities = np.exp(log_softmax(logits))
    confidence, decided = probabilities.max(1), probabilities.argmax(1)
    right = targets_of(sentences)[np.arange(len(decided)), decided]
    edges = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(sum(abs((confidence - right)[edges == b].sum()) for b in range(bins)) / len(decided))


def calibrate(logits: np.ndarray, sentences: list[Sentence], prior: np.ndarray) -> Calibration:
    """Choose how much of the prior to remove by macro-F1, and the temperature by likelihood under the prior left."""
    targets = targets_of(sentences)

    def fitted(prior_removed: float) -> Calibration:
        weights = (targets * prior[None] ** -prior_removed).astype(np.float64)

        def loss(temperature: float) -> float:
            candidate = Calibration(temperature, prior_removed, tuple(map(float, prior)))
            return float(-(weights * log_softmax(candidate.apply(logits))).sum() / weights.sum())

        return Calibration(float(min(np.geomspace(0.5, 3.0, 181), key=loss)), prior_removed, tuple(map(float, prior)))

    candidates = [fitted(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return max(candidates, key=lambda candidate: scores(candidate.apply(logits), sentences)["macro_f1"])


def report(logits: np.ndarray, sentences: list[Sentence], calibration: Calibration) -> dict[str, object]:
    """What is printed about one set of sentences; the calibration error is that of the probabilities on just these."""
    adjusted = calibration.apply(logits)
    figures: dict[str, object] = {name: round(value, 4) for name, value in scores(adjusted, sentences).items()}
    figures["calibration_error"] = round(calibration_error(adjusted, sentences), 4)
    figures["calibration_error_with_prior"] = round(calibration_error(logits / calibration.temperature, sentences), 4)
    chosen = {"temperature": round(calibration.temperature, 3), "prior_removed": calibration.prior_removed}
    return {**figures, "f1": class_f1(adjusted, sentences), **chosen}
