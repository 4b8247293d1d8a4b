"""`python -m train evaluate`: the shipped ensemble and what it is measured against, on speakers that nobody trained on.

Every clip is a fresh stream. The four training corpora give macro-F1 over their labels with an argmax over all seven; the
sealed corpora a 4-class UAR with the argmax over those four. Whoever looks at a sealed corpus is recorded in
docs/sealed_looks.jsonl. The last line is JSON.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamser.sessions import open_session
from train.baselines import BASELINES, Baseline, egemaps
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA
from train.features import GRAPHS, PACK, Collection, build, folder_of, load_features, sealed_collection
from train.fusion.data import in_order, load_inputs
from train.fusion.decide import Decisions, EmittedDecisions, decide, ensemble_posteriors
from train.metrics import confusion, interval_over_speakers, macro_f1, uar

FOUR = tuple(LABELS.index(label) for label in ("anger", "happiness", "neutral", "sadness"))
LOOKS = Path(__file__).resolve().parent.parent / "docs" / "sealed_looks.jsonl"


@dataclass(frozen=True)
class Truth:
    """The clips of a collection: int64 [clips] labels, and who speaks."""

    labels: np.ndarray
    speakers: np.ndarray

    @classmethod
    def of(cls, collection: Collection) -> Truth:
        clips = collection.clips()
        return cls(np.array([LABELS.index(clip.label) for clip in clips]), np.array([clip.speaker for clip in clips]))


def network_decisions(collection: Collection, graph: Path) -> dict[str, Decisions | EmittedDecisions]:
    """The decisions of the ensemble, as argmax and as a stream emits them, and of each of its members about every clip."""
    inputs = load_inputs(collection)
    session = open_session(graph)
    outputs = np.concatenate([session.run(["log_probabilities"], batch)[0] for batch in in_order(inputs)], axis=1)
    clips = len(inputs.clip_label)
    threshold = float(json.loads(graph.with_suffix(".json").read_text())["utterance_uncertain_below"])
    found: dict[str, Decisions | EmittedDecisions] = {
        "ensemble": decide(ensemble_posteriors(outputs), inputs.heard, inputs.clip, clips),
        "uncertain is wrong": EmittedDecisions(outputs, inputs.heard, inputs.clip, clips, threshold),
    }
    for number, member in enumerate(outputs):
        found[f"member {number + 1}"] = decide(member, inputs.heard, inputs.clip, clips)
    return found


def chance(truth: Truth) -> Decisions:
    """A uniform guess among the labels that the corpus has."""
    guesses = np.random.default_rng(0).random((len(truth.labels), len(LABELS))).astype(np.float32)
    guesses[:, sorted(set(range(len(LABELS))) - set(truth.labels.tolist()))] = -1
    return Decisions(guesses, np.ones(len(truth.labels), bool))


def scores_of(decisions: Decisions | EmittedDecisions, truth: Truth, sealed: bool) -> dict[str, Any]:
    """The figures of one system on one corpus; `score` is the one of the agreed measure, with its interval."""
    if sealed:
        four = np.isin(truth.labels, FOUR)
        labels, speakers = truth.labels[four], truth.speakers[four]
        interval = interval_over_speakers(uar, labels, decisions.labels(FOUR)[four], speakers)
        return {**_rounded(interval), "plain_uar": round(uar(labels, decisions.labels()[four]), 4)}
    decided = decisions.labels()
    interval = interval_over_speakers(macro_f1, truth.labels, decided, truth.speakers)
    among = decisions.labels(set(truth.labels.tolist()))
    return {
        **_rounded(interval),
        "uar": round(uar(truth.labels, decided), 4),
        "macro_f1_among_its_labels": round(macro_f1(truth.labels, among), 4),
    }


def _rounded(interval: Any) -> dict[str, Any]:
    return {
        "score": round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "interval": interval.kind,
    }


def evaluate(collections: list[Collection], graph: Path, show_confusion: bool) -> dict[str, dict[str, Any]]:
    """Figures by corpus and system; prints the table on the way."""
    baselines = [Baseline(name) for name in BASELINES]
    figures: dict[str, dict[str, Any]] = {}
    for collection in collections:
        truth = Truth.of(collection)
        sealed = collection.split == "all"
        systems = network_decisions(collection, graph)
        systems |= {baseline.name: baseline.decide(collection) for baseline in baselines}
        systems["chance"] = chance(truth)
        measure = "4-class UAR, restricted (plain)" if sealed else "macro-F1 (UAR; macro-F1 among its labels)"
        silent = int((~systems["ensemble"].found).sum())
        who = f"{len(truth.labels)} clips, {len(set(truth.speakers.tolist()))} speakers, {silent} without speech"
        print(f"\n{collection.corpus}: {who}; {measure}")
        figures[collection.corpus] = {}
        for name, decisions in systems.items():
            found = scores_of(decisions, truth, sealed)
            figures[collection.corpus][name] = found
            beside = found["plain_uar"] if sealed else f"{found['uar']:.3f}; {found['macro_f1_among_its_labels']:.3f}"
            mark = "t" if found["interval"] == "t" else " "
            print(f"  {name:22s} {found['score']:.3f} [{found['low']:.3f}, {found['high']:.3f}]{mark} ({beside})")
        if show_confusion:
            print_confusion(truth, systems["ensemble"])
    return figures


def print_confusion(truth: Truth, decisions: Decisions | EmittedDecisions) -> None:
    """Rows are the truth; the last column counts clips without speech."""
    table = confusion(truth.labels, decisions.labels(), len(LABELS))
    print("  " + " ".join(f"{label[:7]:>8s}" for label in ("", *LABELS, "none")))
    for label, row in zip(LABELS, table, strict=True):
        if row.sum():
            print(f"  {label[:7]:>8s} " + " ".join(f"{count:8d}" for count in row))


def agreed_measure(figures: dict[str, dict[str, Any]], system: str) -> dict[str, float]:
    """Design 7: the mean of the mean over the training corpora and the mean over the sealed ones."""
    means = {}
    for name, corpora in (("in_corpus", TRAINING_CORPORA), ("sealed", EVALUATION_CORPORA)):
        values = [figures[corpus][system]["score"] for corpus in corpora if corpus in figures]
        if len(values) == len(corpora):
            means[name] = round(float(np.mean(values)), 4)
    if len(means) == 2:
        means["agreed"] = round((means["in_corpus"] + means["sealed"]) / 2, 4)
    return means


def record_look(figures: dict[str, dict[str, Any]], graph: Path) -> None:
    """Append this look at the sealed corpora to the log."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=LOOKS.parent.parent, check=False
    )
    sealed = {
        corpus: {name: found["score"] for name, found in figures[corpus].items()}
        for corpus in figures
        if corpus in EVALUATION_CORPORA
    }
    line = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip() or "none yet",
        "fusion": hashlib.sha256(graph.read_bytes()).hexdigest()[:12],
        "figures": sealed,
    }
    LOOKS.parent.mkdir(exist_ok=True)
    with LOOKS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def prepare(collections: list[Collection], kinds: list[str]) -> None:
    """Make the features that are missing; no figures come of it."""
    for kind in (kind for kind in kinds if kind in GRAPHS):
        missing = [entry for entry in collections if not (folder_of(entry, kind) / "records.npz").exists()]
        features = load_features(kind) if missing else None
        for entry in missing:
            assert features is not None
            build(entry, kind, features)
    if "egemaps" in kinds:
        for entry in [*(Collection(corpus, "train") for corpus in TRAINING_CORPORA), *collections]:
            egemaps(entry)


KINDS = (*GRAPHS, "egemaps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--graph", type=Path, default=PACK / "fusion.onnx")
    parser.add_argument("--corpora", nargs="+", choices=(*TRAINING_CORPORA, *EVALUATION_CORPORA), metavar="CORPUS")
    parser.add_argument("--unsealed", action="store_true", help="leave the sealed corpora closed")
    parser.add_argument("--confusion", action="store_true", help="also print the ensemble's confusion on each corpus")
    parser.add_argument("--prepare", nargs="+", choices=KINDS, help="only make these features; opens nothing and is not logged")


def run(args: argparse.Namespace) -> int:
    names = args.corpora or (*TRAINING_CORPORA, *(() if args.unsealed else EVALUATION_CORPORA))
    collections = [Collection(name, "test") if name in TRAINING_CORPORA else sealed_collection(name) for name in names]
    prepare(collections, args.prepare or list(KINDS))
    if args.prepare:
        return 0
    figures = evaluate(collections, args.graph, args.confusion)
    systems = list(figures[names[0]])
    measures = {system: agreed_measure(figures, system) for system in systems}
    print("\nmean over the training corpora, mean over the sealed corpora, the agreed measure (mean of both)")
    for system, means in measures.items():
        print(f"  {system:22s} " + " ".join(f"{name} {value:.3f}" for name, value in means.items()))
    if any(name in EVALUATION_CORPORA for name in names):
        record_look(figures, args.graph)
    print(json.dumps({"figures": figures, "means": measures}))
    return 0
