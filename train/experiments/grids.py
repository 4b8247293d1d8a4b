"""Experiments that are grids of systems: cells whose settings are changes to `configs/small/base.toml`, each one training.

A setting is named `table.key`. Trainings are kept by their configuration, so that experiments that share one train it once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import torch

from train.corpora import cache_root
from train.experiments.cells import MACRO_F1, UAR, Cell, Outcome, Tables, outcome_of, scores_of
from train.experiments.pooled import Truth
from train.systems.batches import Data
from train.systems.config import SystemConfig, changed, read_config
from train.systems.fit import fit
from train.systems.runs import METRICS, Run
from train.systems.scores import Predictions
from train.systems.system import System, Widths, parameter_count

BASE = "small/base"
SOUND, WORDS, VALIDATION = "sound", "words", "validation"
SCORES = (SOUND, f"{SOUND} {UAR}", WORDS, f"{WORDS} {UAR}", VALIDATION)
RECIPE = 1  # raise it when trainings are no longer comparable with older ones
RATES = "rates tried"  # a setting: learning rates, of which the best on validation with the first seed is taken
DATA_LINE = (
    "ravdess, nemo, banglaser and indian_emospeech, learned jointly at small size (`train/systems/configs/small/base.toml`); test "
    "speakers are unseen. `sound` hears no words; `words` adds a sentence to each clip that stands for its words (pseudo-pairs: "
    "the corpora's own sentences say nothing). Epochs, and learning rates, were chosen by `validation`."
)
DATA_READ = Data()  # shared by all cells


def config_of(settings: dict[str, Any], seed: int, base: str = BASE) -> SystemConfig:
    """The base with `table.key` settings changed."""
    tables: dict[str, dict[str, Any]] = {"training": {"seed": seed}}
    for name, value in settings.items():
        if name != RATES:
            table, _, key = name.partition(".")
            tables.setdefault(table, {})[key] = value
    return changed(read_config(base), tables, "an experiment's cell")


def trained(config: SystemConfig) -> Run:
    """The training of a configuration; a finished one is read, a broken-off one goes on."""
    described = json.dumps([RECIPE, {**config.as_dict(), "name": ""}], sort_keys=True)
    folder = cache_root() / "experiments" / "runs" / hashlib.sha256(described.encode()).hexdigest()[:16]
    return Run.load(folder) if (folder / METRICS).exists() else fit(config, folder, resume=True, data=DATA_READ)


def tables_of(found: Predictions) -> Tables:
    """The confusion of every speaker."""
    return Truth(found.labels, found.corpora, found.speakers).tables(found.decided())


def macro_f1(tables: Tables) -> float:
    """The mean over corpora."""
    return scores_of(tables)[MACRO_F1]


def validation_of(run: Run) -> float:
    """Macro-F1 on validation with all that the system takes, by which things are chosen."""
    return macro_f1(tables_of(run.predictions("validation")))


def chosen_rate(settings: dict[str, Any], first_seed: int, base: str = BASE) -> float:
    """Of the learning rates to try, the one that is best on validation with the first seed: the same effort for every row."""
    plain = {name: value for name, value in settings.items() if name != RATES}
    return float(
        max(
            settings[RATES],
            key=lambda rate: validation_of(trained(config_of({**plain, "training.learning_rate": rate}, first_seed, base))),
        )
    )


def run(cell: Cell, base: str = BASE, first_seed: int = 1) -> Outcome:
    """Train a cell's system and score it on test, with and without words."""
    settings = dict(cell.settings)
    if RATES in settings:
        settings["training.learning_rate"] = chosen_rate(settings, first_seed, base)
    return outcome_of_run(cell, trained(config_of(settings, cell.seed, base)))


def outcome_of_run(cell: Cell, done: Run) -> Outcome:
    """What a training gave."""
    by_speaker = {SOUND: tables_of(done.predictions("test", words=False))}
    if done.reads:
        by_speaker[WORDS] = tables_of(done.predictions("test"))
    found = outcome_of(cell, by_speaker, parameter_count(done.system()), float(done.metrics["seconds"]))
    return replace(found, scores={**found.scores, VALIDATION: validation_of(done)})


def parameters_of(settings: dict[str, Any], widths: Widths, base: str = BASE) -> int:
    """How many numbers a cell's system would learn; nothing is trained."""
    with torch.device("meta"):
        return parameter_count(System(config_of(settings, 1, base), widths, pretrained=False))


def width_with(parameters: int, settings: dict[str, Any], widths: Widths, base: str = BASE, step: int = 8) -> int:
    """The width of fusion, a multiple of `step`, with which a system has most nearly that many parameters."""

    def distance(width: int) -> int:
        return abs(parameters_of({**settings, "fusion.width": width}, widths, base) - parameters)

    return min(range(step, 1025, step), key=distance)
