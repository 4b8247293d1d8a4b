"""`python -m train evaluate`: the shipped ensemble and what it is measured against, on speakers that nobody trained on.

Every clip is a fresh stream. The four training corpora give macro-F1 over their labels with an argmax over all seven; the
sealed corpora a 4-class UAR with the argmax over those four. Whoever looks at a sealed corpus is recorded in
docs/sealed_looks.jsonl. With --manifest it is a user's own test speakers instead, and the baselines learn from their training
speakers. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from streamser.packs.resolve import find_pack
from train import own_data
from train.baselines import BASELINES, whole_clips
from train.baselines import KINDS as BASELINE_KINDS
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA, read_manifest
from train.features import GRAPHS, PACK, Collection, build, folder_of, load_features, sealed_collection
from train.fusion.decide import Decisions, EmittedDecisions
from train.metrics import confusion
from train.report.context import Context
from train.report.systems import ENSEMBLE, Rival, network_decisions
from train.scores import Truth, agreed_measure, chance, record_look, scores_of, told_of


def evaluate(collections: list[Collection], graph: Path, show_confusion: bool) -> dict[str, dict[str, Any]]:
    """Figures by corpus and system; prints the table on the way."""
    training = training_of(collections)
    taught = {clip.label for entry in training for clip in entry.clips()}
    rivals = [Rival(name, training) for name in BASELINES] if len(taught) > 1 else []
    context = Context(graph)
    figures: dict[str, dict[str, Any]] = {}
    for collection in collections:
        truth = Truth.of(collection)
        sealed = collection.split == "all"
        systems = network_decisions(context, collection)
        systems |= {rival.name: rival.decide(collection) for rival in rivals}
        systems["chance"] = chance(truth, len(collection.labels))
        measure = "4-class UAR, restricted (plain)" if sealed else "macro-F1 (UAR with its interval; macro-F1 among its labels)"
        silent = int((~systems[ENSEMBLE].found).sum())
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
            print_confusion(truth, systems[ENSEMBLE], collection.labels)
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


def prepare(collections: list[Collection], kinds: list[str]) -> None:
    """Make the features that are missing; no figures come of it."""
    for kind in (kind for kind in kinds if kind in GRAPHS):
        missing = [entry for entry in collections if not (folder_of(entry, kind) / "records.npz").exists()]
        features = load_features(kind) if missing else None
        for entry in missing:
            assert features is not None
            build(entry, [kind], features)
    for kind in (kind for kind in kinds if kind in BASELINE_KINDS):
        for entry in [*training_of(collections), *collections]:
            whole_clips(entry, kind)


KINDS = (*GRAPHS, *BASELINE_KINDS)


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
