"""`end-to-end`, the paper's third open question: are encoders better when they learn along with the classifier?

CED and the last blocks of Whisper (tiny) fine-tuned against frozen, under one small head: a mean over time, one hidden layer.
Every cell has the same clips, steps, batches and head, and the same choice of learning rates: each is tried with the first seed
on clips as recorded, and the best on validation speakers is kept. So is the better of two looks at validation during a training.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from train.corpora import LABELS
from train.experiments.cells import MACRO_F1, Cell, Outcome, Tables, experiment_folder, outcome_of, scores_by_speaker, scores_of
from train.experiments.tuned_encoders import (
    CORPORA,
    NORMALISING_CLIPS,
    WHISPER,
    Frozen,
    Heard,
    Network,
    ced_pretrained,
    ced_random,
    forward,
    heard,
    means,
    means_of,
    whisper_top,
)

TITLE = "Encoders that learn along with the classifier, against frozen ones"
DATA = (
    f"Trained, chosen and tested on {' and '.join(CORPORA)} together (960 + 927, 240 + 198, 240 + 341 clips of different "
    "speakers), trimmed to their speech. CED is this project's streaming student of YAMNet and Whisper base, half as deep as "
    "CED tiny, since no published weights were at hand. **Its training had seen emotion labels of these very training "
    "speakers** (docs/decisions.md 25): its rows `frozen` and `all, pre-trained` do not start without labels, and what it "
    "knows by heart of the training speakers can mislead what learns from it; validation and test speakers it never heard. "
    "Parameters are those that were trained. Seconds are one core's, of one training at the chosen learning rate with its "
    "scoring; the layers under the part that learns were run once for all cells and are not counted. A row is compared with "
    "its encoder frozen, with effects with the same without: of each training clip two more views, each of speed, room, noise, "
    "telephone and gain on half of them."
)
COLUMNS = ("encoder", "learns", "waveform effects")
SCORES = (MACRO_F1, "UAR")
RECIPE = 1

STEPS, BATCH, LOOKS = 200, 16, 2
RATES = (3e-3, 1e-2)  # of the head
TAUGHT, UNTAUGHT = 0.03, 0.1  # of the head's rate, for an encoder's weights that had been taught, and random ones
WARM_UP = 0.1  # of the steps; then a half cosine to nothing
HIDDEN, DROPOUT, WEIGHT_DECAY = 128, 0.3, 0.01
EFFECT_VIEWS = 2  # of every training clip, beside the clip as recorded
FIRST_SEED = 1

SYSTEMS = {
    "whisper, frozen": {"encoder": WHISPER, "learns": "head"},
    "whisper, frozen, layer 2": {"encoder": f"{WHISPER}, layer 2 of 4", "learns": "head"},
    "whisper, last block": {"encoder": WHISPER, "learns": "head, last block"},
    "whisper, last two blocks": {"encoder": WHISPER, "learns": "head, last two blocks"},
    "CED, frozen": {"encoder": "CED, pre-trained", "learns": "head"},
    "CED, all, random": {"encoder": "CED, random", "learns": "all"},
    "CED, all, pre-trained": {"encoder": "CED, pre-trained", "learns": "all"},
}
WITH_EFFECTS = ("whisper, frozen", "whisper, last two blocks")
REFERENCE = {name: f"{name.split(',')[0]}, frozen" for name in SYSTEMS} | {f"{name}, effects": name for name in WITH_EFFECTS}


class Head(nn.Module):
    """Standardised means of an encoder -> one hidden layer -> logits."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, len(LABELS)))

    def standardise(self, means: Tensor) -> None:
        """Centre and scale by what the encoder says of training clips before it learns: float [n, width]."""
        self.mean.copy_(means.mean(0))
        self.deviation.copy_(means.std(0) + 1e-4)

    def forward(self, means: Tensor) -> Tensor:
        """float [B, width] -> logits [B, labels]."""
        logits: Tensor = self.layers((means - self.mean) / self.deviation)
        return logits


@dataclass(frozen=True)
class Attempt:
    """One training: macro-F1 on validation, the test speakers' counts, the parameters trained, seconds of one core."""

    validation: float
    test: Tables
    parameters: int
    seconds: float


def cells(seeds: list[int]) -> list[Cell]:
    """Every system on clips as recorded, and some with effects on the waveform of their training clips."""
    return [
        Cell(f"{name}, effects" if effects else name, seed, {**settings, "waveform effects": effects})
        for effects in (False, True)
        for name, settings in SYSTEMS.items()
        for seed in seeds
        if not effects or name in WITH_EFFECTS
    ]


def run(cell: Cell) -> Outcome:
    """Train and score one cell, at the learning rate that its system preferred with the first seed, on clips as recorded."""
    name, effects = cell.name.removesuffix(", effects"), bool(cell.settings["waveform effects"])
    rate, tried = chosen(name)
    first = tried if cell.seed == FIRST_SEED and not effects else None
    done = first or attempt(name, effects, rate, cell.seed)
    print(f"  {cell.name}, seed {cell.seed}: rate {rate:g}, macro-F1 on validation {done.validation:.3f}", flush=True)
    return outcome_of(cell, {MACRO_F1: done.test}, done.parameters, done.seconds)


@cache
def chosen(name: str) -> tuple[float, Attempt | None]:
    """The learning rate that is best on validation with the first seed, and what it gave; None where an earlier run chose it."""
    kept = experiment_folder("end-to-end") / f"rate of {name}-{RECIPE}.json"
    if kept.exists():
        return float(json.loads(kept.read_text())["rate"]), None
    attempts = {rate: attempt(name, False, rate, FIRST_SEED) for rate in RATES}
    validation = {f"{rate:g}": round(tried.validation, 3) for rate, tried in attempts.items()}
    print(f"  {name}: macro-F1 on validation by rate: {validation}", flush=True)
    best = max(attempts, key=lambda rate: attempts[rate].validation)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"rate": best, "validation": validation}))
    return best, attempts[best]


def attempt(name: str, effects: bool, rate: float, seed: int) -> Attempt:
    """One training of a system and its scores."""
    material = {split: material_of(name, split) for split in ("train", "validation", "test")}
    torch.manual_seed(seed)  # after the material, which may have loaded an encoder
    network = network_of(name)
    began = time.process_time()
    head, validation = fit(network, material["train"], material["validation"], rate, "random" in name, effects, seed)
    tables = tables_of(network, head, material["test"])
    trained = sum(weights.numel() for weights in [*network.parameters(), *head.parameters()] if weights.requires_grad)
    return Attempt(validation, tables, trained, time.process_time() - began)


def network_of(name: str) -> Network:
    """A fresh network of a system."""
    if "frozen" in name:
        return Frozen(material_of(name, "validation").clips[0][0].shape[1])
    if name == "CED, all, random":
        return ced_random(heard("ced", "train", 1).clips[0][:NORMALISING_CLIPS])
    return ced_pretrained() if name.startswith("CED") else whisper_top(2 if name.endswith("two blocks") else 1)


@cache
def material_of(name: str, split: str) -> Heard:
    """The clips as the part that learns meets them; of a frozen encoder, only their means."""
    front_end = "whisper" if name.startswith("whisper") else "ced"
    found = heard(front_end, split, 1 + EFFECT_VIEWS if split == "train" and name in WITH_EFFECTS else 1)
    if "frozen" not in name:
        return found
    if name.endswith("layer 2"):
        return means_of(None, found)
    return means_of(whisper_top(0) if front_end == "whisper" else ced_pretrained(), found)


def fit(
    network: Network, train: Heard, validation: Heard, rate: float, untaught: bool, effects: bool, seed: int
) -> tuple[Head, float]:
    """Train a network with a new head; both end as they were when validation was best.

    Args:
        untaught: the encoder's weights are random, so it learns faster.
        effects: clips are drawn from all views, else as recorded.

    Returns:
        The head, and macro-F1 on validation, the mean over corpora.
    """
    rng, head = np.random.default_rng(seed), Head(network.width)
    some = [train.clips[0][row] for row in rng.permutation(len(train.labels))[:NORMALISING_CLIPS]]
    head.standardise(means(network.train(), some))  # training mode: batch norms meet the clips
    tuned = [weights for weights in network.parameters() if weights.requires_grad]
    groups = [{"params": list(head.parameters()), "lr": rate}]
    if tuned:
        groups.append({"params": tuned, "lr": rate * (UNTAUGHT if untaught else TAUGHT)})
    optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate_factor)
    counts = np.bincount(train.labels, minlength=len(LABELS))
    weight = torch.from_numpy(len(train.labels) / (len(LABELS) * np.maximum(counts, 1))).float()
    best, state = -1.0, (network.state_dict(), head.state_dict())
    drawn = batches(np.array([len(clip) for clip in train.clips[0]]), rng)
    for step in range(1, STEPS + 1):
        rows = next(drawn)
        views = rng.integers(len(train.clips), size=len(rows)) if effects else np.zeros(len(rows), np.int64)
        clips = [train.clips[view][row] for view, row in zip(views, rows, strict=True)]
        logits = head.train()(forward(network.train(), clips))
        loss = cross_entropy(logits, torch.from_numpy(train.labels[rows]), weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*tuned, *head.parameters()], 1.0)
        optimiser.step()
        schedule.step()
        if step % (STEPS // LOOKS) == 0:
            score = scores_of(tables_of(network, head, validation))[MACRO_F1]
            if score > best:
                best, state = score, copy.deepcopy((network.state_dict(), head.state_dict()))
    network.load_state_dict(state[0])
    head.load_state_dict(state[1])
    return head, best


def rate_factor(step: int) -> float:
    """Of the greatest learning rate: a linear warm-up, then half a cosine to nothing."""
    warm_up = WARM_UP * STEPS
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / (STEPS - warm_up)))


def batches(lengths: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows int64 [BATCH] without end: each pass over the clips in a new order, with clips of like length together."""
    while True:
        pieces = np.array_split(rng.permutation(len(lengths)), max(1, len(lengths) // (8 * BATCH)))
        order = np.concatenate([piece[np.argsort(lengths[piece], kind="stable")] for piece in pieces])
        whole = order[: max(1, len(order) // BATCH) * BATCH].reshape(-1, min(BATCH, len(order)))
        yield from rng.permutation(whole)


def tables_of(network: Network, head: Head, split: Heard) -> Tables:
    """The confusion of every speaker of a split, clips as recorded."""
    with torch.no_grad():
        decided = head.eval()(means(network.eval(), split.clips[0])).argmax(1).numpy()
    tables: Tables = {}
    for corpus in np.unique(split.corpora):
        rows = split.corpora == corpus
        tables |= scores_by_speaker(split.labels[rows], decided[rows], split.speakers[rows], str(corpus))
    return tables
