"""Agreement of successive hypotheses, and the words of runs that were cut."""

from __future__ import annotations

import numpy as np

from streamser.agreement import RunText, plain, quietest_near
from streamser.features.whisper import Word


def words(text: str, start: float = 0.0) -> list[Word]:
    """Words of half a second each."""
    return [Word(f" {word}", start + 0.5 * i, start + 0.5 * i + 0.5, 0.9) for i, word in enumerate(text.split())]


def agreed(*hypotheses: str) -> RunText:
    text = RunText(0)
    for hypothesis in hypotheses:
        text.agree(words(hypothesis), 16_000, "en")
    return text


def test_the_first_hypothesis_is_pending() -> None:
    text = agreed("kids are").between(None, None)
    assert (text.final_part(), text.open_part()) == ("", " kids are")


def test_what_two_hypotheses_begin_with_alike_is_committed() -> None:
    text = agreed("Kids are taught to", "Kids are talking by").between(None, None)
    assert (text.final_part(), text.open_part()) == ("Kids are", " talking by")


def test_case_and_punctuation_do_not_hinder_agreement() -> None:
    assert plain(" Door.") == plain("door")
    assert agreed("the door.", "The door, kids").between(None, None).final_part() == "The door,"


def test_committed_words_never_change() -> None:
    text = agreed("one two three", "one two four", "one zwei four five")
    assert text.between(None, None).final_part().startswith("one two")


def test_a_last_hypothesis_stands_for_everything_behind_its_anchor() -> None:
    text = agreed("one two. three", "one two. three")
    text.settle(2, 16_000)
    text.replace_from(16_000, words("three four", start=1.0))
    assert text.between(None, None).final_part() == "one two. three four"


def test_a_run_that_was_cut_loses_and_doubles_no_word() -> None:
    text = agreed("one two three four five six", "one two three four five six")
    cut = round(1.6 * 16_000)
    first, second = text.between(None, cut), text.between(cut, None)
    assert first.final_part() == "one two three"
    assert second.final_part() == "four five six"


def test_words_of_utterances_that_are_over_are_forgotten() -> None:
    text = agreed("one two three four", "one two three four")
    text.settle(4, 32_000)
    text.forget_before(16_000)
    assert text.between(None, None).final_part() == "three four"


def test_the_quietest_moment_is_found_near_a_position() -> None:
    samples = np.ones(32_000, np.float32)
    samples[16_800:18_400] = 0.0
    assert 16_800 <= quietest_near(samples, 16_000) <= 18_400
    assert quietest_near(samples, 16_000) % 320 == 0
