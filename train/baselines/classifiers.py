"""The classifiers on whole clips, each trained on the training speakers of all corpora together.

Nothing is tuned on test speakers. As in `measured.md` 10: eGeMAPS with an RBF SVM, C 1, and Whisper with logistic regression,
C 0.01. ComParE has more numbers than there are clips, so its SVM is linear with a small C, as in the challenge's own baselines;
on the validation speakers a linear one with C 1e-3 or one a label, and an RBF SVM with C 1 or 10, are within .02. All on
standardised vectors with balanced classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from train.baselines.clip_features import whole_clips
from train.collection import Collection
from train.fusion.decide import Decisions

SVM_C, LINEAR_SVM_C, LOGISTIC_C = 1.0, 1e-4, 0.01
KIND_OF = {"eGeMAPS + SVM": "egemaps", "ComParE + SVM": "compare", "pooled Whisper + LR": "pooled-whisper"}
BASELINES = tuple(KIND_OF)


class Baseline:
    """One of `BASELINES`, trained on the clips of these collections, which number the same labels."""

    def __init__(self, name: str, training: list[Collection]) -> None:
        self.kind = KIND_OF[name]
        self.name = name
        labels = [entry.labels.index(clip.label) for entry in training for clip in entry.clips()]
        features = np.concatenate([whole_clips(entry, self.kind) for entry in training])
        self.model = new_model(self.kind).fit(features, np.array(labels))

    def decide(self, collection: Collection) -> Decisions:
        """Scores of every clip; none is undecided."""
        scores = self.scores(whole_clips(collection, self.kind), len(collection.labels))
        return Decisions(scores, np.ones(len(scores), bool))

    def scores(self, features: np.ndarray, labels: int) -> np.ndarray:
        """float32 [n, labels]: the decision function of every label, lowest for those that training did not have."""
        values = np.asarray(self.model.decision_function(features), np.float32)
        if values.ndim == 1:  # of two labels: how much it is the second
            values = np.stack([-values, values], 1)
        found = np.full((len(values), labels), np.finfo(np.float32).min, np.float32)
        found[:, self.model.classes_] = values
        return found


@dataclass(frozen=True)
class LinearKernel:
    """All products of two sets of vectors at once: libsvm's own linear kernel takes minutes over so long vectors."""

    def __call__(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """float [n, width], [m, width] -> [n, m]."""
        return np.asarray(left @ right.T)


def new_model(kind: str) -> Any:
    """A classifier as scikit-learn has them, not yet trained; its printed parameters say which it is (`train.report.systems`)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classifiers = {
        "egemaps": SVC(C=SVM_C, class_weight="balanced", decision_function_shape="ovr"),
        "compare": SVC(C=LINEAR_SVM_C, kernel=LinearKernel(), class_weight="balanced", decision_function_shape="ovr"),
        "pooled-whisper": LogisticRegression(C=LOGISTIC_C, class_weight="balanced", max_iter=1000),
    }
    return make_pipeline(StandardScaler(), classifiers[kind])
