"""Peer (b): openSMILE's eGeMAPS functionals of a window, and an SVM trained on whole clips of the training speakers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from train.baselines import Baseline
from train.baselines.clip_features import open_egemaps
from train.collection import Collection
from train.corpora import TRAINING_CORPORA

BASELINE = "eGeMAPS + SVM"


class Egemaps:
    """Stateless. The training clips' vectors are kept in STREAMSER_CACHE; the first time they take minutes."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Trained on the split that the pack's fusion was trained on."""
        self.labels = tuple(labels)
        self.extract = open_egemaps()
        self.baseline = Baseline(BASELINE, [Collection(corpus, "train", 0, self.labels) for corpus in TRAINING_CORPORA])

    def hear(self, samples: np.ndarray) -> int:
        """The number of the label of a window, float32 [n]."""
        vector = np.nan_to_num(self.extract(samples), nan=0.0, posinf=0.0, neginf=0.0)
        return int(self.baseline.scores(vector[None], len(self.labels))[0].argmax())
