"""The audio callback's side of a microphone: copy, stamp, count. A bounded queue, in seconds, leads to the reader.

What the samples say (their count) is held against a clock that runs on while the machine sleeps. The sound card's own clock is
the stream's time: where the two run apart slowly, as clocks do, nothing is said; where audio is missing, it is counted as lost.
"""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, replace
from typing import Any

from streamser.audio.pieces import Samples
from streamser.clock import elapsed

LIMIT = 10.0  # seconds of audio that may wait
LATE = 0.5  # seconds by which the audio may fall behind before some counts as lost: PulseAudio's stamps jump by 0.2
DRIFT = 0.0005  # a sound card's clock may run off by that share: ten times what quartz does
FOLLOW = 0.001  # share of the clocks' difference that is taken over at each block, within `DRIFT`
SETTLED = 2.0  # seconds of audio within which stamps are not trusted (PulseAudio's first ones are off by up to 0.5)
LEAST = 0.001  # seconds that an overflow of unknown length counts for


@dataclass(frozen=True)
class Captured:
    """A block as it was captured.

    samples: float32 [n, channels] at the device's rate.
    captured_at: `time.monotonic()` at which the last sample was captured.
    until: the same moment by `clock.elapsed()`.
    lost: seconds of audio that were lost before it.
    """

    samples: Samples
    captured_at: float
    until: float
    lost: float


class Capture:
    """Fed by PortAudio's callback, read by one other thread.

    Args:
        rate: the device's samples a second.
        limit: seconds of audio that may wait to be read. When more comes, all of it is dropped and counted, so that the reader
            goes on with what is fresh.
    """

    def __init__(self, rate: int, limit: float = LIMIT) -> None:
        self._rate = rate
        self._limit = round(limit * rate)
        self._queue: queue.SimpleQueue[Captured] = queue.SimpleQueue()
        self._put = 0  # samples, counted by the callback alone
        self._taken = 0  # samples, counted by the reader alone
        self._full = False  # set by the callback, cleared by the reader
        self._missed = 0.0  # seconds lost since the last block that was put
        self._dropped = 0.0  # seconds that the reader threw away since the last block it gave
        self._start = 0.0
        self._accounted = 0.0  # seconds that arrived or are known to be lost
        self._offset = 0.0  # seconds by which the clocks have run apart
        self._settled = False
        self._early_overflow = False  # one that is counted when stamps can be trusted

    def callback(self, samples: Samples, frames: int, times: Any, status: Any) -> None:
        """What PortAudio calls: `times` has the ADC time of the first sample and the current time, on one clock."""
        now, monotonic = elapsed(), time.monotonic()
        seconds = frames / self._rate
        last = self._stamp(now, seconds, times.currentTime - times.inputBufferAdcTime)
        until = last if self._settled else max(last, self._due() + seconds)
        self._missed += self._lost_before(until, seconds, bool(status.input_overflow))
        if self._full or self._put - self._taken + frames > self._limit:
            self._full = True
            self._missed += seconds
        else:
            self._queue.put(Captured(samples.copy(), monotonic - (now - last), until, self._missed))
            self._put += frames
            self._missed = 0.0

    def get(self, timeout: float) -> Captured | None:
        """The next block, waiting for it for at most `timeout` seconds (0 does not wait)."""
        if self._full:
            while waiting := self._take(0):
                self._dropped += waiting.lost + len(waiting.samples) / self._rate
            self._full = False
        captured = self._take(timeout)
        if captured is None or not self._dropped:
            return captured
        lost, self._dropped = self._dropped + captured.lost, 0.0
        return replace(captured, lost=lost)

    def lost_since(self) -> float:
        """Seconds lost after the last block, when the device has been closed and everything has been read."""
        return self._dropped + self._missed

    def _take(self, timeout: float) -> Captured | None:
        try:
            captured = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        self._taken += len(captured.samples)
        return captured

    def _due(self) -> float:
        """When the next sample was captured, if none was lost since the block before."""
        return self._start + self._accounted + self._offset

    def _stamp(self, now: float, seconds: float, age: float) -> float:
        """When a block's last sample was captured. `age`: seconds, what PortAudio says of its first one.

        After the process stood still, a sound server delivers what it has kept, many seconds perhaps: those stamps are right.
        One from before what has been accounted for is none; then the time of arrival counts.
        """
        if not self._accounted:
            self._start = now - seconds
        believed = self._due() - LATE <= now - age < now
        return min(now - age + seconds, now) if believed else now

    def _lost_before(self, last: float, seconds: float, overflow: bool) -> float:
        """Seconds missing before the block that ended at `last`: how far the clock ran ahead of the audio."""
        ahead = last - self._due() - seconds
        self._accounted += seconds
        overflow |= self._early_overflow
        self._early_overflow = overflow and not self._settled
        if not self._settled:
            self._settled = self._accounted >= SETTLED
        elif overflow or ahead > LATE:
            lost = max(ahead, LEAST)
            self._accounted += lost
            return lost
        else:
            most = DRIFT * seconds
            self._offset += min(max(FOLLOW * ahead, -most), most)
        return 0.0
