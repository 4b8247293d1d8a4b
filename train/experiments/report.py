"""What an experiment found, as Markdown, JSON and a plot."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from train.experiments.cells import NotRun, Outcome
from train.experiments.intervals import Spread, difference, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOKE = "smoke test on random weights"
HOW = (
    "Mean over seeds and corpora on test speakers; in brackets the 95 % interval over speakers and seeds, redrawn both "
    "(`train/experiments/intervals.py`). Differences are paired over the same speakers and seeds. Seconds are a cell's mean."
)


@dataclass(frozen=True)
class Row:
    """The seeds of one name. outcomes: those that ran, by seed. missing: seeds that did not. scores: by measure. against: minus
    the reference, by the table's first measure."""

    name: str
    settings: dict[str, Any]
    outcomes: list[Outcome]
    missing: list[NotRun]
    scores: dict[str, Spread]
    against: Spread | None

    @property
    def real(self) -> bool:
        return all(outcome.real for outcome in self.outcomes)


Reference = str | Mapping[str, str]  # the row that all others are compared with, or the one of each row; "" or no entry for none
Draw = Callable[["Axes", list[Row]], None]


def rows_of(outcomes: Sequence[Outcome | NotRun], reference: Reference, measures: Sequence[str] = ()) -> list[Row]:
    """The rows of a table, in the order in which their names first occur.

    Args:
        reference: what rows are compared with.
        measures: their order; those that are not named follow.
    """
    by_name: dict[str, list[Outcome | NotRun]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.cell.name, []).append(outcome)
    done = {
        name: sorted((one for one in found if isinstance(one, Outcome)), key=lambda one: one.cell.seed)
        for name, found in by_name.items()
    }
    rows = []
    for name, found in by_name.items():
        ran = done[name]
        scored = ran if ran and all(outcome.real for outcome in ran) else []
        known = ordered({measure for outcome in scored for measure in outcome.scores}, measures)
        against = None
        other = reference_of(name, reference)
        if known and name != other and done.get(other):
            against = difference(scored, done[other], known[0])
        rows.append(
            Row(
                name=name,
                settings=found[0].cell.settings,
                outcomes=ran,
                missing=[one for one in found if isinstance(one, NotRun)],
                scores={measure: spread(scored, measure) for measure in known},
                against=against,
            )
        )
    return rows


def reference_of(name: str, reference: Reference) -> str:
    """The row that a row is compared with; "" for none."""
    return reference if isinstance(reference, str) else reference.get(name, "")


def ordered(found: set[str], measures: Sequence[str]) -> list[str]:
    """The measures that were found, first those in `measures`."""
    return [*(measure for measure in dict.fromkeys(measures) if measure in found), *sorted(found - set(measures))]


def markdown(title: str, data: str, rows: list[Row], columns: Sequence[str], reference: Reference, measures: Sequence[str]) -> str:
    """The whole page of an experiment but its picture."""
    shown = ordered({measure for row in rows for measure in row.scores}, measures) or ["score"]
    compared = [f"minus {reference if isinstance(reference, str) else 'its reference'}"] if reference else []
    header = ["", *columns, *shown, *compared, "seeds", "parameters", "seconds"]
    lines = [f"# {title}", "", data, "", HOW, "", _line(header), _line(["---"] * len(header))]
    for row in rows:
        scores = [_spread(row.scores.get(measure)) for measure in shown]
        if not row.scores:
            scores[0] = _why(row)
        if reference:
            is_reference = reference_of(row.name, reference) == row.name
            scores.append("reference" if is_reference else _spread(row.against, signed=True))
        settings = [_setting(row.settings.get(column, "")) for column in columns]
        lines.append(_line([row.name, *settings, *scores, _seeds(row), _parameters(row), _seconds(row)]))
    for why, count in sorted(Counter(one.why for row in rows for one in row.missing).items()):
        lines += ["", f"{count} cells were not run ({why})."]
    ran = [outcome for row in rows for outcome in row.outcomes]
    for when, where in sorted({(outcome.date, outcome.machine) for outcome in ran}):
        lines += ["", f"Run on {when}, {where}."]
    return "\n".join(lines) + "\n"


def write_report(
    name: str,
    title: str,
    outcomes: Sequence[Outcome | NotRun],
    columns: Sequence[str],
    draw: Draw | None = None,
    folder: Path = Path("docs/results"),
    data: str = "",
    reference: Reference = "",
    measures: Sequence[str] = (),
) -> str:
    """Write NAME.md, NAME.json and NAME.png; returns the Markdown.

    Args:
        columns: settings that the table shows.
        draw: fills the plot from the rows; None draws a bar a row.
        data: one line about what was learned from and tested on.
        reference: what rows are compared with.
        measures: the order of the measures; the first is drawn and compared.
    """
    rows = rows_of(outcomes, reference, measures)
    text = markdown(title, data, rows, columns, reference, measures)
    folder.mkdir(parents=True, exist_ok=True)
    if any(row.scores for row in rows):
        picture(folder / f"{name}.png", title, rows, draw)
        text += f"\n![{title}]({name}.png)\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(as_json(name, title, data, rows, reference), indent=1) + "\n", encoding="utf-8")
    return text


def as_json(name: str, title: str, data: str, rows: list[Row], reference: Reference) -> dict[str, Any]:
    """Everything in the table, and every cell's scores."""
    return {
        "experiment": name,
        "title": title,
        "data": data,
        "rows": [
            {
                "name": row.name,
                "reference": reference_of(row.name, reference),
                "settings": row.settings,
                "real": row.real,
                "scores": {measure: _bounds(found) for measure, found in row.scores.items()},
                "minus_reference": None if row.against is None else _bounds(row.against),
                "not_run": [{"seed": one.cell.seed, "why": one.why} for one in row.missing],
                "cells": [
                    {
                        "seed": outcome.cell.seed,
                        "scores": {measure: round(value, 4) for measure, value in outcome.scores.items()} if row.real else {},
                        "parameters": outcome.parameters,
                        "seconds": round(outcome.seconds, 1),
                        "date": outcome.date,
                        "machine": outcome.machine,
                    }
                    for outcome in row.outcomes
                ],
            }
            for row in rows
        ],
    }


def picture(path: Path, title: str, rows: list[Row], draw: Draw | None) -> None:
    """One plot, a bar a row without `draw`; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5 if draw else max(3.5, 0.3 * len(rows) + 1.2)), layout="constrained")
    (draw or bars)(axes, rows)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def bars(axes: Axes, rows: list[Row]) -> None:
    """A point and its interval for every row, by its first measure; rows without a score keep their place."""
    measure = next(iter(next(row for row in rows if row.scores).scores))
    for place, row in enumerate(rows):
        if measure in row.scores:
            whiskers(axes, [place], [row.scores[measure]], horizontal=True, color="tab:blue")
    axes.set_yticks(range(len(rows)), [row.name if row.scores else f"{row.name} ({_why(row)})" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(measure)
    axes.grid(axis="x", alpha=0.3)


def whiskers(axes: Axes, places: Sequence[float], spreads: Sequence[Spread], horizontal: bool = False, **style: Any) -> None:
    """Points with their intervals at places; joined by a line where there is more than one."""
    values = np.array([found.value for found in spreads])
    bounds = np.array([[found.low, found.high] for found in spreads])
    error = np.nan_to_num((bounds.T - values) * [[-1], [1]]).clip(0)
    line = "none" if len(values) == 1 else "-"
    style = {"marker": "o", "linestyle": line, "capsize": 3, ("xerr" if horizontal else "yerr"): error, **style}
    if horizontal:
        axes.errorbar(values, list(places), **style)
    else:
        axes.errorbar(list(places), values, **style)


def _why(row: Row) -> str:
    return SMOKE if row.outcomes else f"not run ({row.missing[0].why})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _setting(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(found: Spread | None, signed: bool = False) -> str:
    if found is None:
        return ""
    sign = "+" if signed else ""
    text = f"{found.value:{sign}.3f}"
    return text if math.isnan(found.low) else f"{text} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def _bounds(found: Spread) -> dict[str, float | None]:
    return {
        side: None if math.isnan(value) else round(value, 4)
        for side, value in (("value", found.value), ("low", found.low), ("high", found.high))
    }


def _seeds(row: Row) -> str:
    ran = str(len(row.outcomes))
    return f"{ran} of {len(row.outcomes) + len(row.missing)}" if row.missing else ran


def _parameters(row: Row) -> str:
    return f"{row.outcomes[0].parameters:,}" if row.outcomes else ""


def _seconds(row: Row) -> str:
    return f"{np.mean([outcome.seconds for outcome in row.outcomes]):.0f}" if row.outcomes else ""
