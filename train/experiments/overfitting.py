"""The paper's second open question: does fusion overfit? Score against the size of the training set, for two widths."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from train.experiments import grids
from train.experiments.cells import Cell, Outcome
from train.experiments.report import Row, whiskers
from train.systems.runs import LOG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Overfitting: fusion against training-set size and capacity"
GAP = "train minus validation"
DATA = grids.DATA_LINE + (
    " Every share of the training clips is learned for as many steps as the whole. `train minus validation` is macro-F1 in the "
    "last epoch, on training clips as they are learned (with dropout) and on validation. MDAT is compared with concatenation at "
    "the same share and width."
)
KIND, WIDTH, SHARE, STEPS = "fusion.kind", "fusion.width", "data.share", "training.batches"
COLUMNS = (KIND, WIDTH, SHARE)
SCORES, RECIPE = (*grids.SCORES, GAP), grids.RECIPE
KINDS, NARROW_WIDE, SHARES = ("concatenation", "mdat"), (32, 128), (0.1, 0.25, 0.5, 1.0)
EPOCH = 94  # batches: once through all the training clips


def name_of(kind: str, width: int, share: float) -> str:
    return f"{kind}, width {width}, {100 * share:g} %"


REFERENCE = {name_of("mdat", width, share): name_of("concatenation", width, share) for width in NARROW_WIDE for share in SHARES}


def cells(seeds: list[int]) -> list[Cell]:
    return [
        Cell(name_of(kind, width, share), seed, {KIND: kind, WIDTH: width, SHARE: share, STEPS: EPOCH})
        for width in NARROW_WIDE
        for kind in KINDS
        for share in SHARES
        for seed in seeds
    ]


def run(cell: Cell) -> Outcome:
    """As every grid, and how much better the system knows what it learned."""
    done = grids.trained(grids.config_of(cell.settings, cell.seed))
    last = json.loads((done.folder / LOG).read_text(encoding="utf-8").splitlines()[-1])
    found = grids.outcome_of_run(cell, done)
    return replace(found, scores={**found.scores, GAP: last["train"] - last["validation"]})


def draw(axes: Axes, rows: list[Row]) -> None:
    """A line a fusion and width over the share."""
    for width, line in zip(NARROW_WIDE, ("--", "-"), strict=True):
        for kind, colour in zip(KINDS, ("tab:orange", "tab:blue"), strict=True):
            found = [row for row in rows if row.settings[KIND] == kind and row.settings[WIDTH] == width and row.scores]
            if found:
                places = [100 * row.settings[SHARE] for row in found]
                style: dict[str, Any] = {"color": colour, "linestyle": line, "label": f"{kind}, width {width}"}
                whiskers(axes, places, [row.scores[grids.SOUND] for row in found], horizontal=False, **style)
    axes.set(xscale="log", xlabel="share of the training clips, %", ylabel=f"macro-F1, {grids.SOUND}")
    axes.set_xticks([100 * share for share in SHARES], [f"{100 * share:g}" for share in SHARES])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
