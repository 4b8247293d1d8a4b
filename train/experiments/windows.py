"""How much speech must be heard, and does it help the fusion to know how long ago each node was?

One small MDAT on sound is taught beginnings of random length; tested on the same streams after 0.5 to 8 s of speech.
"""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from train.corpora import LABELS
from train.experiments.cells import MACRO_F1, UAR, Cell, Outcome, outcome_of, scores_of
from train.experiments.report import Row, whiskers
from train.experiments.streams import ENCODER, LAYERS, POOLED, PREFIXES, STREAMS, WINDOWS, Prefixes, prefixes_of
from train.systems.collate import padded
from train.systems.config import SystemConfig, changed, read_config
from train.systems.sampling import bucketed
from train.systems.system import System, Widths, parameter_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Score against seconds of speech heard, with and without the age of nodes"
DATA = (
    "Streams of one speaker and label, joined from trimmed clips of ravdess, nemo, banglaser and indian_emospeech (speakers and "
    f"labels that have 8 s). {PREFIXES} beginnings a corpus were learned from, of random length; {STREAMS['test']} test streams a "
    "corpus are the same at every length. Whisper base hears each beginning anew. `share` is the score divided by the one at 8 s. "
    "Each row is compared with the same length without age."
)
COLUMNS = ("seconds",)
SHARE = "share"
SCORES = (MACRO_F1, UAR, SHARE)
AGES = {"with age": True, "without age": False}
REFERENCE = {f"{seconds:g} s, {age}": f"{seconds:g} s, without age" for seconds in WINDOWS for age in AGES}
EPOCHS, BATCH, RATE, WEIGHT_DECAY = 15, 32, 1e-3, 1e-2
RATE_OF_NODES = 50 / POOLED


def cells(seeds: list[int]) -> list[Cell]:
    """One training a seed and age answers for all lengths."""
    return [
        Cell(f"{seconds:g} s, {age}", seed, {"seconds": seconds, "age": known})
        for age, known in AGES.items()
        for seconds in WINDOWS
        for seed in seeds
    ]


def config_of(age: bool) -> SystemConfig:
    """The small MDAT that hears sound alone."""
    heard = {"audio": ENCODER, "audio_layers": LAYERS, "rate": RATE_OF_NODES}
    settings = {
        "features": {**heard, "text": "", "prosody": "none", "spectral": "none"},
        "fusion": {"kind": "mdat", "masked": True, "age": age, "f0_crossed": False},
        "data": {"words": "none"},
    }
    return changed(read_config("small/base"), settings, "the experiment windows")


def run(cell: Cell) -> Outcome:
    """Score the trained fusion of a seed at one length."""
    test = prefixes_of("test")
    decided, parameters, seconds = _trained(bool(cell.settings["age"]), cell.seed)
    rows = test.seconds == np.float32(cell.settings["seconds"])
    longest = test.seconds == np.float32(WINDOWS[-1])
    found = outcome_of(cell, {MACRO_F1: test.of(rows).tables(decided[rows])}, parameters, seconds)
    whole = scores_of(test.of(longest).tables(decided[longest]))[MACRO_F1]
    return replace(found, scores={**found.scores, SHARE: found.scores[MACRO_F1] / whole})


@functools.lru_cache(maxsize=2)
def _trained(age: bool, seed: int) -> tuple[np.ndarray, int, float]:
    """(decisions about all test prefixes int64 [n], parameters, seconds of training)."""
    train, validation = prefixes_of("train"), prefixes_of("validation")
    began = time.monotonic()
    system = fit(config_of(age), train, validation, seed)
    seconds = time.monotonic() - began
    return decide(system, prefixes_of("test")), parameter_count(system), seconds


def fit(config: SystemConfig, train: Prefixes, validation: Prefixes, seed: int) -> System:
    """Weighted cross-entropy, AdamW, a cosine; the epoch that is best on validation over all lengths."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    system = System(config, Widths(audio=train.values.shape[-1]))
    values = torch.from_numpy(train.values.astype(np.float32))
    system.standardise(values.mean(0), values.std(0) + 1e-6)
    counts = np.bincount(train.truth.labels, minlength=len(LABELS))
    loss = nn.CrossEntropyLoss(torch.from_numpy((len(train) / (len(LABELS) * np.maximum(counts, 1))).astype(np.float32)))
    optimiser = torch.optim.AdamW(system.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    best, kept = -1.0, system.state_dict()
    for _ in range(EPOCHS):
        system.train()
        order = rng.permutation(len(train))
        for rows in bucketed(order, train.seconds[order], BATCH, rng):
            optimiser.zero_grad()
            loss(system(_batch(train, rows)), torch.from_numpy(train.truth.labels[rows])).backward()
            nn.utils.clip_grad_norm_(system.parameters(), 10.0)
            optimiser.step()
            schedule.step()
        score = scores_of(validation.truth.tables(decide(system, validation)))[MACRO_F1]
        if score > best:
            best, kept = score, {name: value.clone() for name, value in system.state_dict().items()}
    system.load_state_dict(kept)
    return system


@torch.no_grad()
def decide(system: System, prefixes: Prefixes) -> np.ndarray:
    """The label of every prefix, int64 [n]."""
    system.eval()
    order = np.argsort(np.diff(prefixes.offsets), kind="stable")
    decided = np.zeros(len(prefixes), np.int64)
    for rows in np.array_split(order, max(1, len(order) // 64)):
        decided[rows] = system(_batch(prefixes, rows)).argmax(1).numpy()
    return decided


def _batch(prefixes: Prefixes, rows: np.ndarray) -> dict[str, Tensor]:
    nodes = [{"audio": prefixes.nodes(int(row))} for row in rows]
    return padded(nodes, {"audio": prefixes.values[:0]}, {"audio": RATE_OF_NODES})


def draw(axes: Axes, rows: list[Row]) -> None:
    """A line with age and one without, over seconds."""
    for shift, (age, known) in zip((0.98, 1.02), AGES.items(), strict=True):
        of_age = [row for row in rows if row.settings["age"] == known and row.scores]
        places = [row.settings["seconds"] * shift for row in of_age]
        whiskers(axes, places, [row.scores[MACRO_F1] for row in of_age], label=age)
    axes.set(xscale="log", xlabel="seconds of speech heard", ylabel=MACRO_F1)
    axes.set_xticks(WINDOWS, [f"{seconds:g}" for seconds in WINDOWS])
    axes.minorticks_off()
    axes.legend()
    axes.grid(alpha=0.3)
