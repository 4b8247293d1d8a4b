"""Which clips an epoch takes, and how they are cut into batches."""

from __future__ import annotations

import numpy as np
import pytest

from train.systems.config import TrainingConfig, changed
from train.systems.sampling import bucketed, chances, drawn_rows, stratified_share

LABELS = np.repeat([0, 1, 2, 0, 1], [60, 30, 10, 80, 20])
CORPORA = np.repeat([0, 1], [100, 100])


def settings(**values: object) -> TrainingConfig:
    return changed(TrainingConfig(), {"epochs": 10, **values}, "test")


def drawn(count: int, epoch: int = 0, **values: object) -> np.ndarray:
    return drawn_rows(LABELS, CORPORA, count, epoch, settings(**values), np.random.default_rng(3))


def shares(rows: np.ndarray) -> list[float]:
    """Of the five groups of LABELS."""
    return (np.bincount(np.repeat(np.arange(5), [60, 30, 10, 80, 20])[rows], minlength=5) / len(rows)).tolist()


def test_natural_sampling_takes_every_clip_once() -> None:
    assert sorted(drawn(200)) == list(range(200))
    assert np.bincount(drawn(500), minlength=200).max() == 3


def test_balanced_sampling_evens_the_classes_and_leaves_the_corpora() -> None:
    found = shares(drawn(20_000, sampling="balanced"))
    assert found == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 4], abs=0.015)


def test_the_schedule_goes_from_one_end_to_the_other() -> None:
    balanced = chances(LABELS, CORPORA, 0, settings(sampling="balanced"))
    natural = np.full(200, 1 / 200)
    to_uniform = [
        chances(LABELS, CORPORA, epoch, settings(sampling="balanced", sampling_schedule="to-uniform")) for epoch in (0, 5, 10)
    ]
    assert to_uniform[0] == pytest.approx(balanced)
    assert to_uniform[1] == pytest.approx((balanced + natural) / 2)
    assert to_uniform[2] == pytest.approx(natural)
    other = [
        chances(LABELS, CORPORA, epoch, settings(sampling="balanced", sampling_schedule="to-distribution")) for epoch in (0, 10)
    ]
    assert other[0] == pytest.approx(natural)
    assert other[1] == pytest.approx(balanced)


def test_a_schedule_needs_balanced_sampling() -> None:
    with pytest.raises(SystemExit, match="balanced"):
        drawn(10, sampling_schedule="to-uniform")


def test_batches_hold_every_row_once_and_like_lengths_together() -> None:
    rng = np.random.default_rng(0)
    rows, lengths = rng.permutation(100), rng.random(100)
    batches = bucketed(rows, lengths, 8, rng)
    assert sorted(np.concatenate(batches)) == list(range(100))
    assert sorted(map(len, batches)) == [4] + [8] * 12
    length_of = dict(zip(rows.tolist(), lengths, strict=True))
    spans = [np.ptp([length_of[row] for row in batch.tolist()]) for batch in batches]
    assert np.mean(spans) < 0.3


def test_a_share_is_stratified_nested_and_drawn_by_the_seed() -> None:
    tenth, half = (set(stratified_share(LABELS, CORPORA, share, 1).tolist()) for share in (0.1, 0.5))
    assert tenth < half
    assert np.bincount(LABELS[sorted(half)]).tolist() == [70, 25, 5]
    assert np.bincount(LABELS[sorted(tenth)], minlength=3).tolist() == [14, 5, 1]
    assert len(stratified_share(LABELS, CORPORA, 0.001, 1)) == 5  # one of every label of every corpus
    assert set(stratified_share(LABELS, CORPORA, 0.5, 2).tolist()) != half
    assert stratified_share(LABELS, CORPORA, 1.0, 1).tolist() == list(range(200))
    with pytest.raises(SystemExit, match="share"):
        stratified_share(LABELS, CORPORA, 0.0, 1)
