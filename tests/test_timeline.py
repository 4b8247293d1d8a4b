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


CALM, ANGRY, UNSURE = decision(0.95, 0.05), decision(0.05, 0.95), decision(0.51, 0.49)


def timeline(delay: int = 2 * STEP) -> Timeline:
    return Timeline(("neutral", "anger"), 0.55, delay)


def labels(timeline: Timeline, decisions: list[Decision]) -> list[str | None]:
    return [timeline.speech(i * STEP, (i + 1) * STEP, each).label for i, each in enumerate(decisions)]


def test_the_first_label_comes_with_the_first_speech() -> None:
    stable = timeline().speech(0, STEP, CALM)
    assert stable.label == "neutral"
    assert stable.change == (0, None, "neutral")


def test_one_odd_step_changes_nothing() -> None:
    odd = decision(0.45, 0.55)
    assert labels(timeline(), [CALM] * 6 + [odd] + [CALM] * 3) == ["neutral"] * 10


def test_a_stretch_of_even_steps_keeps_the_label_it_began_with() -> None:
    begun, other = decision(0.55, 0.45), decision(0.45, 0.55)
    assert set(labels(timeline(), [begun] * 4 + [other, begun] * 6)) == {"neutral"}


def test_the_recent_part_of_the_window_shows_a_change_first() -> None:
    line = timeline()
    for i in range(6):
        line.speech(i * STEP, (i + 1) * STEP, CALM, CALM)
    assert [line.speech(i * STEP, (i + 1) * STEP, CALM, ANGRY).label for i in (6, 7, 8)][-1] == "anger"


def test_a_change_that_lasts_is_decided_within_the_delay_and_dated_back() -> None:
    line = timeline()
    seen = [line.speech(i * STEP, (i + 1) * STEP, each) for i, each in enumerate([CALM] * 4 + [ANGRY] * 4)]
    changes = [stable.change for stable in seen if stable.change]
    assert [change[1:] for change in changes] == [(None, "neutral"), ("neutral", "anger")]
    since = changes[1][0]
    decided = next(i for i, stable in enumerate(seen) if stable.change and stable.change[2] == "anger")
    assert since >= 4 * STEP
    assert (decided + 1) * STEP - since <= line.delay


def test_what_begins_in_doubt_is_uncertain_at_once() -> None:
    assert set(labels(timeline(), [UNSURE] * 3)) == {"uncertain"}


def test_low_confidence_is_uncertain_once_it_lasts() -> None:
    line = timeline()
    seen = [line.speech(i * STEP, (i + 1) * STEP, each) for i, each in enumerate([CALM] + [UNSURE] * 40)]
    assert seen[4].label == "neutral"
    assert seen[-1].label == "uncertain"
    assert [stable.change[1:] for stable in seen if stable.change] == [(None, "neutral"), ("neutral", "uncertain")]
    assert [line.speech(i * STEP, (i + 1) * STEP, CALM).label for i in range(41, 50)][-1] == "neutral"


def test_a_change_is_never_dated_before_the_one_before_it() -> None:
    line = timeline(delay=8 * STEP)
    steps = [CALM] * 8 + [ANGRY] * 2 + [CALM] * 2 + [ANGRY] * 4 + [CALM] * 4
    changes = [stable.change[0] for i, each in enumerate(steps) if (stable := line.speech(i * STEP, (i + 1) * STEP, each)).change]
    assert len(changes) > 2
    assert changes == sorted(set(changes))


@pytest.mark.parametrize("split", [1, 4])
def test_shorter_steps_say_the_same(split: int) -> None:
    line, found = timeline(), []
    for i, each in enumerate([CALM] * 6 + [ANGRY] * 6):
        for part in range(split):
            start = i * STEP + part * STEP // split
            found.append(line.speech(start, start + STEP // split, each).label)
    assert found[0] == "neutral"
    assert found[-1] == "anger"
    assert 6 * split <= found.index("anger") <= 8 * split


def test_the_state_is_numbers_and_arrays() -> None:
    line = timeline()
    labels(line, [CALM] * 3 + [ANGRY] * 30)
    for name, value in vars(line).items():
        assert value is None or isinstance(value, (int, float, str, tuple, dict, np.ndarray)), name
    assert line._begin is not None
    assert len(line._begin) == 8


def test_after_a_long_pause_speech_is_judged_afresh() -> None:
    line = timeline()
    labels(line, [CALM] * 4)
    line.silence(4 * STEP, 24 * STEP)
    stable = line.speech(24 * STEP, 25 * STEP, ANGRY)
    assert stable.label == "anger"
    assert stable.change == (24 * STEP, "neutral", "anger")


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
    assert decided.confidence == pytest.approx(0.95)
