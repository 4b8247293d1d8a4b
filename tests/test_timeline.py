"""Stable labels from made-up decisions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamser.ensemble import Decision
from streamser.timeline import Timeline, UtteranceDecision

STEP = 8000


def decision(*probabilities: float) -> Decision:
    return Decision(np.log(np.array(probabilities)), max(probabilities), 0.5)


CALM, ANGRY, UNSURE = decision(0.9, 0.1), decision(0.1, 0.9), decision(0.51, 0.49)


def timeline(delay: int = 2 * STEP) -> Timeline:
    return Timeline(("neutral", "anger"), 0.55, delay)


def labels(timeline: Timeline, decisions: list[Decision]) -> list[str | None]:
    return [timeline.speech(i * STEP, (i + 1) * STEP, each).label for i, each in enumerate(decisions)]


def test_the_first_label_comes_with_the_first_speech() -> None:
    stable = timeline().speech(0, STEP, CALM)
    assert stable.label == "neutral"
    assert stable.change == (0, None, "neutral")


def test_one_odd_step_changes_nothing() -> None:
    assert labels(timeline(), [CALM, CALM, ANGRY, CALM, CALM]) == ["neutral"] * 5


def test_a_change_that_lasts_is_decided_within_the_delay_and_dated_back() -> None:
    line = timeline()
    seen = [line.speech(i * STEP, (i + 1) * STEP, each) for i, each in enumerate([CALM, CALM, ANGRY, ANGRY, ANGRY, ANGRY])]
    changes = [stable.change for stable in seen if stable.change]
    assert [change[1:] for change in changes] == [(None, "neutral"), ("neutral", "anger")]
    since = changes[1][0]
    decided = next(i for i, stable in enumerate(seen) if stable.change and stable.change[2] == "anger")
    assert since >= 2 * STEP
    assert (decided + 1) * STEP - since <= line.delay


def test_low_confidence_is_uncertain() -> None:
    assert timeline().speech(0, STEP, UNSURE).label == "uncertain"


def test_after_a_long_pause_speech_is_judged_afresh() -> None:
    line = timeline()
    labels(line, [CALM] * 4)
    line.silence(4 * STEP, 20 * STEP)
    stable = line.speech(20 * STEP, 21 * STEP, ANGRY)
    assert stable.label == "anger"
    assert stable.change == (20 * STEP, "neutral", "anger")


def test_seconds_add_up() -> None:
    line = timeline()
    labels(line, [CALM] * 4)
    line.silence(4 * STEP, 6 * STEP)
    assert line.seconds == {"neutral": 2.0, "no_speech": 1.0}


def test_an_utterance_weighs_steps_by_what_they_had_heard() -> None:
    utterance = UtteranceDecision()
    assert utterance.decide() is None
    utterance.add(CALM, 0.2)
    utterance.add(ANGRY, 2.0)
    decided = utterance.decide()
    assert decided is not None
    assert decided.winner == 1
    assert math.isclose(np.exp(decided.log_posterior).sum(), 1.0)
    assert decided.confidence == pytest.approx(0.9)
