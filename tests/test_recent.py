"""The last part of a window judged alone, by which a change shows earlier."""

from __future__ import annotations

import numpy as np

from streamser.ensemble import Decision, Judgement
from streamser.fusion_input import FusionInput
from streamser.judge import RECENT, Judge


def window(*ages: float) -> FusionInput:
    """Whisper nodes of these ages in seconds, and a pitch node beside each; 2 seconds of speech."""
    ages_array = np.array(ages, np.float32)
    return FusionInput(
        whisper=ages_array[:, None, None] * np.ones((1, 3, 4), np.float32),
        whisper_age=ages_array,
        pitch=np.arange(len(ages)),
        pitch_age=ages_array,
        spectral=np.zeros((0, 192), np.float32),
        spectral_age=np.zeros(0, np.float32),
        text=np.zeros((0, 384), np.float32),
        text_age=np.zeros(0, np.float32),
        heard=2.0,
    )


class Ears:
    """An ensemble that keeps what it was asked about."""

    history = None
    labels = ("neutral", "anger")

    def __init__(self) -> None:
        self.asked: list[FusionInput] = []

    def judge(self, inputs: FusionInput, subset: np.ndarray, history: object = None) -> Judgement:
        self.asked.append(inputs)
        nothing = np.zeros(0, np.float32)
        decision = Decision(np.log([0.5, 0.5]), 0.5, 0.5)
        return Judgement(decision, decision.log_posterior, 1.0, nothing, nothing)


def test_recent_nodes_keep_their_ages_and_their_share_of_the_speech() -> None:
    part = window(3.0, 1.6, 1.4, 0.1).recent(1.5)
    assert part.whisper_age.tolist() == np.array([1.4, 0.1], np.float32).tolist()
    assert part.whisper[:, 0, 0].tolist() == part.whisper_age.tolist()
    assert part.pitch.tolist() == [2, 3]
    assert part.heard == 1.0


def test_only_a_window_that_reaches_further_back_is_judged_again() -> None:
    ears = Ears()
    judge = Judge(ears, np.arange(2))  # type: ignore[arg-type]
    for ages, again in (((3.0, 0.1), True), ((1.0, 0.1), False), ((3.0, 2.0), False)):
        inputs = window(*ages)
        decision = judge.step(inputs, 0, 0.5)
        ears.asked.clear()
        found = judge.recent(inputs, decision)
        assert (found is decision) != again
        assert [asked.whisper_age.max() < RECENT for asked in ears.asked] == [True] * again
