"""What the ensemble is measured against, trained on the same clips: openSMILE's eGeMAPS with an RBF SVM, and pooled Whisper.

Pooled Whisper: layers 2, 4 and the last (`measured.md` 11 used 2, 4 and 6), mean and deviation over the clip's speech at 50 Hz,
logistic regression. Nothing is tuned: C 1 and C 0.01, balanced classes, as in `measured.md` 10.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from streamser.feature_stream import MIN_SPEECH_FRAMES, SPEECH_MARGIN
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.features.whisper import FRAME, Whisper
from streamser.packs.whisper import resolve_whisper
from streamser.segmenter import Segmenter
from train.corpora import LABELS, TRAINING_CORPORA, cache_root, read_audio
from train.features import PACK, WHISPER, Collection

SVM_C, LOGISTIC_C = 1.0, 0.01
LONGEST = 480_000  # samples that Whisper takes
BASELINES = ("eGeMAPS + SVM", "pooled Whisper + LR")
SETS = dict(zip(BASELINES, ("egemaps", "whisper"), strict=True))


def pooled_whisper(samples: np.ndarray, whisper: Whisper, detector: VoiceActivityDetector) -> np.ndarray:
    """Mean and deviation of three layers over the frames in speech, float32 [3072]; over all frames where there is none."""
    samples = samples[:LONGEST]
    segmenter = Segmenter(history=len(samples) + FRAME)
    segmenter.feed(detector.stream().feed(samples))
    layers = whisper.encode(np.pad(samples, (0, -len(samples) % FRAME))).layers
    kept = segmenter.speech_mask(FRAME * np.arange(layers.shape[1]) + FRAME // 2, SPEECH_MARGIN)
    speech = layers[:, kept] if kept.sum() > MIN_SPEECH_FRAMES else layers
    return np.concatenate([speech.mean(1).ravel(), speech.std(1).ravel()]).astype(np.float32)


def baseline_features(collection: Collection, name: str) -> np.ndarray:
    """Cached features of every clip of a collection, float32 [clips, k]; `name` is egemaps or whisper."""
    path = cache_root() / "baseline_features" / f"{name}-{collection.corpus}-{collection.split}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _build(collection, name, path)
    return np.asarray(np.load(path))


def _build(collection: Collection, name: str, path: Path) -> None:
    clips = collection.clips()
    began = time.monotonic()
    extract: Any
    if name == "egemaps":
        import opensmile

        smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

        def extract(samples: np.ndarray) -> np.ndarray:
            return smile.process_signal(samples, 16_000).to_numpy(np.float32)[0]
    else:
        whisper, detector = Whisper(resolve_whisper(WHISPER, PACK / "whisper_encoder.onnx")), VoiceActivityDetector.load()

        def extract(samples: np.ndarray) -> np.ndarray:
            return pooled_whisper(samples, whisper, detector)

    np.save(path, np.stack([np.nan_to_num(extract(read_audio(clip.path))) for clip in clips]))
    print(f"{collection.name} {name}: {len(clips)} clips, {time.monotonic() - began:.0f} s", flush=True)


class Baseline:
    """A linear or kernel classifier on one vector a clip, trained on the training speakers of all four corpora together."""

    def __init__(self, name: str) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        self.name = name
        collections = [Collection(corpus, "train") for corpus in TRAINING_CORPORA]
        features = np.concatenate([baseline_features(entry, SETS[name]) for entry in collections])
        labels = np.concatenate([[LABELS.index(clip.label) for clip in entry.clips()] for entry in collections])
        classifier = (
            SVC(C=SVM_C, class_weight="balanced", decision_function_shape="ovr")
            if SETS[name] == "egemaps"
            else LogisticRegression(C=LOGISTIC_C, class_weight="balanced", max_iter=300)
        )
        self.model = make_pipeline(StandardScaler(), classifier).fit(features, labels)

    def scores(self, collection: Collection) -> np.ndarray:
        """float32 [clips, 7], larger is likelier."""
        return np.asarray(self.model.decision_function(baseline_features(collection, SETS[self.name])), np.float32)
