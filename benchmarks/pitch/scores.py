"""Measures of pitch tracks as `mir_eval.melody` defines them, and the paired bootstrap over utterances.

Salamon et al. 2014, "Melody extraction from polyphonic music signals". An utterance is counted once (`tally`); every measure
is a ratio of sums of counts, so a resampling of utterances costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.pitch.trackers import Track

CLOSE_CENTS = 50.0
DRAWS = 2000
FRAMES, VOICED, CALLED, BOTH, RIGHT, CHROMA, RIGHT_AND_CALLED, SILENT_RIGHT = range(8)

Float32 = NDArray[np.float32]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Sampled:
    """Tracks at the times of the truth: Hz f32[r, m] (0: no guess) and confidence f32[r, m], r the tracker's runs."""

    hz: Float32
    confidence: Float32

    def decided(self, thresholds: Sequence[float], index: int) -> tuple[Float32, Flags]:
        """Hz f32[m] and the voicing decision bool[m] with one of the tracker's thresholds."""
        if len(self.hz) == 1:
            return self.hz[0], (self.confidence[0] > thresholds[index]) & (self.hz[0] > 0)
        return self.hz[index], self.hz[index] > 0


@dataclass(frozen=True)
class Measures:
    """Parts of one, the last in cents: see `measures`."""

    raw_pitch: float
    raw_chroma: float
    octave_errors: float
    voicing_precision: float
    voicing_recall: float
    voicing_f1: float
    overall: float
    median_cents: float


def sample(track: Track, count: int, period: float, shift: float) -> tuple[Float32, Float32]:
    """A track `shift` seconds later than times 0, period, 2 period ...: Hz f32[count] and confidence f32[count].

    The nearer frame decides voicing; Hz is interpolated in cents between two frames that are less than 120 cents apart.
    """
    times, hz = track.times, track.hz
    wanted = np.arange(count) * period + shift
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    part = np.clip((wanted - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
    nearest = np.where(part < 0.5, after - 1, after)
    low, high = np.maximum(hz[after - 1], 1e-3), np.maximum(hz[after], 1e-3)
    between = (hz[after - 1] > 0) & (hz[after] > 0) & (np.abs(np.log2(high / low)) < 0.1)
    return np.where(between, low ** (1 - part) * high**part, hz[nearest]).astype(np.float32), track.confidence[nearest]


def _cents(hz: Float32, truth: Float32) -> NDArray[np.float64]:
    """How far a guess is off, infinite where there is none or no truth."""
    known = (hz > 0) & (truth > 0)
    off = np.full(len(truth), np.inf)
    off[known] = np.abs(1200 * np.log2(hz[known].astype(np.float64) / truth[known]))
    return off


def tally(hz: Float32, called: Flags, truth: Float32) -> tuple[Counts, NDArray[np.float64]]:
    """Counts i64[8] of one utterance and the errors in cents of its right frames.

    Args:
        hz: the guess, f32[m], 0 where there is none; counted whatever `called` says in RIGHT and CHROMA.
        called: voiced, says the tracker; bool[m].
        truth: f32[m], 0 where unvoiced.
    """
    voiced, off = truth > 0, _cents(hz, truth)
    right = off < CLOSE_CENTS
    folded = np.full(len(off), np.inf)
    finite = np.isfinite(off)
    folded[finite] = np.abs(off[finite] - 1200 * np.round(off[finite] / 1200))
    counts = (
        np.full(len(truth), True),
        voiced,
        called,
        called & voiced,
        right,
        folded < CLOSE_CENTS,
        right & called,
        ~voiced & ~called,
    )
    return np.array([flags.sum() for flags in counts], dtype=np.int64), off[right]


def measures(counts: Counts, cents: NDArray[np.float64]) -> Measures:
    """All measures from counts i64[..., 8] summed over utterances and the right frames' errors.

    Raw pitch and raw chroma accuracy ignore the flag; octave errors are voiced frames that are wrong but right after folding;
    overall accuracy counts voiced frames with the right pitch and flag and unvoiced frames with the right flag.
    """
    total = counts.reshape(-1, 8).sum(axis=0)
    voiced = max(1, int(total[VOICED]))
    precision, recall = total[BOTH] / max(1, int(total[CALLED])), total[BOTH] / voiced
    values = (
        total[RIGHT] / voiced,
        total[CHROMA] / voiced,
        (total[CHROMA] - total[RIGHT]) / voiced,
        precision,
        recall,
        2 * precision * recall / max(1e-9, precision + recall),
        (total[RIGHT_AND_CALLED] + total[SILENT_RIGHT]) / max(1, int(total[FRAMES])),
        np.median(cents) if len(cents) else np.nan,
    )
    return Measures(*(float(value) for value in values))


def mean_of(rows: Sequence[Measures]) -> Measures:
    """The plain mean over conditions."""
    return Measures(*np.mean([astuple(row) for row in rows], axis=0).tolist())


def draw_utterances(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Which utterances each resampling takes, i64[DRAWS, count]."""
    return np.random.default_rng(seed).integers(count, size=(DRAWS, count))


def resampled_overall(counts: Counts, draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """Overall accuracy of each resampling: counts i64[u, 8], draws i64[d, u] -> f64[d]."""
    right = (counts[:, RIGHT_AND_CALLED] + counts[:, SILENT_RIGHT])[draws].sum(axis=1)
    return right / np.maximum(1, counts[:, FRAMES][draws].sum(axis=1))


def interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled differences."""
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def agreed(guesses: Sequence[tuple[Float32, Flags]], cents: float = 25.0) -> tuple[Flags, Flags]:
    """Where all of some trackers say voiced and lie within `cents` of each other, and where all say unvoiced; bool[m] each."""
    hz = np.stack([guess[0] for guess in guesses])
    called = np.stack([guess[1] for guess in guesses])
    octaves = np.log2(np.maximum(hz, 1e-3))
    near = 1200 * (octaves.max(axis=0) - octaves.min(axis=0)) <= cents
    return np.asarray(called.all(axis=0) & near), np.asarray(~called.any(axis=0))
