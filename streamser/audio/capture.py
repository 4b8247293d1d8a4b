"""The audio callback's side of a microphone: copy, stamp, count. A bounded queue, in seconds, leads to the reader."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from typing import Any

from streamser.audio.pieces import Samples

LIMIT = 10.0  # seconds of audio that may wait
LATE = 0.5  # seconds by which the audio clock may fall behind before audio counts as lost: PulseAudio's stamps jump by 0.2
FOLLOW = 0.001  # share of the clocks' difference that is taken over at each block: sound cards run off by 0.01 %
SETTLED = 2.0  # seconds of audio from the start within which stamps are not trusted (PulseAudio's run off by 0.5)
OLDEST = 5.0  # seconds; a stamp that says more is not a stamp
LEAST = 0.001  # seconds that an overflow of unknown length counts for


@dataclass(frozen=True)
class Captured:
    """A block as it was captured.

    samples: float32 [n, channels] at the device's rate.
    captured_at: `time.monotonic()` at which the last sample was captured.
    lost: seconds of audio that were lost before it.
    """

    samples: Samples
    captured_at: float
    lost: float


class Capture:
    """Fed by PortAudio's callback, read by one other thread.

    Args:
        rate: the device's samples a second.
        limit: seconds of audio that may wait to be read; what comes on top is dropped and counted.
    """

    def __init__(self, rate: int, limit: float = LIMIT) -> None:
        self._rate = rate
        self._limit = round(limit * rate)
        self._queue: queue.SimpleQueue[Captured] = queue.SimpleQueue()
        self._put = 0  # samples, counted by the callback alone
        self._taken = 0  # samples, counted by the reader alone
        self._lost = 0.0
        self._start: float | None = None
        self._accounted = 0.0  # seconds that arrived or are known to be lost
        self._clock_offset = 0.0

    def callback(self, samples: Samples, frames: int, times: Any, status: Any) -> None:
        """What PortAudio calls: `times` has the ADC time of the first sample and the current time, on one clock."""
        now = time.monotonic()
        seconds = frames / self._rate
        age = times.currentTime - times.inputBufferAdcTime
        first = now - (age if 0.0 < age < OLDEST else seconds)
        last = min(first + seconds, now)
        self._lost += self._lost_before(last, seconds, bool(status.input_overflow))
        if self._put - self._taken + frames > self._limit:
            self._lost += seconds
        else:
            self._queue.put(Captured(samples.copy(), last, self._lost))
            self._put += frames
            self._lost = 0.0

    def get(self, timeout: float) -> Captured | None:
        """The next block, waiting for it for at most `timeout` seconds (0 does not wait)."""
        try:
            captured = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        self._taken += len(captured.samples)
        return captured

    def _lost_before(self, last: float, seconds: float, overflow: bool) -> float:
        """Seconds missing before the block that ended at `last`: how far the wall clock ran ahead of the audio."""
        if self._start is None:
            self._start = last - seconds
        ahead = last - self._start - (self._accounted + seconds) - self._clock_offset
        self._accounted += seconds
        if self._accounted < SETTLED and not overflow:
            self._clock_offset += ahead
        elif overflow or ahead > LATE:
            lost = max(ahead, LEAST)
            self._accounted += lost
            return lost
        else:
            self._clock_offset += FOLLOW * ahead
        return 0.0
