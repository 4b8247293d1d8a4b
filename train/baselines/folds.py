"""`python -m train baselines`: the baselines on RAVDESS with all its 8 labels, over EmoBox's six folds; the last line is JSON.

Trained on RAVDESS alone, without the fold's test actors: on the fold's training actors, as networks are that choose their
epoch on the validation actors, and on both, as nothing is chosen here. Written to docs/results for the report.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np

from train.baselines.classifiers import BASELINES, Baseline
from train.collection import Collection
from train.corpora import LABELS
from train.metrics import macro_f1, uar

EIGHT = (*LABELS, "calm")
FOLDS = tuple(f"ravdess-fold{number}" for number in range(1, 7))
TRAINED_ON = {"train": ("train",), "train and validation": ("train", "validation")}
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "fold_baselines.json"


def fold_scores(name: str, fold: str, splits: tuple[str, ...]) -> tuple[float, float]:
    """Macro-F1 and UAR of a baseline on a fold's test actors, trained on these splits of it."""
    tested = Collection(fold, "test", 0, EIGHT)
    decided = Baseline(name, [Collection(fold, split, 0, EIGHT) for split in splits]).decide(tested).labels()
    truth = np.array([EIGHT.index(clip.label) for clip in tested.clips()])
    return macro_f1(truth, decided), uar(truth, decided)


def figures() -> dict[str, dict[str, Any]]:
    """By baseline and by what it was trained on: the mean of the folds' macro-F1 and of their UAR, and each fold's macro-F1."""
    found: dict[str, dict[str, Any]] = {}
    for name in BASELINES:
        found[name] = {}
        for trained_on, splits in TRAINED_ON.items():
            scores = np.array([fold_scores(name, fold, splits) for fold in FOLDS])
            mean, each = scores.mean(0), scores[:, 0].round(4).tolist()
            found[name][trained_on] = {"macro_f1": round(float(mean[0]), 4), "uar": round(float(mean[1]), 4), "folds": each}
            print(f"{name:22s} {trained_on:22s} macro-F1 {mean[0]:.3f}, UAR {mean[1]:.3f}, folds {each}", flush=True)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__


def run(args: argparse.Namespace) -> int:
    told = {"corpus": "ravdess", "labels": EIGHT, "date": datetime.date.today().isoformat(), "baselines": figures()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told))
    return 0
