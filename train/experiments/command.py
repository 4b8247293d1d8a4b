"""`python -m train experiment NAME`: run the cells of one of the paper's comparisons and write what they found.

Finished cells are kept, so that a killed or too short run goes on where it was; the report is written anew each time.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import cast

from train.experiments.cells import Experiment, only_finished, run_cells
from train.experiments.report import write_report

NAMES = {
    "encoders": "train.experiments.encoders",
    "fusion": "train.experiments.fusion",
    "prosody": "train.experiments.prosody",
    "f0-bins": "train.experiments.f0_bins",
    "mdat": "train.experiments.mdat",
    "overfitting": "train.experiments.overfitting",
    "end-to-end": "train.experiments.end_to_end",
    "ensemble": "train.experiments.ensemble",
    "windows": "train.experiments.windows",
    "layers": "train.experiments.layers",
    "text": "train.experiments.text",
    "full-size": "train.experiments.full_size",
}


def open_experiment(name: str) -> Experiment:
    """The module of an experiment.

    Raises:
        SystemExit: no experiment has that name.
    """
    if name not in NAMES:
        raise SystemExit(f"no experiment {name!r}: choose from {', '.join(NAMES)}")
    return cast(Experiment, importlib.import_module(NAMES[name]))


def perform(name: str, experiment: Experiment, seeds: int, budget: float | None, report_only: bool, folder: Path) -> str:
    """Run an experiment's cells and write its report; returns the Markdown."""
    cells, recipe = experiment.cells(list(range(1, seeds + 1))), getattr(experiment, "RECIPE", 1)
    outcomes = only_finished(name, cells, recipe) if report_only else run_cells(name, cells, experiment.run, budget, recipe)
    return write_report(
        name,
        experiment.TITLE,
        outcomes,
        experiment.COLUMNS,
        getattr(experiment, "draw", None),
        folder,
        data=experiment.DATA,
        reference=experiment.REFERENCE,
        measures=getattr(experiment, "SCORES", ()),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("name", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="start no cell after that; the others are shown as not run")
    parser.add_argument("--seeds", type=int, default=3, help="default: 3")
    parser.add_argument("--report-only", action="store_true", help="write the report of what is finished; run nothing")
    parser.add_argument("--output", type=Path, default=Path("docs/results"), metavar="FOLDER", help="default: docs/results")


def run(args: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(1)
    if args.seeds < 1:
        raise SystemExit("--seeds takes a whole number from 1 on")
    if args.budget is not None and not args.budget >= 0:
        raise SystemExit("--budget takes minutes, from 0 on")
    experiment = open_experiment(args.name)
    print(perform(args.name, experiment, args.seeds, args.budget, args.report_only, args.output))
    return 0
