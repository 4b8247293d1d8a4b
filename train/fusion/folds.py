"""`python -m train folds`: copies of a member's recipe on RAVDESS's eight classes, each without the actors of one EmoBox fold.

The other corpora take part as they do in the recipe. Words do not: nothing at hand is said calmly. Every fold and seed is
saved as soon as it is done, and a run goes on where the last one ended.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.collection import MEETINGS, OTHER_PASSES, Collection, training_collections
from train.corpora import LABELS, TRAINING_CORPORA
from train.fusion.data import TrainingSet
from train.fusion.decide import decide
from train.fusion.inputs import Inputs, load_inputs
from train.fusion.train import CONFIGURATIONS, EPOCH, kinds_of, load_member, step_logits, train_member
from train.metrics import interval_over_speakers, macro_f1, uar

EIGHT = (*LABELS, "calm")
FOLDS = range(1, 7)
RESULT = Path(__file__).resolve().parent.parent.parent / "docs" / "results" / "folds.json"


def parts_of(fold: int, kinds: tuple[str, ...]) -> tuple[list[Inputs], list[Inputs], Inputs]:
    """What trains, what chooses the epoch (the fold's validation actors), and the fold's test actors."""
    name = f"ravdess-fold{fold}"
    corpora = [name, *(corpus for corpus in TRAINING_CORPORA if corpus != "ravdess")]
    wanted = [entry for corpus in corpora for entry in training_collections(corpus, ["train"], EIGHT)]
    # The other corpora's caches go by the seven labels; in them nothing is calm.
    seven = [entry if entry.corpus == name else replace(entry, labels=LABELS) for entry in wanted]
    seven += [Collection(MEETINGS, "train", number) for number in OTHER_PASSES]
    training = [with_labels(load_inputs(entry, kinds), EIGHT) for entry in seven]
    validation, test = (load_inputs(Collection(name, split, 0, EIGHT), kinds) for split in ("validation", "test"))
    return training, [validation], test


def with_labels(part: Inputs, labels: tuple[str, ...]) -> Inputs:
    """The same rows among more labels, the first of which are their own: the numbers stay."""
    part.collection = replace(part.collection, labels=labels)
    return part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--configuration", choices=tuple(CONFIGURATIONS), default="mixed")
    parser.add_argument("--folds", type=int, nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    config = replace(CONFIGURATIONS[args.configuration], text=False, labels=EIGHT)
    for seed in args.seed:
        for fold in args.folds:
            if str(seed) in read(args.output)["folds"].get(str(fold), {}):
                continue
            training, validation, test = parts_of(fold, kinds_of(config))
            data = TrainingSet(training, None)
            path = train_member(f"fold{fold}-{args.configuration}-{seed}", config, data, validation, seed, args.epochs, True, EPOCH)
            found = score(load_member(path)[0], test)
            told = read(args.output)
            told["folds"].setdefault(str(fold), {})[str(seed)] = found
            write(args.output, told | {"configuration": args.configuration, "epochs": args.epochs})
            print(f"fold {fold} seed {seed}: {json.dumps(found)}", flush=True)
    print(json.dumps(read(args.output)))
    return 0


def score(member: Any, test: Inputs) -> dict[str, float]:
    """Macro-F1 and UAR of the fold's clips, each a fresh stream, by argmax; with an interval over its four actors."""
    logits = step_logits(member, test)
    decided = decide(logits - np.logaddexp.reduce(logits, 1)[:, None], test.heard, test.clip, len(test.clip_label)).labels()
    interval = interval_over_speakers(macro_f1, test.clip_label, decided, test.clip_speaker)
    recall = uar(test.clip_label, decided)
    return {name: round(value, 4) for name, value in (("macro_f1", interval.value), ("low", interval.low), ("uar", recall))}


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {"folds": {}}


def write(path: Path, told: dict[str, Any]) -> None:
    """With the mean over the folds of every seed that has all of them."""
    seeds = sorted({seed for found in told["folds"].values() for seed in found})
    whole = [seed for seed in seeds if all(seed in told["folds"].get(str(fold), {}) for fold in FOLDS)]
    told["by_seed"] = {
        seed: {
            name: round(float(np.mean([told["folds"][str(fold)][seed][name] for fold in FOLDS])), 4) for name in ("macro_f1", "uar")
        }
        for seed in whole
    }
    told["mean"] = round(float(np.mean([entry["macro_f1"] for entry in told["by_seed"].values()])), 4) if whole else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
