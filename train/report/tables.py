"""Bars, tables and intervals as the report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def bar(value: float, bound: float, at_most: bool = False, strictly: bool = False, **beside: Any) -> dict[str, Any]:
    """A figure, what it should at least (or at most) be, and whether it is; strictly: the bound itself is not enough."""
    value = round(value, 4)
    met = (value < bound if strictly else value <= bound) if at_most else (value > bound if strictly else value >= bound)
    beside = {name: round(entry, 4) if isinstance(entry, float) else entry for name, entry in beside.items()}
    return {"value": value, "bar": bound, "met": bool(met), **({"at_most": True} if at_most else {}), **beside}


def bars_list(bars: dict[str, Any]) -> str:
    """A line a bar."""
    return "\n".join(f"* {name}: {bar_text(found)}." for name, found in bars.items())


def bar_text(found: dict[str, Any]) -> str:
    """`0.043 (argmax 0.050), at least 0.03: met`."""
    names = [name for name in found if name not in ("value", "bar", "met", "at_most")]
    beside = ", ".join(f"{name} {shown(found[name])}" for name in names)
    direction = "at most" if found.get("at_most") else "at least"
    met = "met" if found["met"] else "**missed**"
    return f"{found['value']:.3f}{f' ({beside})' if beside else ''}, {direction} {found['bar']:g}: {met}"


def shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def rows_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are flush right."""
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def interval(found: dict[str, Any], value: str = "score", low: str = "low", high: str = "high") -> str:
    """`0.614 [0.55, 0.66]t`, a t-interval; without bounds where there is but one speaker (nan, in JSON null)."""
    bounds = (found[low], found[high])
    if any(bound is None or bound != bound for bound in bounds):
        return f"{found[value]:.3f}"
    return f"{found[value]:.3f} [{bounds[0]:.2f}, {bounds[1]:.2f}]{'t' if found.get('interval') == 't' else ''}"


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def joined(parts: Sequence[str]) -> str:
    """Paragraphs, but for empty ones."""
    return "\n\n".join(part for part in parts if part) + "\n"
