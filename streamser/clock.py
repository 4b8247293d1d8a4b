"""The audio clock. Time is an int: the sample index at 16 kHz since the start of the stream. Seconds appear only in output."""

from __future__ import annotations

import sys
import time

SAMPLE_RATE = 16_000


def to_samples(seconds: float) -> int:
    """The nearest sample index to a time in seconds."""
    return round(seconds * SAMPLE_RATE)


def to_seconds(samples: int) -> float:
    """A sample index as seconds, rounded to the millisecond as events carry it."""
    return round(samples / SAMPLE_RATE, 3)


def elapsed() -> float:
    """Seconds on a clock that nobody sets and that runs on while the machine sleeps, as `time.monotonic()` does only on Windows."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()
