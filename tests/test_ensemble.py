"""The members' common decision, from made-up posteriors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamser.ensemble import Decision, Ensemble, Judgement
from streamser.errors import PackError
from streamser.fusion_input import FusionInput
from streamser.packs.manifest import HistorySettings

LABELS = ("neutral", "anger", "fear")
EMPTY = np.zeros(0, np.float32)
INPUTS = FusionInput(
    np.zeros((0, 3, 4), np.float32), EMPTY, EMPTY.astype(int), EMPTY, np.zeros((0, 4)), EMPTY, np.zeros((0, 4)), EMPTY, 1.0
)


def ensemble(*members: tuple[float, ...], vote: str = "mean", **options: Any) -> Ensemble:
    """On a graph of before: without a history, and without what is known."""
    logs = np.log(np.array(members, np.float32))[:, None]
    session: Any = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="heard", shape=["batch", 1])],
        get_outputs=lambda: [SimpleNamespace(name=name, shape=[]) for name in ("log_probabilities", "arousal")],
        run=lambda names, batch: [logs, np.full((len(members), 1), 0.5, np.float32)],
    )
    return Ensemble(session, LABELS, vote, {"step": 0.3, "utterance": 0.3}, **options)


def judged(*members: tuple[float, ...], subset: tuple[int, ...] = (0, 1, 2), **options: Any) -> Judgement:
    return ensemble(*members, **options).judge(INPUTS, np.array(subset))


def decided(*members: tuple[float, ...], **options: Any) -> Decision:
    return judged(*members, **options).decision


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


def test_a_graph_of_before_knows_everything_and_has_no_voice() -> None:
    judgement = judged((0.2, 0.7, 0.1))
    assert judgement.known == 1
    assert len(judgement.statistics) == len(judgement.voice) == 0
    assert "history_mean" not in INPUTS.as_batch()
    with pytest.raises(PackError, match="has `history` settings, but its fusion graph hears none"):
        ensemble((0.2, 0.7, 0.1), history=HistorySettings(0.25, 1.0))


def test_a_subset_hides_nothing_from_the_whole_posterior() -> None:
    judgement = judged((0.2, 0.6, 0.2), subset=(0, 2))
    assert len(judgement.decision.log_posterior) == 2
    assert np.allclose(np.exp(judgement.log_posterior), (0.2, 0.6, 0.2))


def test_a_prior_is_added_before_normalising() -> None:
    members = ((0.2, 0.7, 0.1), (0.4, 0.5, 0.1))
    plain, shifted = decided(*members), decided(*members, prior={"neutral": 2.0, "fear": -1.0})
    expected = plain.log_posterior + np.array((2.0, 0.0, -1.0))
    assert np.allclose(shifted.log_posterior, expected - np.log(np.exp(expected).sum()))
    assert (plain.winner, shifted.winner) == (1, 0)
    assert 0 < shifted.confidence <= np.exp(shifted.log_posterior.max())


def test_a_prior_shifts_a_subset_and_the_votes_too() -> None:
    offsets = {"neutral": 2.0}
    assert np.allclose(
        np.exp(decided((0.2, 0.7, 0.1), subset=(0, 2), prior=offsets).log_posterior[0]), 2 * np.e**2 / (2 * np.e**2 + 1)
    )
    members = ((0.4, 0.5, 0.1), (0.4, 0.5, 0.1), (0.01, 0.98, 0.01))
    assert decided(*members, vote="majority").winner == 1
    assert decided(*members, vote="majority", prior=offsets).winner == 0
