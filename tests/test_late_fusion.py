"""Words beside the sound: what they may change, what they must not, and which of them count."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamser import Recognizer, Stream
from streamser.agreement import Text
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE
from streamser.ensemble import Decision, Ensemble
from streamser.events import EmotionEvent, Event, UtteranceEvent
from streamser.features.whisper import Hypothesis, Word, _written
from streamser.features.whisper_decoder import Written
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
LABELS = ("neutral", "anger", "happiness", "sadness")
ALL = np.arange(4)


def fusion(weight: float = 0.3, temperature: float = 1.0, labels: tuple[str, ...] = LABELS) -> LateFusion:
    return LateFusion(WordSettings(weight, temperature), labels, LABELS)


def heard(*shares: float, agreement: float = 1.0) -> Decision:
    return Decision(np.log(np.array(shares)), agreement * max(shares), 0.5)


def test_neutral_words_change_nothing() -> None:
    for sound in (heard(0.1, 0.7, 0.1, 0.1), heard(0.4, 0.3, 0.2, 0.1)):
        joined = fusion().join(sound, np.array([1.0, 0.0, 0.0, 0.0]), ALL)
        assert np.allclose(joined.log_posterior, sound.log_posterior)
        assert joined.confidence == pytest.approx(sound.confidence)


def test_words_count_by_their_weight() -> None:
    sound, words = heard(0.5, 0.1, 0.3, 0.1), np.array([0.1, 0.05, 0.8, 0.05])
    happiness = [float(np.exp(fusion(weight).join(sound, words, ALL).log_posterior[2])) for weight in (0.0, 0.1, 0.5, 1.0)]
    assert happiness == sorted(happiness)
    assert happiness[0] == pytest.approx(0.3)
    assert happiness[-1] > 0.45


def test_a_sure_voice_outweighs_contrary_words() -> None:
    joined = fusion(0.3).join(heard(0.02, 0.94, 0.02, 0.02), np.array([0.0, 0.0, 1.0, 0.0]), ALL)
    assert joined.winner == 1
    assert joined.confidence < 0.94


def test_a_flat_voice_lets_its_words_speak_and_an_expressive_one_does_not() -> None:
    words = np.array([0.05, 0.05, 0.85, 0.05])
    flat, angry = (fusion(1.5).join(sound, words, ALL) for sound in (heard(0.7, 0.1, 0.1, 0.1), heard(0.1, 0.5, 0.2, 0.2)))
    assert flat.winner == 2
    assert angry.winner == 1


def test_a_higher_temperature_says_less() -> None:
    sound, words = heard(0.4, 0.3, 0.2, 0.1), np.array([0.1, 0.05, 0.8, 0.05])
    plain, mild = (fusion(0.5, temperature).join(sound, words, ALL) for temperature in (1.0, 3.0))
    assert plain.log_posterior[2] > mild.log_posterior[2] > sound.log_posterior[2]


def test_the_prior_of_the_text_network_is_taken_out() -> None:
    prior = dict(zip(LABELS, (0.3, 0.1, 0.5, 0.1), strict=True))
    late = LateFusion(WordSettings(0.5, 1.0, prior), LABELS, LABELS)
    assert np.allclose(np.ptp(late.evidence(np.array(list(prior.values())))[1:]), 0)  # as likely as ever: nothing is said
    assert late.evidence(np.array([0.3, 0.3, 0.3, 0.1])).argmax() == 1


def test_the_joined_posterior_is_one_and_disagreement_still_lowers_the_confidence() -> None:
    words = np.array([0.05, 0.05, 0.85, 0.05])
    agreed, split = (fusion().join(heard(0.2, 0.1, 0.6, 0.1, agreement=a), words, ALL) for a in (1.0, 0.5))
    assert np.exp(agreed.log_posterior).sum() == pytest.approx(1)
    assert agreed.confidence == pytest.approx(np.exp(agreed.log_posterior[2]))
    assert split.confidence == pytest.approx(agreed.confidence / 2)


def test_impossible_words_leave_finite_numbers() -> None:
    joined = fusion(1.0).join(heard(0.25, 0.25, 0.25, 0.25), np.array([0.0, 0.0, 0.0, 1.0], np.float32), ALL)
    assert np.isfinite(joined.log_posterior).all()
    assert joined.winner == 3


def test_no_words_and_no_weight_leave_the_very_decision() -> None:
    sound = heard(0.4, 0.3, 0.2, 0.1)
    assert fusion().join(sound, None, ALL) is sound
    assert fusion(0.0).join(sound, np.array([0.0, 1.0, 0.0, 0.0]), ALL) is sound


def test_a_subset_takes_its_own_evidence() -> None:
    sound = Decision(np.log([0.5, 0.5]), 0.5, 0.5)
    words = np.array([0.1, 0.1, 0.1, 0.7])
    assert fusion().join(sound, words, np.array([1, 3])).winner == 1
    assert fusion().join(sound, np.array([1.0, 0.0, 0.0, 0.0]), np.array([1, 3])).log_posterior == pytest.approx(np.log([0.5, 0.5]))


def test_labels_are_met_by_name() -> None:
    turned = LABELS[::-1]
    words = np.array([0.1, 0.05, 0.8, 0.05])
    sound = heard(0.1, 0.2, 0.3, 0.4)
    joined = fusion(labels=turned).join(sound, words, ALL)
    mirror = Decision(sound.log_posterior[::-1], sound.confidence, 0.5)
    assert np.allclose(joined.log_posterior[::-1], fusion().join(mirror, words, ALL).log_posterior)


def test_a_pack_with_other_labels_hears_no_words() -> None:
    sound = heard(0.4, 0.3, 0.2, 0.1)
    assert fusion(labels=("calm", "tense", "happiness", "sadness")).join(sound, np.array([0.0, 1.0, 0.0, 0.0]), ALL) is sound


SURE = Hypothesis((), "en", {"en": np.log(0.9), "pl": np.log(0.1)}, log_probability=-0.2, no_speech=0.05)


@pytest.mark.parametrize(
    ("change", "doubted"),
    [
        ({}, False),
        ({"language_log_probabilities": {}}, False),
        ({"log_probability": -1.3}, True),
        ({"no_speech": 0.9}, True),
        ({"looped": True}, True),
        ({"language_log_probabilities": {"en": np.log(0.2), "pl": np.log(0.8)}}, True),
    ],
)
def test_what_the_decoder_doubts(change: dict[str, Any], doubted: bool) -> None:
    assert replace(SURE, **change).doubted is doubted


def words(text: str, doubted: bool = False) -> tuple[Word, ...]:
    return tuple(Word(f" {word}", i / 2, i / 2 + 0.5, 0.9, doubted) for i, word in enumerate(text.split()))


def test_doubted_words_are_written_but_do_not_count() -> None:
    text = Text((*words("I am"), *words("glad,", doubted=True)), words("really."))
    assert text.final_part() + text.open_part() == "I am glad, really."
    assert text.counted_part() == "I am really."


@pytest.mark.parametrize(
    ("said", "counts"), [("No!", False), ("Go! Go, go! Stop.", False), ("I hate you.", True), ("... - !", False)]
)
def test_a_call_or_two_does_not_count(said: str, counts: bool) -> None:
    assert Text(words(said)).counted_part() == (said if counts else "")


def written(*outputs: tuple[int, float, float]) -> tuple[Written, bool]:
    """What is made of a decoder that writes so many tokens with this score and probability of silence, in turn, in a second."""
    results = iter(outputs)

    def write(language: str, limit: int, penalty: float) -> Written:
        count, score, silent = next(results)
        return Written([1] * min(count, limit), score, silent, ended=count < limit)

    return _written(SimpleNamespace(write=write), "en", seconds=1.0, least=-1.0)  # type: ignore[arg-type]


def test_the_decoders_doubts_reach_the_hypothesis() -> None:
    plain, looped = written((4, -0.3, 0.1))
    assert (len(plain.tokens), plain.log_probability, plain.no_speech, looped) == (4, -0.3, 0.1, False)
    retried, looped = written((90, -0.1, 0.1), (5, -0.5, 0.1))
    assert (len(retried.tokens), looped) == (5, True)
    assert written((90, -0.1, 0.1), (90, -0.1, 0.1))[0].tokens == []
    assert written((4, -1.4, 0.8))[0].tokens == []


@cache
def recognizer() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


def events_with(settings: WordSettings) -> list[Event]:
    """Of the end of the example, where angry words are spoken, by the default pack with other settings of the words."""
    shared = recognizer()
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(EXAMPLE) if isinstance(piece, Block)])[9 * SAMPLE_RATE :]
    ensemble = Ensemble(
        shared.ensemble.session,
        shared.ensemble.labels,
        shared.ensemble.vote,
        shared.ensemble.uncertain_below,
        LateFusion(settings, shared.ensemble.labels, shared.features.text.labels),
    )
    stream = Stream(shared.features, ensemble, shared.pool, shared.settings(language="en"), "test", 0)
    return stream.feed(samples) + stream.finish()


def anger_of(events: list[Event]) -> np.ndarray:
    return np.array([event.probabilities["anger"] for event in events if isinstance(event, UtteranceEvent)])


def test_a_stream_joins_its_words() -> None:
    alone = events_with(WordSettings(in_fusion=False))
    joined = events_with(WordSettings(weight=0.5, in_fusion=False))
    assert (anger_of(joined) >= anger_of(alone)).all()
    assert anger_of(joined).max() > anger_of(alone).max() + 0.01
    assert [event.text for event in alone if isinstance(event, UtteranceEvent)] == [
        event.text for event in joined if isinstance(event, UtteranceEvent)
    ]
    first = next(event for event in joined if isinstance(event, EmotionEvent) and event.probabilities)
    before = next(event for event in alone if isinstance(event, EmotionEvent) and event.probabilities)
    assert first.text_probabilities is None  # no word is due yet
    assert first.probabilities == before.probabilities


def test_a_stream_writes_doubted_words_and_does_not_join_them(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = events_with(WordSettings(in_fusion=False))
    monkeypatch.setattr("streamser.features.whisper.SURE_LOG_PROBABILITY", 1.0)
    doubted = events_with(WordSettings(weight=0.5, in_fusion=True))
    assert [event.text for event in doubted if isinstance(event, EmotionEvent | UtteranceEvent)] == [
        event.text for event in alone if isinstance(event, EmotionEvent | UtteranceEvent)
    ]
    assert all(event.text_probabilities is None for event in doubted if isinstance(event, EmotionEvent))
    assert np.allclose(anger_of(doubted), anger_of(alone))
