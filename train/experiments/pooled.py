"""Whole clips as one vector a layer: the mean and the deviation of an encoder's frames, with labels, speakers and corpora."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.corpora import LABELS, TRAINING_CORPORA, Clip, clips_of
from train.encodings import load_encodings
from train.experiments.cells import Tables, scores_by_speaker


@dataclass(frozen=True)
class Truth:
    """What is known of clips: labels int64 [n], corpora and speakers str [n]."""

    labels: np.ndarray
    corpora: np.ndarray
    speakers: np.ndarray

    def tables(self, decided: np.ndarray) -> Tables:
        """The confusion of every speaker. decided: int64 [n]."""
        found: Tables = {}
        for corpus in np.unique(self.corpora):
            rows = self.corpora == corpus
            found |= scores_by_speaker(self.labels[rows], decided[rows], self.speakers[rows], str(corpus))
        return found


def truth_of(clips: list[Clip]) -> Truth:
    """Labels, corpora and speakers of clips."""
    return Truth(
        np.array([LABELS.index(clip.label) for clip in clips], np.int64),
        np.array([clip.corpus for clip in clips]),
        np.array([clip.speaker for clip in clips]),
    )


@dataclass(frozen=True)
class Pooled:
    """features: float32 [n, layers, 2 * width], means and then deviations over a clip's frames."""

    features: np.ndarray
    truth: Truth

    def flat(self, layers: list[int]) -> np.ndarray:
        """Some layers side by side, float32 [n, len(layers) * 2 * width]."""
        return self.features[:, layers].reshape(len(self.features), -1)


@functools.lru_cache(maxsize=8)
def pooled_layers(encoder: str, split: str) -> Pooled:
    """All layers of an encoder on the clips of one split of the four corpora, from the cache of `audio:ENCODER@12.5`.

    Raises:
        SystemExit: the encodings are not there; the line says how to make them.
    """
    rows, clips = [], []
    for corpus in TRAINING_CORPORA:
        encodings = load_encodings(f"audio:{encoder}@12.5", corpus, split)
        clips += clips_of(corpus, split)
        for index in range(len(encodings.offsets) - 1):
            frames = encodings.clip(index).astype(np.float32)
            rows.append(np.concatenate([frames.mean(0), frames.std(0)], 1))
    return Pooled(np.stack(rows), truth_of(clips))


def logistic(train: np.ndarray, labels: np.ndarray) -> Any:
    """Standardisation and logistic regression as in `measured.md` 10: C .01, balanced classes; nothing tuned."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
    return model.fit(train, labels)
