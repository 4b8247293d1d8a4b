"""Where the time goes: the recogniser's own methods with a clock around them, the runtime untouched. Every thread counts apart.

with watched(Clock()) as clock:
    ...  # run streams
spread(1000 * call.seconds for call in clock.calls if call.name == STEP)
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamser.audio.resample import Resampler
from streamser.feature_stream import FeatureStream
from streamser.features.pitch import PitchStream
from streamser.features.spectral import SpectralStream
from streamser.features.text import TextEncoder
from streamser.features.voice_activity import VoiceActivityStream
from streamser.features.whisper import Whisper
from streamser.heard import Window
from streamser.judge import Judge
from streamser.stream import Stream
from streamser.timeline import Timeline

STEP, END = "step", "end of a stream"
RESAMPLE, ENCODE, DECODE = "resample", "Whisper encode", "Whisper decode"
METHODS: tuple[tuple[type, str, str], ...] = (
    (Resampler, "feed", RESAMPLE),
    (Stream, "feed", STEP),
    (Stream, "finish", END),
    (VoiceActivityStream, "feed", "voice activity"),
    (PitchStream, "feed", "F0"),
    (SpectralStream, "feed", "spectral"),
    (Whisper, "encode", ENCODE),
    (Whisper, "last", "Whisper last layers"),
    (Whisper, "decode", DECODE),
    (TextEncoder, "encode", "text"),
    (FeatureStream, "current_window", "fusion input"),
    (Window, "fusion_input", "fusion input"),
    (Judge, "step", "fusion"),
    (Judge, "recent", "fusion"),
    (Timeline, "speech", "time line"),
    (Timeline, "silence", "time line"),
)


@dataclass(frozen=True)
class Call:
    """One outermost call: a step of a stream, or a part of a decoding beside the steps.

    seconds: wall time. cpu: seconds of its own thread on a core (CTranslate2 works in threads of its own: not counted).
    stages: each stage's own wall seconds, those of stages within it not counted; the call's own name holds what no stage took.
    """

    name: str
    began: float
    seconds: float
    cpu: float
    stages: dict[str, float]


@dataclass
class _Open:
    """The outermost call that a thread is in."""

    stages: dict[str, float] = field(default_factory=dict)
    within: list[float] = field(default_factory=list)  # seconds of the calls inside each call that is open


class Clock:
    """All calls of all threads, in the order in which they ended; `began` is `time.monotonic()`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._thread = threading.local()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted under that name."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._thread, "open", None)
            current = outer or _Open()
            self._thread.open = current
            current.within.append(0.0)
            began, cpu = time.monotonic(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.monotonic() - began
                current.stages[name] = current.stages.get(name, 0.0) + seconds - current.within.pop()
                if current.within:
                    current.within[-1] += seconds
                else:
                    self._thread.open = None
                    self.calls.append(Call(name, began, seconds, time.thread_time() - cpu, current.stages))

        return timed

    def since(self, moment: float) -> list[Call]:
        """Calls that began at that monotonic time or later."""
        return [call for call in self.calls if call.began >= moment]


@contextmanager
def watched(clock: Clock) -> Iterator[Clock]:
    """Put the clock around the methods above, of all recognisers in this process, and take it away again."""
    before = [(owner, method, vars(owner)[method]) for owner, method, _ in METHODS]
    names = {(owner, method): name for owner, method, name in METHODS}
    for owner, method, function in before:
        setattr(owner, method, clock.around(names[owner, method], function))
    try:
        yield clock
    finally:
        for owner, method, function in before:
            setattr(owner, method, function)


def steps(calls: Iterable[Call], speech: bool) -> list[Call]:
    """Calls of `Stream.feed` that completed a step, in speech (Whisper listened) or without it."""
    whole = [call for call in calls if call.name == STEP and len(call.stages) > 1]
    return [call for call in whole if (ENCODE in call.stages) == speech]


def by_stage(calls: Iterable[Call]) -> dict[str, list[float]]:
    """Seconds that each stage took in each call that had it."""
    found: dict[str, list[float]] = {}
    for call in calls:
        for stage, seconds in call.stages.items():
            found.setdefault(stage, []).append(seconds)
    return found


def spread(values: Iterable[float]) -> dict[str, float]:
    """How many, and their median, p95, p99 and worst, in the values' own unit; only `count` where there are none.

    A percentile is the value that at least that share of the values does not pass: one that occurred, nothing interpolated.
    """
    found = np.sort(np.fromiter(values, np.float64))
    if not len(found):
        return {"count": 0}
    ranks = {"median": 50, "p95": 95, "p99": 99, "worst": 100}
    return {
        "count": len(found),
        **{name: float(np.percentile(found, rank, method="inverted_cdf")) for name, rank in ranks.items()},
    }


def rounded(value: Any) -> Any:
    """Floats to three decimals, however deep, for the line of JSON: the rest is noise."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return round(value, 3) if isinstance(value, float) else value
