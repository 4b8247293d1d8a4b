"""What the verbs `evaluate` and `report` share: the truth, the scores, the agreed measure, the log of looks at sealed corpora."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.collection import Collection
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA
from train.fusion.decide import Decisions, EmittedDecisions
from train.metrics import interval_over_speakers, macro_f1, uar

FOUR = tuple(LABELS.index(label) for label in ("anger", "happiness", "neutral", "sadness"))
DOCS = Path(__file__).resolve().parent.parent / "docs"
LOOKS = DOCS / "sealed_looks.jsonl"


@dataclass(frozen=True)
class Truth:
    """The clips of a collection: int64 [clips] labels, and who speaks."""

    labels: np.ndarray
    speakers: np.ndarray

    @classmethod
    def of(cls, collection: Collection) -> Truth:
        clips = collection.clips()
        labels = [collection.labels.index(clip.label) for clip in clips]
        return cls(np.array(labels), np.array([clip.speaker for clip in clips]))


@dataclass(frozen=True)
class Judged:
    """The clips of one corpus that count, and what was decided about them: [n] each. rows: int64, which clips they are."""

    truth: np.ndarray
    decided: np.ndarray
    speakers: np.ndarray
    rows: np.ndarray


def judged(decisions: Decisions | EmittedDecisions, truth: Truth, sealed: bool) -> Judged:
    """All clips with all labels to choose from; of a sealed corpus the clips of four labels, with those to choose from."""
    rows = np.flatnonzero(np.isin(truth.labels, FOUR)) if sealed else np.arange(len(truth.labels))
    decided = decisions.labels(FOUR if sealed else None)
    return Judged(truth.labels[rows], decided[rows], truth.speakers[rows], rows)


def told_of(graph: Path) -> dict[str, Any]:
    """What `python -m export` wrote beside a fusion graph: its labels, thresholds and so on.

    Raises:
        SystemExit: there is no such file.
    """
    path = graph.with_suffix(".json")
    if not graph.is_file() or not path.is_file():
        raise SystemExit(f"{graph} with {path.name} beside it is not there: name a graph or pack made by `python -m export`")
    return dict(json.loads(path.read_text()))


def chance(truth: Truth, labels: int) -> Decisions:
    """A uniform guess among the labels that the corpus has."""
    guesses = np.random.default_rng(0).random((len(truth.labels), labels)).astype(np.float32)
    guesses[:, sorted(set(range(labels)) - set(truth.labels.tolist()))] = -1
    return Decisions(guesses, np.ones(len(truth.labels), bool))


def score_of(decisions: Decisions | EmittedDecisions, truth: Truth, sealed: bool) -> float:
    """The score of the agreed measure on one corpus: macro-F1, or of a sealed one 4-class UAR."""
    found = judged(decisions, truth, sealed)
    return (uar if sealed else macro_f1)(found.truth, found.decided)


def scores_of(decisions: Decisions | EmittedDecisions, truth: Truth, sealed: bool) -> dict[str, Any]:
    """The figures of one system on one corpus; `score` is the one of the agreed measure, with its interval."""
    found = judged(decisions, truth, sealed)
    interval = interval_over_speakers(uar if sealed else macro_f1, found.truth, found.decided, found.speakers)
    figures = {
        "score": round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "interval": interval.kind,
    }
    if sealed:
        return {**figures, "plain_uar": round(uar(found.truth, decisions.labels()[found.rows]), 4)}
    among = decisions.labels(set(truth.labels.tolist()))
    recall = interval_over_speakers(uar, truth.labels, found.decided, truth.speakers)
    return {
        **figures,
        "uar": round(recall.value, 4),
        "uar_low": round(recall.low, 4),
        "uar_high": round(recall.high, 4),
        "macro_f1_among_its_labels": round(macro_f1(truth.labels, among), 4),
    }


def agreed_measure(figures: dict[str, dict[str, Any]], system: str) -> dict[str, float]:
    """Design 7: the mean of the mean over the training corpora and the mean over the sealed ones.

    figures: by corpus and system, with the `score` of each. A mean that lacks a corpus is left out.
    """
    means = {}
    for name, corpora in (("in_corpus", TRAINING_CORPORA), ("sealed", EVALUATION_CORPORA)):
        values = [figures[corpus][system]["score"] for corpus in corpora if corpus in figures]
        if len(values) == len(corpora):
            means[name] = round(float(np.mean(values)), 4)
    if len(means) == 2:
        means["agreed"] = round((means["in_corpus"] + means["sealed"]) / 2, 4)
    return means


def commit() -> str:
    """The commit that is checked out, shortened."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=DOCS.parent, check=False)
    return found.stdout.strip() or "none yet"


def fusion_hash(graph: Path) -> str:
    """Names a fusion graph in figures."""
    return hashlib.sha256(graph.read_bytes()).hexdigest()[:12]


def record_look(figures: dict[str, dict[str, Any]], graph: Path) -> None:
    """Append this look at the sealed corpora to the log. figures: by corpus and what was measured, with the `score` of each."""
    sealed = {
        corpus: {name: found["score"] for name, found in figures[corpus].items()}
        for corpus in figures
        if corpus in EVALUATION_CORPORA
    }
    line = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "fusion": fusion_hash(graph),
        "figures": sealed,
    }
    LOOKS.parent.mkdir(exist_ok=True)
    with LOOKS.open("a") as file:
        file.write(json.dumps(line) + "\n")
