"""The cells of an experiment: run in an order that a budget can cut, kept one by one, so that a killed experiment goes on."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from train.corpora import LABELS, cache_root
from train.metrics import confusion

Table = list[list[int]]  # [labels][labels + 1]: rows are the truth, columns the decision, the last one the undecided
Tables = dict[str, Table]  # by "corpus/speaker"
MACRO_F1, UAR = "macro-F1", "UAR"


@dataclass(frozen=True)
class Cell:
    """One training with one seed. name: of the row, the same for all its seeds. settings: plain values; the table shows them."""

    name: str
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a cell gave.

    scores: by measure, means over corpora, on test. by_speaker: by measure, the confusion of every test speaker, from which
    intervals are made (see `scores_by_speaker`); a measure without it has no interval. Only macro-F1 is redrawn. seconds: of
    training and scoring. real: False where the encoder's weights were random and the scores say nothing.
    """

    cell: Cell
    scores: dict[str, float]
    by_speaker: dict[str, Tables]
    parameters: int
    seconds: float
    real: bool = True
    date: str = ""
    machine: str = ""


@dataclass(frozen=True)
class NotRun:
    """A cell without an outcome. why: what kept it from running; an experiment's `run` may say so itself."""

    cell: Cell
    why: str = "budget"


class Experiment(Protocol):
    """A module of `train.experiments`; see the package."""

    TITLE: str
    DATA: str
    REFERENCE: str | Mapping[str, str]
    COLUMNS: tuple[str, ...]

    def cells(self, seeds: list[int]) -> list[Cell]: ...

    def run(self, cell: Cell) -> Outcome | NotRun: ...


def scores_by_speaker(labels: np.ndarray, decided: np.ndarray, speakers: np.ndarray, corpus: str) -> Tables:
    """The confusion of every speaker of one corpus: macro-F1 is no mean of clips, so redrawn speakers need their counts.

    Args:
        labels, decided: int64 [clips], among `LABELS`; `train.metrics.UNDECIDED` is always wrong.
        speakers: str [clips].
    """
    return {
        f"{corpus}/{speaker}": confusion(labels[speakers == speaker], decided[speakers == speaker], len(LABELS)).tolist()
        for speaker in np.unique(speakers)
    }


def scores_of(tables: Tables) -> dict[str, float]:
    """Macro-F1 and UAR from the speakers' counts: pooled within a corpus, over the labels that occur there; mean over corpora."""
    corpora = sorted({name.split("/", 1)[0] for name in tables})
    pooled = [np.sum([table for name, table in tables.items() if name.split("/", 1)[0] == corpus], axis=0) for corpus in corpora]
    return {MACRO_F1: float(np.mean(macro_f1_of(np.stack(pooled)))), UAR: float(np.mean([_uar(table) for table in pooled]))}


def macro_f1_of(tables: np.ndarray) -> np.ndarray:
    """Macro-F1 over the labels that occur, float [...], of confusions, int or float [..., labels, labels + 1]."""
    labels = tables.shape[-2]
    hits = np.diagonal(tables[..., :labels], axis1=-2, axis2=-1)
    truth, decided = tables.sum(-1), tables[..., :labels].sum(-2)
    f1 = np.where(truth > 0, 2 * hits / np.maximum(truth + decided, 1e-12), 0.0)
    return np.asarray(f1.sum(-1) / np.maximum((truth > 0).sum(-1), 1))


def _uar(table: np.ndarray) -> float:
    occurs = table.sum(1) > 0
    return float((np.diagonal(table)[occurs] / table.sum(1)[occurs]).mean())


def outcome_of(cell: Cell, by_speaker: dict[str, Tables], parameters: int, seconds: float) -> Outcome:
    """An outcome whose scores are those of its speakers' counts: macro-F1 under the measure's own name, its UAR beside it."""
    scores = {}
    for measure, tables in by_speaker.items():
        found = scores_of(tables)
        scores[measure] = found[MACRO_F1]
        scores[UAR if measure == MACRO_F1 else f"{measure} {UAR}"] = found[UAR]
    return Outcome(cell, scores, by_speaker, parameters, seconds)


def experiment_folder(name: str) -> Path:
    """Where an experiment's finished cells (and what else it keeps) lie, in the cache."""
    return cache_root() / "experiments" / name


def path_of(name: str, cell: Cell, recipe: int) -> Path:
    """The file of a finished cell: its name, its seed and a hash of its settings and the recipe."""
    described = json.dumps([cell.name, cell.seed, cell.settings, recipe], sort_keys=True)
    digest = hashlib.sha256(described.encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", cell.name).strip("-")[:60]
    return experiment_folder(name) / f"{readable}-{cell.seed}-{digest}.json"


def finished(name: str, cell: Cell, recipe: int) -> Outcome | None:
    """The kept outcome of a cell, or None."""
    path = path_of(name, cell, recipe)
    if not path.exists():
        return None
    saved = json.loads(path.read_text())
    return Outcome(**{**saved, "cell": cell})


def keep(name: str, outcome: Outcome, recipe: int) -> None:
    """Write an outcome, whole or not at all."""
    path = path_of(name, outcome.cell, recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_suffix(f".{os.getpid()}.part")
    waiting.write_text(json.dumps(asdict(outcome)))
    waiting.replace(path)


def run_cells(
    name: str, cells: list[Cell], run: Callable[[Cell], Outcome | NotRun], budget: float | None, recipe: int = 1
) -> list[Outcome | NotRun]:
    """Run what is not finished yet, all cells with the first seed before any with the second; in the order of `cells`.

    Args:
        name: of the experiment.
        budget: minutes, or None for no limit. No cell starts after them; kept cells cost nothing.
        recipe: a number that changes when `run` does.
    """
    began, number = time.monotonic(), 0
    found: dict[int, Outcome | NotRun] = {}
    order = sorted(range(len(cells)), key=lambda index: cells[index].seed)
    for index in order:
        cell, number = cells[index], number + 1
        outcome = finished(name, cell, recipe)
        if outcome is None and budget is not None and time.monotonic() - began >= budget * 60:
            found[index] = NotRun(cell)
            continue
        if outcome is None:
            ran = run(cell)
            if isinstance(ran, NotRun):
                found[index] = ran
                continue
            outcome = replace(ran, date=datetime.date.today().isoformat(), machine=machine())
            keep(name, outcome, recipe)
            shown = ", ".join(f"{measure} {value:.3f}" for measure, value in outcome.scores.items())
            print(
                f"{name} {number}/{len(cells)}: {cell.name}, seed {cell.seed}: {shown or 'no score'} ({outcome.seconds:.0f} s)",
                flush=True,
            )
        found[index] = outcome
    return [found[index] for index in range(len(cells))]


def only_finished(name: str, cells: list[Cell], recipe: int = 1) -> list[Outcome | NotRun]:
    """What is kept of an experiment, without running anything."""
    return [finished(name, cell, recipe) or NotRun(cell) for cell in cells]


def machine() -> str:
    """Cores and processor of this machine, and its accelerator where torch sees one."""
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    accelerator = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores, {names[0] if names else platform.processor()}{accelerator}"
