"""`python -m train folds`: copies of the recipe on RAVDESS's eight classes, each without the actors of one EmoBox fold.

A copy is the tuned blocks and their head (`python -m train tune`), taught with the other corpora as the pack is; the members
that the pack has on top are not taught again for every fold. A clip is heard whole, trimmed to its speech, up to 6 s. Every
fold and seed is saved as soon as it is done, and a run goes on where the last one ended.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.corpora import LABELS, TRAINING_CORPORA, clips_of
from train.metrics import UNDECIDED, interval_over_speakers, macro_f1, uar
from train.tuning.network import Tuned
from train.tuning.train import STEPS, Material, checkpoint_file, logits_of, spoken, tune

EIGHT = (*LABELS, "calm")
FOLDS = range(1, 7)
RESULT = Path(__file__).resolve().parent.parent.parent / "docs" / "results" / "folds.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--folds", type=int, nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=STEPS, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    if args.steps < 1:
        raise SystemExit("--steps must be at least 1")
    for seed in args.seed:
        for fold in args.folds:
            if str(seed) in read(args.output)["folds"].get(str(fold), {}):
                continue
            name = f"ravdess-fold{fold}"
            material = Material.of([name, *(corpus for corpus in TRAINING_CORPORA if corpus != "ravdess")], EIGHT)
            log = checkpoint_file(f"fold{fold}-{seed}").with_suffix(".jsonl")
            log.parent.mkdir(parents=True, exist_ok=True)
            found = score(tune(material, seed, args.steps, log), name)
            told = read(args.output)
            told["folds"].setdefault(str(fold), {})[str(seed)] = found
            write(args.output, told | {"recipe": "tune", "steps": args.steps})
            print(f"fold {fold} seed {seed}: {json.dumps(found)}", flush=True)
    print(json.dumps(read(args.output)))
    return 0


def score(network: Tuned, fold: str) -> dict[str, float]:
    """Macro-F1 and UAR of the clips of a fold's test actors by argmax; with an interval over the actors. A clip without speech is
    wrong."""
    view, clips, _ = spoken(fold, "test", EIGHT)
    answers = dict(zip(view.names[clips].tolist(), logits_of(network, view, clips).argmax(1).tolist(), strict=True))
    asked = clips_of(fold, "test", EIGHT)
    truth = np.array([EIGHT.index(clip.label) for clip in asked])
    decided = np.array([answers.get(clip.path.name, UNDECIDED) for clip in asked])
    interval = interval_over_speakers(macro_f1, truth, decided, np.array([clip.speaker for clip in asked]))
    told = (("macro_f1", interval.value), ("low", interval.low), ("uar", uar(truth, decided)))
    return {name: round(value, 4) for name, value in told}


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
