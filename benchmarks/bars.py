"""What a figure should reach, printed beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """limit: in the figure's own unit, as it is printed; least: whether the figure should be above it."""

    limit: float
    unit: str
    least: bool = False

    def met(self, value: float | None) -> bool:
        """Whether a figure reaches it; one that could not be had (None) does not."""
        if value is None:
            return False
        return value >= self.limit if self.least else value < self.limit

    def beside(self, value: float | None) -> str:
        """What stands beside the figure in a table."""
        relation = "at least" if self.least else "under"
        return f"(bar: {relation} {self.limit:g} {self.unit}: {'met' if self.met(value) else 'NOT MET'})"
