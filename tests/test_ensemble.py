"""The members' common decision, from made-up posteriors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamser.ensemble import Decision, Ensemble
from streamser.fusion_input import FusionInput

LABELS = ("neutral", "anger", "fear")
EMPTY = np.zeros(0, np.float32)
INPUTS = FusionInput(
    np.zeros((0, 3, 4), np.float32), EMPTY, EMPTY.astype(int), EMPTY, np.zeros((0, 4)), EMPTY, np.zeros((0, 4)), EMPTY, 1.0
)


def decided(*members: tuple[float, ...], vote: str = "mean", subset: tuple[int, ...] = (0, 1, 2)) -> Decision:
    logs = np.log(np.array(members, np.float32))[:, None]
    session: Any = SimpleNamespace(run=lambda names, batch: [logs, np.full((len(members), 1), 0.5, np.float32)])
    return Ensemble(session, LABELS, vote, {"step": 0.3, "utterance": 0.3}).decide(INPUTS, np.array(subset))


def test_members_that_agree_decide_as_each_of_them() -> None:
    decision = decided((0.2, 0.7, 0.1), (0.2, 0.7, 0.1))
    assert np.allclose(np.exp(decision.log_posterior), (0.2, 0.7, 0.1), atol=1e-6)
    assert decision.confidence == pytest.approx(0.7)
    assert decision.arousal == pytest.approx(0.5)


def test_disagreement_lowers_the_confidence_and_the_posterior_stays_one() -> None:
    decision = decided((0.1, 0.8, 0.1), (0.8, 0.1, 0.1))
    assert np.exp(decision.log_posterior).sum() == pytest.approx(1)
    assert decision.confidence == pytest.approx(np.sqrt(0.08))
    assert decision.confidence < np.exp(decision.log_posterior.max())


def test_a_subset_is_renormalised() -> None:
    decision = decided((0.2, 0.6, 0.2), subset=(0, 2))
    assert np.allclose(np.exp(decision.log_posterior), (0.5, 0.5))


def test_the_majority_overrules_the_mean_and_cannot_be_surer_than_its_share() -> None:
    members = ((0.51, 0.48, 0.01), (0.51, 0.48, 0.01), (0.01, 0.98, 0.01))
    assert decided(*members).winner == 1
    decision = decided(*members, vote="majority")
    assert decision.winner == 0
    assert decision.confidence <= 2 / 3
    assert np.exp(decision.log_posterior).sum() == pytest.approx(1)


def test_a_tied_majority_goes_to_the_first_member() -> None:
    assert decided((0.1, 0.8, 0.1), (0.85, 0.05, 0.1), vote="majority").winner == 1
