"""What F0 adds to MDAT: nothing, raw through a 1-D CNN, quantised."""

from __future__ import annotations

from train.experiments import grids
from train.experiments.cells import Cell

TITLE = "Prosody: without F0, raw F0, quantised F0"
DATA = grids.DATA_LINE
REFERENCE = "none"
COLUMNS = ("features.prosody",)
SCORES, RECIPE, run = grids.SCORES, grids.RECIPE, grids.run


def cells(seeds: list[int]) -> list[Cell]:
    return [Cell(kind, seed, {"features.prosody": kind}) for kind in ("none", "raw", "quantised") for seed in seeds]
