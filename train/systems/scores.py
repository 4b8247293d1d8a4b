"""What a system says of the clips of a split, and how good that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from train.fusion.calibration import fit_temperature, log_softmax
from train.metrics import interval_over_speakers, macro_f1, uar
from train.systems.batches import Part
from train.systems.collate import evaluation_batches
from train.systems.system import System

MEASURES = {"macro_f1": macro_f1, "uar": uar}


@dataclass(frozen=True)
class Predictions:
    """The clips of one split, corpus after corpus.

    log_posteriors: float32 [clips, labels], calibrated. labels: int64 [clips]. speakers, corpora: str [clips].
    """

    log_posteriors: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    corpora: np.ndarray

    def decided(self) -> np.ndarray:
        """int64 [clips]: the likeliest of all labels."""
        return np.asarray(self.log_posteriors.argmax(1))


def logits_of(
    system: System, parts: list[Part], device: torch.device, words: bool = True, heard: float | None = None
) -> np.ndarray:
    """float32 [clips, labels], part after part; see `evaluation_batches`."""
    system.eval()
    found = []
    with torch.inference_mode():
        for part in parts:
            logits = np.zeros((len(part), len(part.label_names)), np.float32)
            for batch, rows in evaluation_batches(part, words, heard):
                logits[rows] = system({name: values.to(device) for name, values in batch.items()}).float().cpu().numpy()
            found.append(logits)
    return np.concatenate(found)


def predictions_of(logits: np.ndarray, parts: list[Part], temperature: float = 1.0) -> Predictions:
    """Calibrated log-posteriors with what is known of the clips."""
    return Predictions(
        log_softmax(logits / temperature).astype(np.float32),
        np.concatenate([part.labels for part in parts]),
        np.array([clip.speaker for part in parts for clip in part.clips]),
        np.array([part.corpus for part in parts for _ in part.clips]),
    )


def temperature_of(logits: np.ndarray, parts: list[Part]) -> float:
    """The temperature with the least cross-entropy, corpora counting the same."""
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return fit_temperature(np.split(logits, ends), [part.labels for part in parts])


def macro_f1_by_corpus(truth: np.ndarray, decided: np.ndarray, corpora: np.ndarray) -> dict[str, float]:
    """Over the labels that occur in a corpus; a decision for any other is a miss."""
    return {
        str(corpus): macro_f1(truth[corpora == corpus], decided[corpora == corpus]) for corpus in dict.fromkeys(corpora.tolist())
    }


def scores_of(predictions: Predictions) -> dict[str, Any]:
    """Macro-F1 and UAR of every corpus with their 95 % intervals over speakers, and the means over corpora."""
    decided, by_corpus = predictions.decided(), {}
    for corpus in dict.fromkeys(predictions.corpora.tolist()):
        rows = predictions.corpora == corpus
        entry: dict[str, Any] = {"clips": int(rows.sum())}
        for name, measure in MEASURES.items():
            interval = interval_over_speakers(measure, predictions.labels[rows], decided[rows], predictions.speakers[rows])
            entry[name] = {
                "value": round(interval.value, 5),
                "interval": [None if math.isnan(bound) else round(bound, 5) for bound in (interval.low, interval.high)],
                "kind": interval.kind,
            }
        by_corpus[corpus] = entry
    means = {name: round(float(np.mean([entry[name]["value"] for entry in by_corpus.values()])), 5) for name in MEASURES}
    return {**means, "corpora": by_corpus}
