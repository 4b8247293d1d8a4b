"""The fusions once at the paper's widths and rate, on one corpus: whether the order at small size holds."""

from __future__ import annotations

import functools
from typing import Any

from train.experiments import grids
from train.experiments.cells import Cell

BASE = "full/base"
TITLE = "Full size: the paper's widths, 50 Hz and recipe, on RAVDESS"
DATA = (
    "ravdess alone, 4 test speakers; quantised F0, SwiGLU, SeqAug, batch 8 and learning rates as in the paper, unmasked as its "
    "code is, half of its epochs, one seed (`train/systems/configs/full/base.toml`): Whisper base and MiniLM in place of the "
    "paper's encoders. MDAT and HCAM were the best two of `fusion`; ours is MDAT with masks, ages, scaled co-attention and "
    "residual connections."
)
REFERENCE = "concatenation"
COLUMNS = ("fusion.kind",)
SCORES, RECIPE = grids.SCORES, grids.RECIPE
run = functools.partial(grids.run, base=BASE)
EPOCHS = 10
OURS = {"fusion.masked": True, "fusion.age": True, "fusion.scaled": True, "fusion.graph_residual": True}


def cells(seeds: list[int]) -> list[Cell]:
    """Each once, with the first seed; the cheap one first."""
    rows: dict[str, dict[str, Any]] = {
        "concatenation": {"fusion.kind": "concatenation"},
        "mdat, as the paper's code": {"fusion.kind": "mdat"},
        "mdat, ours": {"fusion.kind": "mdat", **OURS},
        "hcam": {"fusion.kind": "hcam"},
    }
    return [Cell(name, seeds[0], {**settings, "training.epochs": EPOCHS}) for name, settings in rows.items()]
