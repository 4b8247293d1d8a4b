"""How the modalities meet: the paper's four fusions, each with the same two learning rates tried."""

from __future__ import annotations

from train.experiments import grids
from train.experiments.cells import Cell

TITLE = "Fusion: concatenation, transformer, HCAM, MDAT"
DATA = grids.DATA_LINE + " Equal tuning: two learning rates for each, the better on the first seed's validation."
REFERENCE = "concatenation"
COLUMNS = ("fusion.kind",)
SCORES, RECIPE, run = grids.SCORES, grids.RECIPE, grids.run
KINDS = ("concatenation", "transformer", "hcam", "mdat")
TRIED = (1e-3, 3e-3)


def cells(seeds: list[int]) -> list[Cell]:
    return [Cell(kind, seed, {"fusion.kind": kind, grids.RATES: list(TRIED)}) for kind in KINDS for seed in seeds]
