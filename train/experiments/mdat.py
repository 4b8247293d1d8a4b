"""MDAT's own settings: graph layers, heads, masks, the paper's code; and concatenation with as many parameters."""

from __future__ import annotations

import functools
from typing import Any

from train.experiments import grids
from train.experiments.cells import Cell
from train.systems.system import Widths

TITLE = "MDAT: graph layers, heads, masks; and concatenation with as many parameters"
REFERENCE = "1 layer, 4 heads, masked"
DATA = grids.DATA_LINE + (
    " As the paper's code has it: one layer, one head, co-attention not scaled, no masks, no ages. What is unmasked is scored in "
    "batches of 64, padding included. The wider concatenation has the parameters of the reference, within 5 %."
)
KEYS = LAYERS, HEADS, MASKED = "fusion.graph_layers", "fusion.graph_heads", "fusion.masked"
COLUMNS = ("fusion.kind", *KEYS)
SCORES, RECIPE, run = grids.SCORES, grids.RECIPE, grids.run
WIDTHS = Widths(audio=512, text=384)  # Whisper base and MiniLM
PAPER = {LAYERS: 1, HEADS: 1, MASKED: False, "fusion.scaled": False, "fusion.age": False}


@functools.cache
def matched_width() -> int:
    """The width of a concatenation that learns as many numbers as the reference."""
    wanted = grids.parameters_of({"fusion.kind": "mdat", LAYERS: 1, HEADS: 4, MASKED: True}, WIDTHS)
    return grids.width_with(wanted, {"fusion.kind": "concatenation"}, WIDTHS)


def cells(seeds: list[int]) -> list[Cell]:
    """The reference and its rival first, so that a short budget answers the main question."""
    grid: dict[str, dict[str, Any]] = {
        f"{layers} layer{'s' * (layers > 1)}, {heads} head{'s' * (heads > 1)}, {'masked' if masked else 'unmasked'}": {
            "fusion.kind": "mdat",
            LAYERS: layers,
            HEADS: heads,
            MASKED: masked,
        }
        for masked in (True, False)
        for layers in (1, 2, 3)
        for heads in (1, 4, 8)
    }
    rows: dict[str, dict[str, Any]] = {
        REFERENCE: grid[REFERENCE],
        "concatenation, as wide as the base": {"fusion.kind": "concatenation"},
        "concatenation, as many parameters": {"fusion.kind": "concatenation", "fusion.width": matched_width()},
        "no graph attention": {**grid[REFERENCE], LAYERS: 0},
        "as the paper's code": {"fusion.kind": "mdat", **PAPER},
        **{
            f"{layers} layer{'s' * (layers > 1)}, 4 heads, masked, residual": {
                **grid[REFERENCE],
                LAYERS: layers,
                "fusion.graph_residual": True,
            }
            for layers in (1, 2, 3)
        },
        **grid,
        "1 layer, 4 heads, masked, GATv2": {**grid[REFERENCE], "fusion.graph_attention": "gatv2"},
    }
    return [Cell(name, seed, settings) for name, settings in rows.items() for seed in seeds]
