"""Which layers of Whisper base hear emotion: each alone, every pair, and a learned mix of all.

A layer is a vector of means and deviations over a clip; the classifier is logistic regression, the same for all. The mix is a
softmax over the layers, learned with a linear classifier; its deviation is the mix of the layers' deviations.
"""

from __future__ import annotations

import time
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from train.corpora import LABELS
from train.experiments.cells import MACRO_F1, UAR, Cell, Outcome, Tables, outcome_of, scores_of
from train.experiments.pooled import Pooled, logistic, pooled_layers
from train.experiments.report import Row, whiskers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Layers of Whisper base: each, every pair, and a learned mix"
DATA = (
    "Means and deviations of frozen layers over trimmed clips of ravdess, nemo, banglaser and indian_emospeech, learned jointly; "
    "speakers of test are unseen. The last layer is what the paper uses; which layers to take is for `validation` to say. Logistic "
    "regression has no seed; the mix is compared by its first."
)
ENCODER, DEPTH = "whisper-base", 6
REFERENCE = "last (6)"
COLUMNS = ("classifier",)
VALIDATION = "validation"
SCORES = (MACRO_F1, UAR, VALIDATION)
EPOCHS, BATCH, RATE, DECAY = 60, 64, 1e-3, 0.05


def name_of(layers: tuple[int, ...]) -> str:
    """Layers as people count them, from 1."""
    if layers == (DEPTH - 1,):
        return REFERENCE
    return " + ".join(str(layer + 1) for layer in layers)


def cells(seeds: list[int]) -> list[Cell]:
    """Logistic regression has no seed, so its cells have the first one only; the mix has all."""
    chosen = [*((layer,) for layer in range(DEPTH)), *combinations(range(DEPTH), 2)]
    fixed = [Cell(name_of(layers), seeds[0], {"layers": list(layers), "classifier": "logistic"}) for layers in chosen]
    mixed = [Cell("learned mix of 6", seed, {"layers": list(range(DEPTH)), "classifier": "mix"}) for seed in seeds]
    return fixed + mixed


def run(cell: Cell) -> Outcome:
    """Learn on the training speakers, score on the test speakers."""
    train, validation, test = (pooled_layers(ENCODER, split) for split in ("train", "validation", "test"))
    began = time.monotonic()
    if cell.settings["classifier"] == "mix":
        head = fit_mix(train, validation, cell.seed)
        heard = {split: head.decide(part) for split, part in (("validation", validation), ("test", test))}
        parameters = sum(value.numel() for value in head.parameters())
        print(f"mix of layers, seed {cell.seed}: {[round(share, 3) for share in head.shares().tolist()]}")
    else:
        layers = list(cell.settings["layers"])
        model = logistic(train.flat(layers), train.truth.labels)
        heard = {split: model.predict(part.flat(layers)) for split, part in (("validation", validation), ("test", test))}
        parameters = (train.flat(layers).shape[1] + 1) * len(LABELS)
    return with_validation(
        cell, test.truth.tables(heard["test"]), validation.truth.tables(heard["validation"]), parameters, time.monotonic() - began
    )


def with_validation(cell: Cell, test: Tables, validation: Tables, parameters: int, seconds: float) -> Outcome:
    """An outcome on test with the macro-F1 of validation, by which rows are chosen, beside it."""
    found = outcome_of(cell, {MACRO_F1: test}, parameters, seconds)
    found.scores[VALIDATION] = scores_of(validation)[MACRO_F1]
    return found


class Mix(nn.Module):
    """Standardised layers, mixed by a softmax, then a linear classifier."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(features.mean(0)))
        self.register_buffer("deviation", torch.from_numpy(features.std(0) + 1e-6))
        self.weights = nn.Parameter(torch.zeros(features.shape[1]))
        self.classify = nn.Linear(features.shape[2], len(LABELS))
        nn.init.zeros_(self.classify.weight)

    def shares(self) -> Tensor:
        """float32 [layers], the share of each."""
        return self.weights.softmax(0).detach()

    def forward(self, features: Tensor) -> Tensor:
        """float32 [B, layers, width] -> logits float32 [B, 7]."""
        mixed = torch.einsum("l,blw->bw", self.weights.softmax(0), (features - self.mean) / self.deviation)
        return self.classify(mixed)

    @torch.no_grad()
    def decide(self, part: Pooled) -> np.ndarray:
        """int64 [n]."""
        return np.concatenate([self(rows).argmax(1).numpy() for rows in torch.from_numpy(part.features).split(1024)])


def fit_mix(train: Pooled, validation: Pooled, seed: int) -> Mix:
    """The epoch that is best on validation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = Mix(train.features)
    labels = torch.from_numpy(train.truth.labels)
    counts = torch.bincount(labels, minlength=len(LABELS)).float()
    loss = nn.CrossEntropyLoss(len(labels) / (len(LABELS) * counts))
    groups: list[dict[str, Any]] = [
        {"params": [head.weights], "weight_decay": 0.0, "lr": 10 * RATE},
        {"params": list(head.classify.parameters())},
    ]
    optimiser = torch.optim.AdamW(groups, RATE, weight_decay=DECAY)
    features = torch.from_numpy(train.features)
    best, kept = -1.0, head.state_dict()
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(labels)), len(labels) // BATCH):
            optimiser.zero_grad()
            loss(head(features[rows]), labels[rows]).backward()
            optimiser.step()
        score = scores_of(validation.truth.tables(head.decide(validation)))[MACRO_F1]
        if score > best:
            best, kept = score, {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(kept)
    return head


def draw(axes: Axes, rows: list[Row]) -> None:
    """Single layers joined by a line, the best pair of each layer, and the mix."""
    found = {row.name: row for row in rows if row.scores}
    single = [layer for layer in range(DEPTH) if name_of((layer,)) in found]
    whiskers(
        axes, [layer + 1 for layer in single], [found[name_of((layer,))].scores[MACRO_F1] for layer in single], label="one layer"
    )
    pairs: dict[int, Row] = {}
    for low, high in combinations(range(DEPTH), 2):
        row = found.get(name_of((low, high)))
        if row is not None and (high not in pairs or row.scores[VALIDATION].value > pairs[high].scores[VALIDATION].value):
            pairs[high] = row
    whiskers(
        axes, [high + 1.1 for high in pairs], [row.scores[MACRO_F1] for row in pairs.values()], label="with its best lower partner"
    )
    for row in rows[-1:]:
        if row.scores:
            axes.axhline(row.scores[MACRO_F1].value, color="grey", linestyle=":", label=row.name)
    axes.set(xlabel="layer (6 is the last)", ylabel=MACRO_F1)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
