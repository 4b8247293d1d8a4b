"""Audio at the pace at which a microphone would bring it, and when the events that it leads to come back."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from streamser.audio.resample import Resampler
from streamser.clock import SAMPLE_RATE
from streamser.events import Event
from streamser.stream import Stream

BLOCK = 0.02  # seconds: what `streamser listen` asks of a sound card


@dataclass(frozen=True)
class Heard:
    """An event. captured: when the last sample that it covers would have been captured; returned: when `feed` gave it back.

    Both by `time.monotonic()`.
    """

    event: Event
    captured: float
    returned: float

    @property
    def latency(self) -> float:
        """Seconds."""
        return self.returned - self.captured


class Live:
    """A stream that is fed in real time, resampled from the rate of a sound card as `listen` does it.

    A block is handed over when its last sample is due, or, when the stream was busy then, as soon as it is not: so it would wait
    in a microphone's queue.

    Args:
        begin: `time.monotonic()` of the first sample.
    """

    def __init__(self, stream: Stream, begin: float, rate: int = SAMPLE_RATE) -> None:
        self.stream = stream
        self.begin = begin
        self.rate = rate
        self.resampler = Resampler(rate, 1, "mix")
        self._blocks = 0

    def play(self, samples: np.ndarray) -> list[Heard]:
        """Feed float32 [n] at the sound card's rate, whole blocks of it, after what was played before."""
        length = round(BLOCK * self.rate)
        heard: list[Heard] = []
        for start in range(0, len(samples) - length + 1, length):
            self._blocks += 1
            due = self.begin + self._blocks * BLOCK
            time.sleep(max(due - time.monotonic(), 0.0))
            block = self.resampler.feed(samples[start : start + length, None])
            if not len(block):
                continue
            events = self.stream.feed(block[:, 0], due - self.resampler.delay)
            returned = time.monotonic()
            heard += [Heard(event, self.begin + event.end, returned) for event in events]
        return heard


def at_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """float32 [n] at 16 kHz as a sound card of another rate would give it."""
    return samples if rate == SAMPLE_RATE else soxr.resample(samples, SAMPLE_RATE, rate).astype(np.float32)


def resampler_delays(rate: int, seconds: float = 4.0) -> list[float]:
    """Seconds of sound that the resampler holds back after each block, once it runs steadily."""
    resampler = Resampler(rate, 1, "mix")
    delays = []
    for _ in range(round(seconds / BLOCK)):
        resampler.feed(np.zeros((round(BLOCK * rate), 1), np.float32))
        delays.append(resampler.delay)
    return delays[len(delays) // 2 :]


@dataclass(frozen=True)
class Task:
    """What a pool was asked to do; monotonic times."""

    asked: float
    started: float
    done: float


class WatchedPool(Executor):
    """Another pool, and when each of its tasks was asked for, started and done."""

    def __init__(self, pool: Executor) -> None:
        self.tasks: list[Task] = []
        self._pool = pool

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        asked = time.monotonic()

        def run() -> Any:
            started = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                self.tasks.append(Task(asked, started, time.monotonic()))

        return self._pool.submit(run)
