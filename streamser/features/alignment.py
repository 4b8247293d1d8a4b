"""When the tokens of a transcript were spoken, from the attention of the heads that follow the audio.

As Whisper's authors do it: the scores of each head are normalised over the tokens, smoothed over time, averaged over the
heads, and the path of least cost through them says at which frame each token begins.
"""

from __future__ import annotations

import numpy as np

SMOOTHED = 7  # frames of the median filter


def token_starts(scores: np.ndarray, before: int) -> np.ndarray:
    """The frame at which each token begins, and after the last one that at which it ends, int64 [rows - before].

    Args:
        scores: float32 [heads, rows, frames], attention before its softmax, a row for every token that was fed in.
        before: rows that predict marks; they only count where the tokens are compared. The others predict the text and its end.
    """
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    spread = np.maximum(weights.std(axis=1, keepdims=True), 1e-10)
    weights = _median(((weights - weights.mean(axis=1, keepdims=True)) / spread)[:, before:])
    return _first_columns(-weights.mean(axis=0))


def _median(values: np.ndarray) -> np.ndarray:
    """Median over SMOOTHED values along the last axis, mirrored at its ends; too short a one is left as it is."""
    half = SMOOTHED // 2
    if values.shape[-1] <= half:
        return values
    mirrored = np.pad(values, ((0, 0), (0, 0), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, SMOOTHED, axis=-1)
    return np.partition(windows, half, axis=-1)[..., half]


def _first_columns(cost: np.ndarray) -> np.ndarray:
    """Of the cheapest path from the first cell to the last of float [rows, columns]: the first column in each row.

    The path goes right, down, or both. The cheapest way within a row, from above at column k and right to column j, costs
    above(k) + sum(k..j): with running sums that is a running minimum, so that a row takes a few array operations.
    """
    rows, columns = cost.shape
    total = np.empty((rows + 1, columns + 1))
    total[0], total[:, 0] = np.inf, np.inf
    total[0, 0] = 0.0
    for row in range(rows):
        sums = np.concatenate([[0.0], np.cumsum(cost[row], dtype=np.float64)])
        above = np.minimum(total[row, :-1], total[row, 1:])
        total[row + 1, 1:] = np.minimum.accumulate(above - sums[:-1]) + sums[1:]
    first = np.zeros(rows, np.int64)
    row, column = rows, columns
    while row > 0:
        first[row - 1] = column - 1
        both, down, right = total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]
        if both <= down and both <= right:
            row, column = row - 1, column - 1
        elif down < right:
            row -= 1
        else:
            column -= 1
    return first
