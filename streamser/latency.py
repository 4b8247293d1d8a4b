"""Latency of a live stream: from the capture of the last sample that an event covers to the event's emission."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

BIN = 0.001  # seconds
LONGEST = 60.0  # what is later counts in the last bin; `worst` is exact


@dataclass
class LatencyMeter:
    """A histogram in milliseconds, so that memory does not grow with the hours."""

    _counts: np.ndarray = field(default_factory=lambda: np.zeros(round(LONGEST / BIN), np.int64))
    _worst: float = 0.0

    def measure(self, captured_at: float | None) -> float | None:
        """Seconds since `captured_at` (`time.monotonic()`), counted; None when the audio is not live."""
        if captured_at is None:
            return None
        latency = max(time.monotonic() - captured_at, 0.0)
        self._counts[min(int(latency / BIN), len(self._counts) - 1)] += 1
        self._worst = max(self._worst, latency)
        return round(latency, 3)

    def summary(self) -> dict[str, float] | None:
        """Median, p95, p99 and worst in seconds; None when nothing was live."""
        total = int(self._counts.sum())
        if total == 0:
            return None
        cumulative = np.cumsum(self._counts)
        ranks = {"median": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: round(float(np.searchsorted(cumulative, rank * total) * BIN), 3) for name, rank in ranks.items()}
        return {**found, "worst": round(self._worst, 3)}
