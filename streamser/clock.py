"""The audio clock. Time is an int: the sample index at 16 kHz since the start of the stream. Seconds appear only in output."""

from __future__ import annotations

SAMPLE_RATE = 16_000


def to_samples(seconds: float) -> int:
    """The nearest sample index to a time in seconds."""
    return round(seconds * SAMPLE_RATE)


def to_seconds(samples: int) -> float:
    """A sample index as seconds, rounded to the millisecond as events carry it."""
    return round(samples / SAMPLE_RATE, 3)
