"""Which training clips an epoch takes: once through all of them, or drawn with class-balanced chances, with a schedule between.

Balanced: chances in proportion to inverse class frequency, with replacement, as in PANNs (Kong et al. 2020, arXiv 1912.10211) and
the paper's code. The schedule mixes the balanced chances with the natural ones by r = epoch / epochs: `to-uniform` ends with every
clip alike, `to-distribution` starts so. The classes are balanced within each corpus; corpora keep their shares.
"""

from __future__ import annotations

import numpy as np

from train.systems.config import TrainingConfig
from train.systems.losses import class_counts, class_weights

GROUP = 8  # batches cut from a common stretch sorted by length: less padding


def chances(labels: np.ndarray, corpora: np.ndarray, epoch: int, config: TrainingConfig) -> np.ndarray:
    """float64 [rows], sums to 1: the chance of every row at each draw of an epoch. labels, corpora: int64 [rows].

    Raises:
        SystemExit: a schedule without balanced sampling.
    """
    natural = np.ones(len(labels))
    if config.sampling == "natural":
        if config.sampling_schedule != "none":
            raise SystemExit(f"sampling_schedule = {config.sampling_schedule!r} is for sampling = 'balanced'")
        return natural / len(labels)
    counts = class_counts(labels, corpora, int(labels.max()) + 1)
    balanced = class_weights(counts)[corpora, labels].astype(np.float64)
    r = epoch / config.epochs
    share = {"none": 1.0, "to-uniform": 1 - r, "to-distribution": r}[config.sampling_schedule]
    found = share * balanced + (1 - share) * natural
    return found / found.sum()


def drawn_rows(
    labels: np.ndarray, corpora: np.ndarray, count: int, epoch: int, config: TrainingConfig, rng: np.random.Generator
) -> np.ndarray:
    """int64 [count]: the rows of one epoch in the order of drawing; natural sampling goes on with another pass when one is over."""
    if config.sampling == "balanced":
        return rng.choice(len(labels), count, p=chances(labels, corpora, epoch, config))
    chances(labels, corpora, epoch, config)  # refuses a schedule
    passes = -(-count // len(labels))
    return np.concatenate([rng.permutation(len(labels)) for _ in range(passes)])[:count]


def bucketed(rows: np.ndarray, lengths: np.ndarray, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows cut into batches of like length: GROUP batches at a time are sorted by length, cut, and dealt in random order.

    rows: int64 [drawn]; lengths: float [drawn], of those rows. A last short batch is kept.
    """
    batches = []
    for start in range(0, len(rows), batch * GROUP):
        part = rows[start : start + batch * GROUP][np.argsort(lengths[start : start + batch * GROUP], kind="stable")]
        cut = [part[first : first + batch] for first in range(0, len(part), batch)]
        batches += [cut[index] for index in rng.permutation(len(cut))]
    return batches


def stratified_share(labels: np.ndarray, corpora: np.ndarray, share: float, seed: int) -> np.ndarray:
    """int64, sorted: the same share of the rows of every label of every corpus, at least one row each.

    Of one seed, smaller shares lie within larger ones.

    Raises:
        SystemExit: no share between 0 and 1.
    """
    if not 0 < share <= 1:
        raise SystemExit(f"data.share = {share}: a share of the training clips above 0, at most 1")
    rng = np.random.default_rng((seed, 4))
    kept = []
    for corpus in np.unique(corpora):
        for label in np.unique(labels[corpora == corpus]):
            order = rng.permutation(np.flatnonzero((corpora == corpus) & (labels == label)))
            kept.append(order[: max(1, round(share * len(order)))])
    return np.sort(np.concatenate(kept))
