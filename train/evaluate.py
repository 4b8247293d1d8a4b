"""`python -m train evaluate`: the shipped ensemble and what it is measured against, on speakers that nobody trained on.

Every clip is a fresh stream. The four training corpora give macro-F1 over their labels with an argmax over all seven; the
sealed corpora a 4-class UAR with the argmax over those four. Whoever looks at a sealed corpus is recorded in
docs/sealed_looks.jsonl. With --manifest it is a user's own test speakers instead, and the baselines learn from their training
speakers. The last line is JSON.
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

from streamser.packs.resolve import find_pack
from streamser.sessions import open_session
from train import own_data
from train.baselines import BASELINES, Baseline, egemaps
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA, read_manifest
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
        labels = [collection.labels.index(clip.label) for clip in clips]
        return cls(np.array(labels), np.array([clip.speaker for clip in clips]))


def network_decisions(collection: Collection, graph: Path) -> dict[str, Decisions | EmittedDecisions]:
    """The decisions of the ensemble, as argmax and as a stream emits them, and of each of its members about every clip."""
    inputs = load_inputs(collection)
    session = open_session(graph)
    outputs = np.concatenate([session.run(["log_probabilities"], batch)[0] for batch in in_order(inputs)], axis=1)
    clips = len(inputs.clip_label)
    threshold = float(told_of(graph)["utterance_uncertain_below"])
    found: dict[str, Decisions | EmittedDecisions] = {
        "ensemble": decide(ensemble_posteriors(outputs), inputs.heard, inputs.clip, clips),
        "uncertain is wrong": EmittedDecisions(outputs, inputs.heard, inputs.clip, clips, threshold),
    }
    for number, member in enumerate(outputs):
        found[f"member {number + 1}"] = decide(member, inputs.heard, inputs.clip, clips)
    return found


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
    recall = interval_over_speakers(uar, truth.labels, decided, truth.speakers)
    return {
        **_rounded(interval),
        "uar": round(recall.value, 4),
        "uar_low": round(recall.low, 4),
        "uar_high": round(recall.high, 4),
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
    training = training_of(collections)
    taught = {clip.label for entry in training for clip in entry.clips()}
    baselines = [Baseline(name, training) for name in BASELINES] if len(taught) > 1 else []
    figures: dict[str, dict[str, Any]] = {}
    for collection in collections:
        truth = Truth.of(collection)
        sealed = collection.split == "all"
        systems = network_decisions(collection, graph)
        systems |= {baseline.name: baseline.decide(collection) for baseline in baselines}
        systems["chance"] = chance(truth, len(collection.labels))
        measure = "4-class UAR, restricted (plain)" if sealed else "macro-F1 (UAR with its interval; macro-F1 among its labels)"
        silent = int((~systems["ensemble"].found).sum())
        who = f"{len(truth.labels)} clips, {len(set(truth.speakers.tolist()))} speakers, {silent} without speech"
        print(f"\n{collection.title}: {who}; {measure}")
        figures[collection.title] = {}
        for name, decisions in systems.items():
            found = scores_of(decisions, truth, sealed)
            figures[collection.title][name] = found
            beside = found["plain_uar"] if sealed else _beside(found)
            mark = "t" if found["interval"] == "t" else " "
            print(f"  {name:22s} {found['score']:.3f} [{found['low']:.3f}, {found['high']:.3f}]{mark} ({beside})")
        if show_confusion:
            print_confusion(truth, systems["ensemble"], collection.labels)
    return figures


def _beside(found: dict[str, Any]) -> str:
    interval = f"[{found['uar_low']:.3f}, {found['uar_high']:.3f}]"
    return f"{found['uar']:.3f} {interval}; {found['macro_f1_among_its_labels']:.3f}"


def training_of(collections: list[Collection]) -> list[Collection]:
    """What the baselines learn from: the training speakers of the manifests, if any, or of the corpora at hand."""
    manifests = [entry for entry in collections if own_data.is_manifest(entry.corpus)]
    if not manifests:
        return [Collection(corpus, "train") for corpus in TRAINING_CORPORA]
    training = [Collection(entry.corpus, "train", 0, entry.labels) for entry in manifests]
    return [entry for entry in training if own_data.speakers_of(read_manifest(Path(entry.corpus), None))["train"]]


def print_confusion(truth: Truth, decisions: Decisions | EmittedDecisions, labels: tuple[str, ...]) -> None:
    """Rows are the truth; the last column counts clips without speech."""
    table = confusion(truth.labels, decisions.labels(), len(labels))
    print("  " + " ".join(f"{label[:7]:>8s}" for label in ("", *labels, "none")))
    for label, row in zip(labels, table, strict=True):
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
        for entry in [*training_of(collections), *collections]:
            egemaps(entry)


KINDS = (*GRAPHS, "egemaps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--graph", type=Path, default=PACK / "fusion.onnx", help="a fusion graph (default: the default pack's)")
    which.add_argument("--pack", help="a pack's name or folder, instead of a graph")
    parser.add_argument("--manifest", nargs="+", default=[], metavar="CSV", help="your own data: its test speakers")
    parser.add_argument("--corpora", nargs="+", choices=(*TRAINING_CORPORA, *EVALUATION_CORPORA), metavar="CORPUS")
    parser.add_argument("--unsealed", action="store_true", help="leave the sealed corpora closed")
    parser.add_argument("--confusion", action="store_true", help="also print the ensemble's confusion on each corpus")
    parser.add_argument("--prepare", nargs="+", choices=KINDS, help="only make these features; opens nothing and is not logged")


def run(args: argparse.Namespace) -> int:
    graph = find_pack(args.pack).file("fusion") if args.pack else args.graph
    labels = tuple(told_of(graph)["labels"])
    if args.manifest:
        return evaluate_own(args, graph, labels)
    if labels != LABELS:
        raise SystemExit(f"{graph} tells apart {', '.join(labels)}: evaluate it on your own data, with --manifest")
    names = args.corpora or (*TRAINING_CORPORA, *(() if args.unsealed else EVALUATION_CORPORA))
    collections = [Collection(name, "test") if name in TRAINING_CORPORA else sealed_collection(name) for name in names]
    prepare(collections, args.prepare or list(KINDS))
    if args.prepare:
        return 0
    figures = evaluate(collections, graph, args.confusion)
    systems = list(figures[names[0]])
    measures = {system: agreed_measure(figures, system) for system in systems}
    print("\nmean over the training corpora, mean over the sealed corpora, the agreed measure (mean of both)")
    for system, means in measures.items():
        print(f"  {system:22s} " + " ".join(f"{name} {value:.3f}" for name, value in means.items()))
    if any(name in EVALUATION_CORPORA for name in names):
        record_look(figures, graph)
    print(json.dumps({"figures": figures, "means": measures}))
    return 0


def evaluate_own(args: argparse.Namespace, graph: Path, labels: tuple[str, ...]) -> int:
    """The figures of a user's own test speakers: those clips whose label the graph tells apart."""
    args.labels, args.corpora = labels, args.corpora or []
    material = own_data.material_of(args)
    own_data.check(material, ("test",))
    collections = [Collection(corpus, "test", 0, labels) for corpus in material.corpora]
    prepare(collections, args.prepare or list(KINDS))
    if not args.prepare:
        print(json.dumps({"figures": evaluate(collections, graph, args.confusion)}))
    return 0
