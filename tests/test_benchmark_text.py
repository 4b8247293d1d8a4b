"""The benchmark of the words, on made-up decisions and a made-up voice."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.text.choose import Candidate, best, contrary_pairs, voice_share
from benchmarks.text.evidence import Heard, Utterance, judge, sound_of, words_alone
from benchmarks.text.listening import listen
from benchmarks.text.voices import AFTER, BEFORE, PROSODIES, require_synthesisers, with_prosody
from streamser.clock import SAMPLE_RATE
from streamser.ensemble import Ensemble
from streamser.events import EmotionEvent, UtteranceEvent
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings
from streamser.recognizer import Recognizer
from train.corpora import read_audio
from train.metrics import UNDECIDED

EXAMPLE = Path(__file__).parent.parent / "examples" / "hello.flac"
LABELS = ("neutral", "anger", "happiness")
NOTHING: Any = SimpleNamespace(get_inputs=list, get_outputs=list)
ENSEMBLE = Ensemble(NOTHING, LABELS, "mean", {"step": 0.3, "utterance": 0.3})


def utterance(sound: tuple[float, ...], words: tuple[float, ...] | None = None, steps: int = 2) -> Utterance:
    members = np.log(np.tile(np.array(sound, np.float32), (steps, 3, 1)))
    return Utterance(members, members, np.full(steps, 1.0, np.float32), None if words is None else np.array(words, np.float32))


def clip(label: int, *utterances: Utterance) -> Heard:
    return Heard(label, "flite", "", "en", utterances)


def late(weight: float) -> LateFusion:
    return LateFusion(WordSettings(weight), LABELS, LABELS)


def test_clips_are_judged_as_the_runtime_judges_utterances() -> None:
    clips = [clip(2, utterance((0.5, 0.2, 0.3), (0.1, 0.1, 0.8))), clip(1), clip(0, utterance((0.6, 0.3, 0.1)))]
    sound = sound_of(clips, ENSEMBLE, in_fusion=False)
    assert judge(sound, late(0.0)).labels.tolist() == [0, UNDECIDED, 0]
    joined = judge(sound, late(0.6))
    assert joined.labels.tolist() == [2, UNDECIDED, 0]
    assert joined.emitted(uncertain_below=0.99).tolist() == [UNDECIDED] * 3
    assert words_alone(clips).labels.tolist() == [2, UNDECIDED, UNDECIDED]


def test_the_longer_utterance_weighs_more() -> None:
    clips = [clip(0, utterance((0.1, 0.8, 0.1), steps=4), utterance((0.8, 0.1, 0.1), steps=1))]
    assert judge(sound_of(clips, ENSEMBLE, in_fusion=False), late(0.0)).labels.tolist() == [1]


def test_an_expressive_voice_is_paired_with_contrary_words() -> None:
    voices = [clip(1, utterance((0.1, 0.8, 0.1))), clip(0, utterance((0.8, 0.1, 0.1)))]
    said = [clip(2, utterance((0.8, 0.1, 0.1), words)) for words in ((0.1, 0.1, 0.8), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1))]
    pairs = contrary_pairs([sound_of(voices, ENSEMBLE, in_fusion=False)], said, neutral=0)
    assert {(decision.winner, int(words.argmax())) for decision, words in pairs} == {(1, 2)}
    assert voice_share(pairs, late(0.1)) == 1.0
    assert voice_share(pairs, late(30.0)) == 0.0


def test_the_choice_is_the_best_that_costs_little_and_leaves_the_voice_its_say() -> None:
    def entry(weight: float, spoken: float, cost: float, voice: float) -> Candidate:
        return Candidate(WordSettings(weight), spoken, {"a": 0.0, "b": cost}, voice)

    found = [entry(0.2, 0.2, 0.0, 0.9), entry(0.4, 0.3, 0.004, 0.7), entry(0.6, 0.4, 0.02, 0.7), entry(0.9, 0.6, 0.0, 0.2)]
    assert best(found).settings.weight == 0.4
    assert best([*found, entry(0.48, 0.3, 0.02, 0.7)]).settings.weight == 0.2  # a little more would cost too much


def test_missing_synthesisers_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"espeak-ng and flite cannot be run: apt-get install espeak-ng flite"):
        require_synthesisers()


def test_every_utterance_has_its_words_and_the_steps_of_whole_windows() -> None:
    recognizer = Recognizer.load("default")
    heard = listen(recognizer, read_audio(EXAMPLE), 0, "flite")
    events = list(recognizer.recognize(EXAMPLE))
    ended = [event for event in events if isinstance(event, UtteranceEvent)]
    assert heard.text == " ".join(event.text for event in ended)
    assert len(heard.utterances) == len(ended)
    assert all(entry.words is not None for entry in heard.utterances)
    steps = [event for event in events if isinstance(event, EmotionEvent) and event.state == "speech"]
    assert sum(len(entry.heard) for entry in heard.utterances) == len(steps)  # none of the last part of a window


def test_prosody_changes_what_it_should() -> None:
    import parselmouth

    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    phase = np.cumsum(120 + 30 * np.sin(2 * np.pi * 1.5 * times)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * harmonic * phase) / harmonic for harmonic in range(1, 20)]
    voice = (0.1 * np.sum(waves, axis=0)).astype(np.float32)

    def pitch(samples: np.ndarray) -> np.ndarray:
        track = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE).to_pitch().selected_array["frequency"]
        return np.asarray(track[track > 0])

    flat, angry = with_prosody(voice, PROSODIES["flat"]), with_prosody(voice, PROSODIES["angry"])
    assert pitch(flat).std() < 3 < 15 < pitch(voice).std() < pitch(angry).std()
    assert pitch(angry).mean() > 1.2 * pitch(flat).mean()
    assert len(angry) < len(flat) == pytest.approx(len(voice) + (BEFORE + AFTER) * SAMPLE_RATE, abs=800)
