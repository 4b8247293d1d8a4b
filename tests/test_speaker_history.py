"""What a stream remembers of its voices: the bookkeeping on made-up vectors, whole streams on a small random graph."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser import Recognizer, SpeakerStatistics, Stream
from streamser.audio.file import open_file
from streamser.audio.pieces import Block, Lost, Piece
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.ensemble import Ensemble
from streamser.errors import PackError, UsageError
from streamser.events import EmotionEvent, Event, UtteranceEvent
from streamser.packs.manifest import HistorySettings
from streamser.sessions import open_session
from streamser.speaker_history import SpokenUtterance, Voices
from streamser.timeline import step_weight
from tests.history_graph import LABELS, VOICE, write_history_graph
from tests.toy_graph import STATISTICS

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
ALIKE = 1000.0  # a threshold at which all voices are one
ONE_VOICE = HistorySettings(0.25, ALIKE)
FLAT = np.log(np.full(3, 1 / 3))


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def statistics(width: int = STATISTICS, voice: int = VOICE, seconds: float = 10.0, value: float = 1.0) -> SpeakerStatistics:
    mean = np.full(width, value, np.float32)
    return SpeakerStatistics(mean, mean**2, np.zeros(voice, np.float32), seconds)


# --- the bookkeeping


def test_a_voice_is_the_mean_of_its_utterances_by_their_evidence() -> None:
    voices = Voices(1.0)
    assert voices.match(vector(0, 0)) is None
    voices.add(vector(1, 2, 3), vector(0, 0), 3.0)
    voices.add(vector(5, 2, 3), vector(0.4, 0), 1.0)
    found = voices.match(vector(0.1, 0.2))
    assert found is not None
    assert found.mean == pytest.approx([2, 2, 3])
    assert found.square == pytest.approx([7, 4, 9])
    assert found.voice == pytest.approx([0.1, 0])
    assert found.seconds == pytest.approx(4)
    assert found.mean.dtype == np.float32


def test_an_utterance_without_evidence_adds_nothing() -> None:
    voices = Voices(1.0)
    voices.add(vector(1), vector(0), 0.0)
    assert not voices.histories


def test_another_voice_has_no_history_and_starts_its_own() -> None:
    voices = Voices(1.0)
    here, there = vector(0, 0), vector(2, 2)
    voices.add(vector(1), here, 2.0)
    assert voices.match(there) is None
    for _ in range(5):  # in turn
        voices.add(vector(9), there, 2.0)
        voices.add(vector(1), here, 2.0)
    for voice, mean in ((here, 1), (there, 9)):
        found = voices.match(voice)
        assert found is not None
        assert found.mean == pytest.approx([mean])
    assert len(voices.histories) == 2


def test_the_nearest_of_two_near_voices_is_taken() -> None:
    voices = Voices(1.0)
    voices.add(vector(1), vector(0), 2.0)
    voices.add(vector(2), vector(1.5), 2.0)
    found = voices.match(vector(0.9))
    assert found is not None
    assert found.mean == pytest.approx([2])


def test_a_fifth_voice_takes_the_place_of_the_one_that_was_silent_longest() -> None:
    voices = Voices(1.0)
    for place in (0, 10, 20, 30, 0, 40):
        voices.add(vector(place), vector(place), 1.0)
    assert sorted(float(history.voice[0]) for history in voices.histories) == [0, 20, 30, 40]


def test_old_evidence_fades_and_new_evidence_goes_on_counting() -> None:
    voices = Voices(1.0)
    for _ in range(100):
        voices.add(vector(0), vector(0), 4.0)
    assert voices.histories[0].seconds == pytest.approx(120)
    for _ in range(30):  # as much again as is kept
        voices.add(vector(1), vector(0), 4.0)
    found = voices.histories[0]
    assert found.seconds == pytest.approx(120)
    assert 1 - 1 / np.e == pytest.approx(found.mean[0], abs=0.02)


def spoken(*log_posteriors: np.ndarray, known: float = 1.0) -> SpokenUtterance:
    utterance = SpokenUtterance()
    for posterior in log_posteriors:
        utterance.add(vector(1), vector(0), posterior, known, 1.0, 0.5)
    return utterance


def joined(utterance: SpokenUtterance, floor: float = 0.25, neutral: int | None = 0) -> list[SpeakerStatistics]:
    voices = Voices(1.0)
    utterance.join(voices, floor, neutral)
    return voices.histories


def test_the_steps_of_an_utterance_weigh_as_in_its_decision() -> None:
    utterance = SpokenUtterance()
    utterance.add(vector(0), vector(0), FLAT, 1.0, 0.5, 0.5)
    utterance.add(vector(1), vector(1), FLAT, 1.0, 0.6, 0.5)
    found = joined(utterance, neutral=None)[0]
    share = step_weight(0.6) / (step_weight(0.5) + step_weight(0.6))
    assert 0.5 < share < 0.99
    assert found.mean == pytest.approx([share])
    assert found.voice == pytest.approx([share])
    assert found.square == pytest.approx([share**2])
    assert found.seconds == pytest.approx(1.0)


def test_the_more_neutral_an_utterance_the_more_it_counts() -> None:
    neutral, angry = np.log([0.98, 0.01, 0.01]), np.log([0.02, 0.96, 0.02])
    assert joined(spoken(neutral))[0].seconds == pytest.approx(0.25 + 0.75 * 0.98)
    assert joined(spoken(angry))[0].seconds == pytest.approx(0.25 + 0.75 * 0.02)
    assert joined(spoken(neutral, angry))[0].seconds == pytest.approx(1.5 * (0.25 + 0.75 * 0.555), abs=0.001)
    assert joined(spoken(angry), floor=1.0)[0].seconds == pytest.approx(1.0)
    assert joined(spoken(angry), neutral=None)[0].seconds == pytest.approx(1.0)


def test_what_is_hardly_speech_joins_no_history() -> None:
    assert not joined(spoken(FLAT, known=0.4))
    assert joined(spoken(FLAT, known=0.6))
    assert not joined(SpokenUtterance())


# --- files


def test_an_enrolment_is_saved_and_read(tmp_path: Path) -> None:
    path = tmp_path / "me.voice"
    before = replace(statistics(value=0.3), pack="default 9", fusion="f00")
    before.save(path)
    after = SpeakerStatistics.load(path)
    for name in ("mean", "square", "voice", "seconds", "pack", "fusion"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": None}, "mean is not a file in the archive"),
        ({"mean": np.zeros(3)}, r"mean is float64 \[3\], not float32"),
        ({"voice": np.zeros((2, 2), np.float32)}, r"voice is float32 \[2, 2\]"),
        ({"square": np.ones(5, np.float32)}, "mean has 4 columns, square 5"),
        ({"voice": np.array([np.nan], np.float32)}, "voice holds NaN"),
        ({"seconds": 0.0}, "evidence of 0.0 seconds"),
        ({"fusion": None}, "an older streamser made it, which did not note the pack"),
        ({"mean": np.array([{}], object)}, "Object arrays cannot be loaded"),
    ],
)
def test_an_enrolment_that_is_none(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    whole = {"mean": np.ones(4, np.float32), "square": np.ones(4, np.float32), "voice": np.ones(2, np.float32), "seconds": 3.0}
    whole |= {"pack": "default 9", "fusion": "f00"}
    np.savez(tmp_path / "bad.npz", **{name: value for name, value in (whole | change).items() if value is not None})
    with pytest.raises(UsageError, match=rf"bad\.npz cannot be read .*{message}.*make it again"):
        SpeakerStatistics.load(tmp_path / "bad.npz")


def test_an_enrolment_that_is_missing_or_another_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.npz cannot be read \(No such file"):
        SpeakerStatistics.load(tmp_path / "nowhere.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("what?")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("one.npy", "text.npz", "empty.npz", "torn.npz"):
        with pytest.raises(UsageError, match=f"{name} cannot be read"):
            SpeakerStatistics.load(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be written"):
        statistics().save(tmp_path / "no" / "folder")


# --- whole streams


@cache
def example() -> np.ndarray:
    """Two utterances, the first 0.5 to 6 s."""
    return np.concatenate([piece.samples[:, 0] for piece in open_file(EXAMPLE) if isinstance(piece, Block)])[: 9 * SAMPLE_RATE]


@cache
def shared() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_history_graph(tmp_path / "fusion.onnx")


def recognizer(graph: Path, history: HistorySettings | None = ONE_VOICE, **options: Any) -> Recognizer:
    default = shared()
    ensemble = Ensemble(open_session(graph), LABELS, "mean", {"step": 0.3, "utterance": 0.3}, history=history, **options)
    return Recognizer(replace(default.pack, name="toy"), default.features, ensemble)


def heard(stream: Stream, samples: np.ndarray, block: int | None = None) -> list[Event]:
    length = block or len(samples)
    events = [event for start in range(0, len(samples), length) for event in stream.feed(samples[start : start + length])]
    return events + stream.finish()


def steps(events: list[Event]) -> list[dict[str, float]]:
    return [event.probabilities for event in events if isinstance(event, EmotionEvent) and event.probabilities]


def told(events: list[Event]) -> list[dict[str, Any]]:
    return [{**event.to_dict(), "real_time_factor": None} for event in events]


def test_an_utterance_is_compared_with_those_before_it_and_never_with_itself(graph: Path) -> None:
    with_history = heard(recognizer(graph).stream(transcript=False), example())
    without = heard(recognizer(graph, history=None).stream(transcript=False), example())
    ends = [event.end for event in without if isinstance(event, UtteranceEvent)]
    assert len(ends) == 2
    spoken_steps = [event for event in without if isinstance(event, EmotionEvent) and event.state == "speech"]
    first = sum(event.start < ends[0] for event in spoken_steps)
    assert 3 < first < len(spoken_steps) - 2
    assert steps(with_history)[:first] == steps(without)[:first]
    assert all(ours != theirs for ours, theirs in zip(steps(with_history)[first:], steps(without)[first:], strict=True))


def test_any_split_gives_the_same_events_with_a_history(graph: Path) -> None:
    toy = recognizer(graph)
    whole = told(heard(toy.stream(transcript=False), example()))
    for block in (320, 5333):
        assert told(heard(toy.stream(transcript=False), example(), block)) == whole


def test_a_voice_too_far_from_those_before_it_is_judged_as_if_it_were_the_first(graph: Path) -> None:
    strict = recognizer(graph, HistorySettings(0.25, 1e-6)).stream(transcript=False)
    without = recognizer(graph, history=None).stream(transcript=False)
    assert told(heard(strict, example())) == told(heard(without, example()))
    assert len(strict._judge.voices.histories) == 2


@pytest.mark.parametrize(("seconds", "remembered"), [(1.0, True), (3.0, False)])
def test_a_long_gap_forgets_what_was_heard_but_not_who_was_enrolled(graph: Path, seconds: float, remembered: bool) -> None:
    enrolled = replace(statistics(), fusion=shared().pack.components["fusion"].sha256)
    for enrolment in (None, enrolled):
        stream = recognizer(graph).stream(transcript=False, enrolment=enrolment)
        stream.feed(example())
        assert any(history is not enrolled for history in stream._judge.voices.histories)
        stream.gap(seconds, "device")
        after = stream._judge.voices.histories
        assert any(history is not enrolled for history in after) == remembered
        assert len(after) >= (enrolment is not None)


def test_an_utterance_cut_at_its_limit_joins_too(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamser.segmenter.MAX_UTTERANCE", to_samples(2.0))
    monkeypatch.setattr("streamser.segmenter.CUT_SEARCH", to_samples(0.5))
    stream = recognizer(graph).stream(transcript=False)
    stream.feed(example()[: to_samples(4.0)])
    assert stream._features.segmenter.utterance is not None  # the speaker has not paused yet
    assert 0.25 < stream._judge.voices.histories[0].seconds < 3


def test_the_evidence_is_the_speech_that_was_heard_by_how_neutral_it_was(graph: Path) -> None:
    stream = recognizer(graph, HistorySettings(1.0, ALIKE)).stream(transcript=False, window=2.0)
    events = heard(stream, example())
    said = sum(event.end - event.start for event in events if isinstance(event, UtteranceEvent))
    assert 0.75 * said < stream._judge.voices.histories[0].seconds <= 1.05 * said


def test_what_is_hardly_speech_is_uncertain_and_is_not_remembered(tmp_path: Path) -> None:
    sure, unsure = (write_history_graph(tmp_path / f"{known}.onnx", known) for known in (1.0, 0.2))
    plain = heard(recognizer(sure, HistorySettings(0.25, 1e-6)).stream(transcript=False), example())
    stream = recognizer(unsure).stream(transcript=False)
    doubted = heard(stream, example())
    assert not stream._judge.voices.histories
    assert steps(doubted) == steps(plain)
    for event, other in zip(plain, doubted, strict=True):
        if isinstance(event, (EmotionEvent, UtteranceEvent)) and event.confidence is not None:
            assert isinstance(other, (EmotionEvent, UtteranceEvent))
            assert event.label != "uncertain"
            assert other.label == "uncertain"
            assert other.confidence == pytest.approx(0.2 * event.confidence, abs=1e-4)


def test_an_enrolment_counts_from_the_first_step(graph: Path, tmp_path: Path) -> None:
    toy = recognizer(graph)
    samples = example()[: 3 * SAMPLE_RATE]
    enrolment = toy.enrol(example())
    assert 5 < enrolment.seconds < 9
    enrolment.save(tmp_path / "me.npz")
    cold = heard(toy.stream(transcript=False), samples)
    warm = heard(toy.stream(transcript=False, enrolment=enrolment), samples)
    assert steps(warm)[0] != steps(cold)[0]
    assert told(heard(toy.stream(transcript=False, enrolment=tmp_path / "me.npz"), samples)) == told(warm)


def test_a_person_is_enrolled_from_a_recording_as_from_its_samples(graph: Path) -> None:
    toy = recognizer(graph)
    whole = np.concatenate([piece.samples[:, 0] for piece in open_file(EXAMPLE) if isinstance(piece, Block)])
    by_file, by_samples = toy.enrol(EXAMPLE), toy.enrol(whole)
    assert np.array_equal(by_file.mean, by_samples.mean)
    assert by_file.seconds == by_samples.seconds


def test_too_little_speech_enrols_nobody(graph: Path) -> None:
    toy = recognizer(graph)
    with pytest.raises(UsageError, match=r"needs 3 seconds of speech, and 0\.0 were heard"):
        toy.enrol(np.zeros(4 * SAMPLE_RATE, np.float32))
    with pytest.raises(UsageError, match=r"needs 3 seconds of speech, and [12]\."):
        toy.enrol(example()[: to_samples(2.8)])


def test_an_enrolment_with_another_pack_names_both(graph: Path) -> None:
    toy = recognizer(graph)
    for made, message in (
        ("early 0.1", rf"made with another pack, early 0\.1, and this is toy {toy.pack.version}: enrol again"),
        (f"toy {toy.pack.version}", rf"and this toy {toy.pack.version} has other weights: enrol again"),
        ("", "one that it does not name"),
    ):
        with pytest.raises(UsageError, match=message):
            toy.stream(enrolment=replace(statistics(), pack=made, fusion="f00" if made else ""))


def test_a_device_that_was_away_does_not_spoil_an_enrolment(graph: Path) -> None:
    class Interrupted:
        """Two stretches of speech with a minute lost between them."""

        name, seconds, channels = "a microphone", None, 1

        def __iter__(self) -> Iterator[Piece]:
            yield Block(example()[:, None])
            yield Lost(60.0, "device")
            yield Block(example()[: to_samples(4.0), None])

        def close(self) -> None:
            return

    before = recognizer(graph).enrol(example()).seconds
    enrolment = recognizer(graph).enrolment()
    counted = list(enrolment.hear(Interrupted()))
    kept = enrolment.statistics().seconds
    assert kept > before + 2
    assert counted == sorted(counted)
    assert counted[-1] == pytest.approx(kept, abs=0.3)  # what is shown is what counts


def test_what_is_hardly_speech_is_not_counted_as_speech(tmp_path: Path) -> None:
    enrolment = recognizer(write_history_graph(tmp_path / "noise.onnx", known=0.2)).enrolment()
    assert set(enrolment.hear(open_file(EXAMPLE))) == {0.0}


def test_a_pack_that_remembers_no_voices_takes_no_enrolment(graph: Path) -> None:
    forgetful = recognizer(graph, history=None)
    with pytest.raises(UsageError, match="pack toy: the pack remembers no voices"):
        forgetful.stream(enrolment=statistics())
    with pytest.raises(UsageError, match="toy remembers no voices"):
        forgetful.enrol(example())


def test_a_graph_with_half_a_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="only some of the inputs and outputs of a history"):
        recognizer(write_history_graph(tmp_path / "fusion.onnx", leave_out="voice"))


def test_importing_the_history_imports_neither_audio_nor_networks() -> None:
    program = "import sys, streamser.speaker_history; sys.exit(bool({'onnxruntime', 'av', 'ctranslate2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
