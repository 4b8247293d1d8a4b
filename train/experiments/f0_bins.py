"""How finely F0 is quantised, and over which range."""

from __future__ import annotations

from train.experiments import grids
from train.experiments.cells import Cell

TITLE = "F0 bins: how many, and over which range"
RANGES = {"the paper's range": (50.0, 1100.0), "a range of speech": (65.0, 500.0)}
BINS = (64, 128, 256, 512)
REFERENCE = "256 bins, the paper's range"
DATA = grids.DATA_LINE
COLUMNS = ("features.f0_bins", "features.f0_low", "features.f0_high")
SCORES, RECIPE, run = grids.SCORES, grids.RECIPE, grids.run


def cells(seeds: list[int]) -> list[Cell]:
    return [
        Cell(
            f"{bins} bins, {name}",
            seed,
            {"features.prosody": "quantised", "features.f0_bins": bins, "features.f0_low": low, "features.f0_high": high},
        )
        for name, (low, high) in RANGES.items()
        for bins in BINS
        for seed in seeds
    ]
