"""The policy of what is left out on a machine too slow, on made-up delays."""

from __future__ import annotations

import numpy as np

from streamser.shedding import CALM, LONGEST_CALM, Shedding

STEP = 0.5


def levels(shedding: Shedding, behind: list[float], late: bool = False) -> list[tuple[str, int]]:
    """What is shed, and the stride, after each step; successive ones that are alike once."""
    seen = [(shedding.level.shed, shedding.level.stride)]
    for value in behind:
        shedding.update(value, STEP, late)
        now = (shedding.level.shed, shedding.level.stride)
        if now != seen[-1]:
            seen.append(now)
    return seen


UP = [("nothing", 1), ("transcript", 1), ("steps", 2), ("steps", 4)]


def test_work_is_shed_in_order_as_the_backlog_grows_and_comes_back_in_reverse() -> None:
    shedding = Shedding(transcript=True, longest=8)
    assert levels(shedding, list(np.arange(0, 6, 0.1))) == UP
    assert levels(shedding, list(np.arange(6, 0, -0.2))) == UP[3:]  # as long as there is a backlog
    assert levels(shedding, [0.1] * 100) == UP[::-1]


def test_a_backlog_that_shrinks_sheds_nothing_more() -> None:
    shedding = Shedding(transcript=True, longest=8)
    assert levels(shedding, [0.1, *np.arange(9, 0, -0.3)]) == UP[:2]


def test_delays_of_a_machine_that_keeps_up_shed_nothing() -> None:
    delays = np.random.default_rng(0).uniform(0.02, 0.9, 500)
    assert levels(Shedding(transcript=True, longest=8), list(delays)) == UP[:1]


def test_without_a_transcript_or_with_a_short_window_less_can_go() -> None:
    growing = list(np.arange(0, 20, 0.1))
    assert levels(Shedding(transcript=False, longest=8), growing) == [("nothing", 1), ("steps", 2), ("steps", 4)]
    assert levels(Shedding(transcript=True, longest=3), growing) == UP[:3]
    assert levels(Shedding(transcript=False, longest=1), growing) == UP[:1]


def test_late_words_are_told_and_cost_no_step() -> None:
    shedding = Shedding(transcript=True, longest=8)
    assert levels(shedding, [0.1] * 200, late=True) == UP[:2]
    assert levels(shedding, [0.1] * round(CALM / STEP), late=False) == [UP[1], UP[0]]


def test_late_words_do_not_keep_steps_long() -> None:
    shedding = Shedding(transcript=True, longest=8)
    levels(shedding, list(np.arange(0, 6, 0.1)))
    assert levels(shedding, [0.1] * 200, late=True) == [UP[3], UP[2], UP[1]]


def test_a_machine_that_is_just_too_slow_changes_ever_more_rarely() -> None:
    """At the usual step a tenth too slow, at twice the step fast enough: no level would be right, and changes must not go on."""
    shedding = Shedding(transcript=False, longest=2)
    behind, changed = 0.0, []
    before = shedding.level
    for step in range(round(3600 / STEP)):
        behind = max(behind + (0.1 * STEP if shedding.level.stride == 1 else -0.4 * STEP), 0.05)
        shedding.update(behind, STEP, False)
        if shedding.level != before:
            before = shedding.level
            changed.append(step * STEP)
    gaps = np.diff(changed)
    assert len(changed) < 50
    assert gaps[-2:].max() >= LONGEST_CALM


def test_a_relapse_of_one_thing_does_not_hold_back_another() -> None:
    shedding = Shedding(transcript=True, longest=8)
    for _ in range(4):
        levels(shedding, [0.1], late=True)
        levels(shedding, [0.1] * round(LONGEST_CALM / STEP / 2))
    levels(shedding, list(np.arange(0, 6, 0.1)))
    assert levels(shedding, [0.1] * round(2 * CALM / STEP)) == UP[3:0:-1]


def test_after_a_long_quiet_time_a_relapse_is_forgotten() -> None:
    shedding = Shedding(transcript=False, longest=2)
    for _ in range(4):
        levels(shedding, list(np.arange(0, 3, 0.1)))
        levels(shedding, [0.1] * round(LONGEST_CALM / STEP))
    levels(shedding, [0.1] * round(600 / STEP))
    levels(shedding, list(np.arange(0, 3, 0.1)))
    assert levels(shedding, [0.1] * round(CALM / STEP))[-1] == ("nothing", 1)
