"""Who is ahead: ours minus each peer with a paired bootstrap, and what that says about the bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.pitch.material import CONDITIONS
from benchmarks.pitch.reading import Reading, Speech
from benchmarks.pitch.scores import draw_utterances, interval, measures, resampled_overall

MEAN = "mean"
Accuracy = dict[tuple[str, str], tuple[float, NDArray[np.float64]]]  # by tracker and condition: the value, its resamplings
QUICK_MS = 64.0
JUDGED = ("clean", "20 dB", "10 dB")
OFFLINE_MARGIN = 0.01


@dataclass(frozen=True)
class Difference:
    """Ours minus a peer in overall accuracy, with the middle 95 % of the resamplings."""

    point: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.point:+.2f} [{100 * self.low:+.2f}, {100 * self.high:+.2f}]"

    @property
    def word(self) -> str:
        """better, tied or worse."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "tied"


def is_quick(reading: Reading) -> bool:
    """Whether the tracker's look-ahead, as it is built, is at most 64 ms."""
    look_ahead = reading.tracker.look_ahead_ms
    return look_ahead is not None and look_ahead <= QUICK_MS


def overall(readings: list[Reading], speech: Speech, name: str) -> Accuracy:
    """Overall accuracy and its resamplings by tracker and condition, the mean over conditions included; the same draws for all."""
    draws = draw_utterances(len(speech.scored(name)))
    found = {}
    for reading in readings:
        rows = []
        for condition in CONDITIONS:
            counts, cents = reading.tallies(speech, name, condition)
            rows.append((measures(counts, cents).overall, resampled_overall(counts, draws)))
            found[reading.tracker.name, condition] = rows[-1]
        found[reading.tracker.name, MEAN] = (
            float(np.mean([row[0] for row in rows])),
            np.mean([row[1] for row in rows], axis=0),
        )
    return found


def differences(accuracy: Accuracy, ours: str) -> dict[tuple[str, str], Difference]:
    """Ours minus each peer, by peer and condition."""
    found = {}
    for (name, condition), (point, resampled) in accuracy.items():
        if name != ours:
            mine, mine_resampled = accuracy[ours, condition]
            found[name, condition] = Difference(mine - point, *interval(mine_resampled - resampled))
    return found


def verdicts(
    readings: list[Reading],
    accuracy: Accuracy,
    ahead: dict[tuple[str, str], Difference],
) -> list[tuple[str, bool]]:
    """A line for each bar and whether it is met; the first reading is ours."""
    mine, peers = readings[0], readings[1:]
    quick = [peer.tracker.name for peer in peers if is_quick(peer)]
    offline = [peer.tracker.name for peer in peers if not is_quick(peer)]
    lines = []
    look_ahead = mine.tracker.look_ahead_ms or 0.0
    lines.append((f"look-ahead {look_ahead:.0f} ms, at most {QUICK_MS:.0f}", is_quick(mine)))
    for condition in JUDGED:
        if quick:
            worst = min((ahead[name, condition] for name in quick), key=lambda difference: difference.point)
            words = ", ".join(f"{name} {ahead[name, condition]} {ahead[name, condition].word}" for name in quick)
            tied = all(ahead[name, condition].word != "worse" for name in quick)
            rank = "best" if worst.low > 0 else "tied for best" if tied else "behind"
            lines.append((f"{condition}: {rank} up to {QUICK_MS:.0f} ms ({words})", tied))
        if offline:
            best = max(offline, key=lambda name: accuracy[name, condition][0])
            gap = ahead[best, condition]
            lines.append((f"{condition}: within 1 point of the best beyond that ({best} {gap})", gap.point >= -OFFLINE_MARGIN))
    best = max((peer.tracker.name for peer in peers), key=lambda name: accuracy[name, MEAN][0])
    gap = ahead[best, MEAN]
    certain = "" if gap.low > 0 or gap.point <= 0 else ", but not surely"
    lines.append((f"mean over conditions: best of all{certain} (next {best} {gap})", gap.point > 0))
    return lines
