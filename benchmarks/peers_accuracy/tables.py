"""The tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OURS_NAME = "streamser"


def title(system: str, reading: str) -> str:
    return f"{system}, {reading}"


def table(part: dict[str, Any]) -> Iterator[str]:
    """The lines of one part: one set of labels, and everyone on its clips."""
    yield f"{len(part['labels'])} labels to choose from: {', '.join(part['labels'])}"
    yield f"  {'':<44}{'corpus':<18}{'clips':>6}{'speakers':>9}  {'macro-F1':<24}{'UAR':<24}{'no answer':>9}"
    for row in part["rows"]:
        name = title(row["system"], row["reading"]) if row["reading"] else row["system"]
        if row["why"]:
            yield f"  {name:<44}{row['status']}: {row['why']}"
            continue
        for corpus, found in row["corpora"].items():
            scores = "".join(f"{_interval(found[score]):<24}" for score in ("macro_f1", "uar"))
            yield f"  {name:<44}{corpus:<18}{found['clips']:>6}{found['speakers']:>9}  {scores}{found['undecided']:>9}"
            name = ""
        if len(row["corpora"]) > 1:
            yield f"  {'':<44}{'mean':<18}{'':>15}  {row['mean']['macro_f1']:<24.3f}{row['mean']['uar']:.3f}"
    if part["paired"]:
        yield f"  {'streamser minus peer, same clips, points':<62}{'macro-F1':<38}{'UAR':<38}"
    for entry in part["paired"]:
        name = f"{entry['reading']} - {title(entry['peer'], entry['peer_reading'])}"
        yield f"  {name:<62}" + "".join(f"{_difference(entry[score]):<38}" for score in ("macro_f1", "uar"))
        for corpus in entry["macro_f1"]["by_corpus"]:
            cells = [_difference(entry[score]["by_corpus"][corpus]) for score in ("macro_f1", "uar")]
            yield f"      {corpus:<58}" + "".join(f"{cell:<38}" for cell in cells)


def _interval(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return f"{found['value']:.3f} [one speaker]"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]{'t' if found['interval'] == 't' else ''}"


def _difference(found: dict[str, Any]) -> str:
    told = f"{100 * found['difference']:+.1f}"
    if found["low"] is not None:
        told += f" [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}]"
    return told + (f" p {found['p']:.3f}" if "p" in found else "")
