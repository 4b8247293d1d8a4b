"""`python -m train folds`: copies of the recipe on RAVDESS's eight classes, each without the actors of one EmoBox fold.

A copy is the tuned blocks and the regression on top of them, taught with the other corpora as the pack is; no history, no MDAT.
A clip is heard whole, trimmed to its speech, up to 6 s. Every fold and seed is saved as soon as it is done, and a run goes on
where the last one ended.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.corpora import LABELS, TRAINING_CORPORA, clips_of
from train.fusion.data import CORPUS_SHARES
from train.fusion.regression import solved, weights_of
from train.metrics import UNDECIDED, interval_over_speakers, macro_f1, uar
from train.tuning.network import CLAMP, Tuned
from train.tuning.train import STEPS, Material, base_of, checkpoint_file, spoken, statistics_of_clips, targets, tuned_blocks
from train.tuning.views import View

EIGHT = (*LABELS, "calm")
FOLDS = range(1, 7)
LEAST_SPREAD = 0.01
PENALTY = 0.25  # of the regression (decision 94)
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
    before = read(args.output)
    if before["folds"] and before["steps"] != args.steps:
        raise SystemExit(f"{args.output} has folds of {before['steps']} steps: give --steps {before['steps']}, or another -o")
    for seed in args.seed:
        for fold in args.folds:
            if str(seed) in read(args.output)["folds"].get(str(fold), {}):
                continue
            name = f"ravdess-fold{fold}"
            material = Material.of([name, *(corpus for corpus in TRAINING_CORPORA if corpus != "ravdess")], EIGHT)
            log = checkpoint_file(f"fold{fold}-{seed}").with_suffix(".jsonl")
            log.parent.mkdir(parents=True, exist_ok=True)
            found = score(copy_of(material, seed, args.steps, log), name)
            told = read(args.output)
            told["folds"].setdefault(str(fold), {})[str(seed)] = found
            write(args.output, told | {"steps": args.steps})
            print(f"fold {fold} seed {seed}: {json.dumps(found)}", flush=True)
    print(json.dumps(read(args.output)))
    return 0


def copy_of(material: Material, seed: int, steps: int, log: Path) -> Regressed:
    """The tuned blocks and the regression on top of them."""
    blocks = tuned_blocks(material, seed, steps, np.random.default_rng(seed), log)
    found = {corpus: taught(blocks, material, corpus) for corpus in material.views}
    shares = {corpus: CORPUS_SHARES.get(base_of(corpus), 1.0) for corpus in found}
    usual = np.mean([entry.statistics.mean(0) for entry in found.values()], 0)
    spread = np.mean([entry.statistics.std(0) for entry in found.values()], 0) + LEAST_SPREAD
    rows = np.concatenate([entry.statistics for entry in found.values()])
    labels = torch.from_numpy(np.concatenate([entry.labels for entry in found.values()]))
    among = torch.from_numpy(np.concatenate([np.tile(material.among[name], (len(found[name].labels), 1)) for name in found]))
    weights = np.concatenate([entry.weights * shares[corpus] / sum(shares.values()) for corpus, entry in found.items()])
    standard = torch.from_numpy(standardised(rows, usual, spread))
    linear, offset, _ = solved(standard, targets(labels, among), among, torch.from_numpy(weights.astype(np.float32)), PENALTY)
    return Regressed(blocks, usual, spread, linear.numpy(), offset.numpy())


@dataclass(frozen=True)
class Regressed:
    """A copy. usual, spread: float32 [STATISTICS]; linear: float32 [labels, STATISTICS]; offset: float32 [labels]."""

    blocks: Tuned
    usual: np.ndarray
    spread: np.ndarray
    linear: np.ndarray
    offset: np.ndarray

    def logits(self, view: View, clips: np.ndarray) -> np.ndarray:
        """float32 [clips, labels]."""
        rows = standardised(statistics_of_clips(self.blocks, view, clips), self.usual, self.spread)
        return np.asarray(rows @ self.linear.T + self.offset)


@dataclass(frozen=True)
class Taught:
    """Training clips of a corpus: float32 [clips, STATISTICS], int64 [clips], float64 [clips] whose sum is 1."""

    statistics: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def taught(blocks: Tuned, material: Material, corpus: str) -> Taught:
    """Those of view 0: the channels of the others cost a regression more than they give (decision 89)."""
    view, clips, labels = spoken(corpus, "train", material.labels)
    return Taught(statistics_of_clips(blocks, view, clips), labels, weights_of(labels, view.speakers[clips]))


def standardised(statistics: np.ndarray, usual: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.asarray(((statistics - usual) / spread).clip(-CLAMP, CLAMP), np.float32)


def score(copy: Regressed, fold: str) -> dict[str, float]:
    """Macro-F1 and UAR of the clips of a fold's test actors by argmax; with an interval over the actors. A clip without speech is
    wrong."""
    view, clips, _ = spoken(fold, "test", EIGHT)
    answers = dict(zip(view.names[clips].tolist(), copy.logits(view, clips).argmax(1).tolist(), strict=True))
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
