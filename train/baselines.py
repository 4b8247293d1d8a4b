"""What the ensemble is measured against, trained on the same speakers: openSMILE's eGeMAPS with an RBF SVM, and pooled Whisper.

Pooled Whisper: layers 2, 4 and the last (`measured.md` 11 used 2, 4 and 6), mean and deviation over the speech of a window,
from the fusion's own cache: in training the longest window kept of every stream, in tests the longest of a clip (all its
speech up to 4 s). Logistic regression. Nothing is tuned: C 1 and C 0.01, balanced classes, as in `measured.md` 10.
"""

from __future__ import annotations

import time

import numpy as np

from train.corpora import cache_root, read_audio
from train.features import Collection
from train.fusion.data import Inputs, load_inputs
from train.fusion.decide import Decisions

SVM_C, LOGISTIC_C = 1.0, 0.01
EGEMAPS, POOLED = "eGeMAPS + SVM", "pooled Whisper + LR"
BASELINES = (EGEMAPS, POOLED)


def egemaps(collection: Collection) -> np.ndarray:
    """openSMILE's eGeMAPS functionals of every whole clip, float32 [clips, 88]; cached."""
    path = cache_root() / "baseline_features" / f"egemaps-{collection.name.rpartition('-')[0]}.npy"
    if not path.exists():
        import opensmile

        smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
        clips = collection.clips()
        began = time.monotonic()
        rows = [smile.process_signal(read_audio(clip.path), 16_000).to_numpy(np.float32)[0] for clip in clips]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.nan_to_num(np.stack(rows)))
        print(f"{collection.name} egemaps: {len(clips)} clips, {time.monotonic() - began:.0f} s", flush=True)
    return np.asarray(np.load(path))


def longest_rows(inputs: Inputs) -> np.ndarray:
    """int64 [clips with speech]: of every clip the row that heard most, the latest of equals."""
    best: dict[int, int] = {}
    for row, (clip, heard) in enumerate(zip(inputs.clip.tolist(), inputs.heard.tolist(), strict=True)):
        if clip not in best or heard >= inputs.heard[best[clip]]:
            best[clip] = row
    return np.array([best[clip] for clip in sorted(best)], int)


def pooled_whisper(inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """Mean and deviation of the three layers over a row's nodes, float32 [rows, 3072]; zeros without a node."""
    pooled = np.zeros((len(rows), 2 * 3 * 512), np.float32)
    for index, row in enumerate(rows):
        nodes = inputs.row(row)["whisper"].astype(np.float32)
        if len(nodes):
            pooled[index] = np.concatenate([nodes.mean(0).ravel(), nodes.std(0).ravel()])
    return pooled


class Baseline:
    """A classifier on one vector a clip, trained on the training speakers of all corpora together."""

    def __init__(self, name: str, training: list[Collection]) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        self.name = name
        features, labels = [], []
        for collection in training:
            if name == EGEMAPS:
                features.append(egemaps(collection))
                labels.append(np.array([collection.labels.index(clip.label) for clip in collection.clips()]))
            else:
                inputs = load_inputs(collection, ("whisper",))
                rows = longest_rows(inputs)
                features.append(pooled_whisper(inputs, rows))
                labels.append(inputs.labels[rows])
        classifier = (
            SVC(C=SVM_C, class_weight="balanced", decision_function_shape="ovr")
            if name == EGEMAPS
            else LogisticRegression(C=LOGISTIC_C, class_weight="balanced", max_iter=1000)
        )
        self.model = make_pipeline(StandardScaler(), classifier).fit(np.concatenate(features), np.concatenate(labels))

    def decide(self, collection: Collection) -> Decisions:
        """Scores of every clip; with pooled Whisper, clips without speech are undecided, as they are for the ensemble."""
        if self.name == EGEMAPS:
            every = self.scores(egemaps(collection), len(collection.labels))
            return Decisions(every, np.ones(len(every), bool))
        inputs = load_inputs(collection, ("whisper",))
        rows = longest_rows(inputs)
        shape = len(inputs.clip_label), len(collection.labels)
        scores, found = np.zeros(shape, np.float32), np.zeros(shape[0], bool)
        scores[inputs.clip[rows]] = self.scores(pooled_whisper(inputs, rows), shape[1])
        found[inputs.clip[rows]] = True
        return Decisions(scores, found)

    def scores(self, features: np.ndarray, labels: int) -> np.ndarray:
        """float32 [n, labels]: the decision function of every label, lowest for those that training did not have."""
        values = np.asarray(self.model.decision_function(features), np.float32)
        if values.ndim == 1:  # of two labels: how much it is the second
            values = np.stack([-values, values], 1)
        found = np.full((len(values), labels), np.finfo(np.float32).min, np.float32)
        found[:, self.model.classes_] = values
        return found
