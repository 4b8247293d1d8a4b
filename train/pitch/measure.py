"""Scores of pitch tracks, used to choose the threshold on validation and by the benchmark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamser.features.pitch import decode

CLOSE_CENTS = 50.0


@dataclass(frozen=True)
class Scores:
    """Parts of one: raw pitch accuracy, voicing precision, recall and F1, overall accuracy, and gross octave errors."""

    pitch_accuracy: float
    chroma_accuracy: float
    voicing_precision: float
    voicing_recall: float
    voicing_f1: float
    overall_accuracy: float
    median_cents: float
    threshold: float

    def __str__(self) -> str:
        return (
            f"RPA {self.pitch_accuracy:.4f} RCA {self.chroma_accuracy:.4f} VP {self.voicing_precision:.4f} "
            f"VR {self.voicing_recall:.4f} VF1 {self.voicing_f1:.4f} OA {self.overall_accuracy:.4f} "
            f"median {self.median_cents:.1f} cents at threshold {self.threshold:.2f}"
        )


def compare(pitch: NDArray[np.float32], voiced: NDArray[np.bool_], truth: NDArray[np.float32], threshold: float = 0.0) -> Scores:
    """Score a track against the truth.

    Args:
        pitch: Hz[n], the tracker's best guess; 0 where it has none.
        voiced: bool[n], its voicing decision.
        truth: Hz[n], 0 = unvoiced.
        threshold: the one `voiced` came from, for the record.
    """
    really = truth > 0
    guessed = (pitch > 0) & really
    cents = np.full(len(truth), np.inf)
    cents[guessed] = 1200 * np.log2(pitch[guessed] / truth[guessed])
    folded = np.abs(cents[guessed] - 1200 * np.round(cents[guessed] / 1200))
    close = np.abs(cents) < CLOSE_CENTS
    count = max(1, int(really.sum()))
    both = int((voiced & really).sum())
    precision, recall = both / max(1, int(voiced.sum())), both / count
    return Scores(
        pitch_accuracy=float((close & really).sum() / count),
        chroma_accuracy=float((folded < CLOSE_CENTS).sum() / count),
        voicing_precision=precision,
        voicing_recall=recall,
        voicing_f1=2 * precision * recall / max(1e-9, precision + recall),
        overall_accuracy=float(((voiced & really & close) | (~voiced & ~really)).mean()),
        median_cents=float(np.median(np.abs(cents[close & really]))) if (close & really).any() else float("nan"),
        threshold=threshold,
    )


def score(salience: NDArray[np.float32], truth: NDArray[np.float32], known: NDArray[np.bool_]) -> Scores:
    """Decode, choose the threshold with the best mean of voicing F1 and overall accuracy, and score.

    Args:
        salience: f32[B, T, 360] in 0..1.
        truth: f32[B, T] Hz.
        known: bool[B, T]; other frames do not count.
    """
    pitch, peak = decode(salience.reshape(-1, salience.shape[-1]))
    keep = known.ravel()
    pitch, peak, truth = pitch[keep], peak[keep], truth.ravel()[keep]
    tried = [compare(pitch, peak > level, truth, float(level)) for level in np.arange(0.1, 0.9, 0.02)]
    return max(tried, key=lambda scores: scores.voicing_f1 + scores.overall_accuracy)
