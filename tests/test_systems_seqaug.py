"""SeqAug: some feature dimensions change their order in time, and nothing else."""

from __future__ import annotations

import numpy as np

from train.augmentation.seqaug import seqaug


def frames() -> np.ndarray:
    """[12, 2, 20]: every value says its frame and its dimension."""
    return (np.arange(12)[:, None] * 100 + np.arange(40)).reshape(12, 2, 20).astype(np.float32)


def orders(found: np.ndarray) -> np.ndarray:
    """[40, 12]: which frame every dimension shows at every place."""
    return (found.reshape(12, 40) // 100).astype(int).T


def test_every_dimension_keeps_its_values() -> None:
    found = seqaug(frames(), np.random.default_rng(1))
    assert (np.sort(found, 0) == frames()).all()
    assert (found.reshape(12, 40) % 100 == np.arange(40)).all()


def test_what_comes_in_stays_as_it_was() -> None:
    given = frames()
    seqaug(given, np.random.default_rng(1))
    assert (given == frames()).all()


def test_one_permutation_or_one_for_each_dimension() -> None:
    for seed in range(5):
        shared = orders(seqaug(frames(), np.random.default_rng(seed)))
        moved = shared[(shared != np.arange(12)).any(1)]
        assert len(np.unique(moved, axis=0)) <= 1
    own = [orders(seqaug(frames(), np.random.default_rng(seed), independent=True)) for seed in range(5)]
    for found in own:
        moved = found[(found != np.arange(12)).any(1)]
        assert len(np.unique(moved, axis=0)) == len(moved)
    assert max(len(found[(found != np.arange(12)).any(1)]) for found in own) > 10


def test_the_share_of_dimensions_is_mostly_small_or_large() -> None:
    rng = np.random.default_rng(0)
    shares = [(orders(seqaug(frames(), rng)) != np.arange(12)).any(1).mean() for _ in range(400)]
    low, middle, high = np.histogram(shares, [0, 1 / 3, 2 / 3, 1.01])[0] / 400
    assert low > 0.3
    assert high > 0.3
    assert middle < 0.3


def test_a_single_frame_has_no_order() -> None:
    one = frames()[:1]
    assert (seqaug(one, np.random.default_rng(0)) == one).all()
    assert (seqaug(one, np.random.default_rng(0), independent=True) == one).all()
