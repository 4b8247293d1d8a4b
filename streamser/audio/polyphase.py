"""FFmpeg's polyphase resampler for one channel: what comes out lags by half its filter, always the same, and never in bursts."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE

# 128 taps at the lower rate (4 ms of delay), Kaiser: flat to 7.5 kHz within 0.1 dB, what lies above 8.2 kHz 94 dB down.
OPTIONS = "filter_size=128:cutoff=0.97:kaiser_beta=9"
# Samples that FFmpeg is given at once: of more, a graph would hold a copy of all that came.
MOST = 1 << 16


class Polyphase:
    """A stream of float32 samples [n] of one rate, to 16 kHz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._fed = 0
        self._graph = graph = Graph()
        entrance = graph.add_abuffer(sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate))
        resample, way_out = graph.add("aresample", f"{SAMPLE_RATE}:{OPTIONS}"), graph.add("abuffersink")
        entrance.link_to(resample)
        resample.link_to(way_out)
        graph.configure()

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [n] in, float32 [m] out; n and m may be 0."""
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(samples), MOST):
            part = np.ascontiguousarray(samples[start : start + MOST])
            frame = av.AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._fed, Fraction(1, self._rate)
            self._fed += len(part)
            self._graph.push(frame)
            found += self._pulled()
        return _joined(found)

    def end(self) -> NDArray[np.float32]:
        """What is still inside, float32 [m]; the stream is over then."""
        if not self._fed:
            return _joined([])
        self._graph.push(None)
        found = self._pulled()
        while rest := self._pulled():
            found += rest
        return _joined(found)

    def _pulled(self) -> list[NDArray[np.float32]]:
        """The one frame that a frame gives, or none: asking until there is none would cost a live block half as much again."""
        try:
            frame = self._graph.pull()
        except (av.BlockingIOError, av.EOFError):  # wants more, or is over
            return []
        assert isinstance(frame, av.AudioFrame)
        return [frame.to_ndarray()[0]]


def _joined(found: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    if len(found) == 1:
        return found[0]
    return np.concatenate([np.zeros(0, np.float32), *found])
