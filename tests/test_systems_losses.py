"""Losses of the systems: weights, focal, shares, adjustment, labels that a corpus lacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from train.systems.config import TrainingConfig, changed
from train.systems.losses import FULL_SOFTMAX, Loss, Targets, class_counts, class_weights


def targets(labels: list[int], corpora: list[int] | None = None, shares: Tensor | None = None, count: int = 3) -> Targets:
    found = torch.tensor(labels)
    where = torch.tensor(corpora if corpora is not None else [0] * len(labels))
    return Targets(found, where, nn.functional.one_hot(found, count).float() if shares is None else shares)


def loss(counts: list[list[int]], logits: Tensor, said: Targets, **settings: object) -> Tensor:
    return Loss(np.array(counts), changed(TrainingConfig(), settings, "test"))(logits, said)


LOGITS = torch.tensor([[1.0, 0.2, -1.0], [0.3, 0.1, 0.5], [-0.4, 2.0, 0.0], [0.0, 0.0, 1.0]])
SAID = targets([0, 1, 1, 2])


def test_counts_and_weights_are_by_corpus() -> None:
    counts = class_counts(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, 1, 1]), 3)
    assert counts.tolist() == [[3, 1, 0], [0, 1, 1]]
    weights = class_weights(counts)
    assert weights[0, 1] / weights[0, 0] == pytest.approx(3)
    assert weights[0, 2] == weights[1, 0] == 0
    assert (weights * counts).sum(1) == pytest.approx(counts.sum(1))  # a row weighs 1 on average


def test_weighted_cross_entropy_is_torchs() -> None:
    counts = [[6, 3, 1]]
    expected = nn.functional.cross_entropy(LOGITS, SAID.labels, torch.tensor([10 / 6, 10 / 3, 10.0]))
    assert loss(counts, LOGITS, SAID) == pytest.approx(float(expected), abs=1e-6)
    plain = nn.functional.cross_entropy(LOGITS, SAID.labels)
    assert loss(counts, LOGITS, SAID, class_weights=False) == pytest.approx(float(plain), abs=1e-6)


def test_focal_without_gamma_is_cross_entropy_and_with_it_spares_the_easy() -> None:
    counts = [[1, 1, 1]]
    plain = loss(counts, LOGITS, SAID)
    assert loss(counts, LOGITS, SAID, loss="focal", focal_gamma=0.0) == pytest.approx(float(plain), abs=1e-6)
    easy, hard = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[-1.0, 0.0, 0.0]])
    one = targets([0])
    ratios = [float(loss(counts, x, one, loss="focal") / loss(counts, x, one)) for x in (easy, hard)]
    chance = torch.softmax(easy, 1)[0, 0]
    assert ratios[0] == pytest.approx(float((1 - chance) ** 2), rel=1e-3)
    assert ratios[0] < ratios[1]


def test_kl_is_least_where_the_shares_are_met() -> None:
    shares = torch.tensor([[0.7, 0.2, 0.1]])
    said = targets([0], shares=shares)
    assert loss([[1, 1, 1]], shares.log(), said, loss="kl") == pytest.approx(0, abs=1e-6)
    assert loss([[1, 1, 1]], torch.tensor([[9.0, 0.0, 0.0]]), said, loss="kl") > 0.5
    one_hot = targets([0])
    expected = nn.functional.cross_entropy(LOGITS[:1], one_hot.labels)
    assert loss([[1, 1, 1]], LOGITS[:1], one_hot, loss="kl") == pytest.approx(float(expected), abs=1e-6)


def test_adjustment_moves_the_logits_by_the_log_prior() -> None:
    counts = [[8, 1, 1]]
    shifted = LOGITS + torch.log(torch.tensor([0.8, 0.1, 0.1]))
    expected = nn.functional.cross_entropy(shifted, SAID.labels)
    assert loss(counts, LOGITS, SAID, loss="logit-adjusted") == pytest.approx(float(expected), abs=1e-6)
    plain = nn.functional.cross_entropy(LOGITS, SAID.labels)
    assert loss(counts, LOGITS, SAID, loss="logit-adjusted", adjustment=0.0) == pytest.approx(float(plain), abs=1e-6)


def test_a_label_that_the_corpus_lacks_is_hardly_pushed_away() -> None:
    lacking, having = [[5, 5, 0]], [[5, 5, 5]]
    gradients = []
    for counts in (lacking, having):
        logits = torch.zeros(1, 3, requires_grad=True)
        loss(counts, logits, targets([0])).backward()
        assert logits.grad is not None
        gradients.append(float(logits.grad[0, 2]))
    assert gradients[0] == pytest.approx(FULL_SOFTMAX * gradients[1])


def test_corpora_keep_their_own_labels_in_one_batch() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    loss([[5, 5, 0], [5, 5, 5]], logits, targets([0, 0], [0, 1])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2] < logits.grad[1, 2] / 2
