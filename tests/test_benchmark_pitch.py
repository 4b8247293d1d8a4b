"""The pitch benchmark: its measures are mir_eval's, nothing is fitted on what is scored, every tracker hears the same."""

import dataclasses
import importlib.util
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from benchmarks.pitch import command as pitch
from benchmarks.pitch import scores as pitch_scores
from benchmarks.pitch.material import Utterance, in_condition
from benchmarks.pitch.reading import FDA, SYNTHETIC, Speech, read
from benchmarks.pitch.scores import agreed, measures, sample, tally
from benchmarks.pitch.trackers import Track, Tracker, all_trackers, ours
from benchmarks.pitch.tracks import tracks
from benchmarks.pitch.verdicts import MEAN, differences, overall, verdicts
from streamser.clock import SAMPLE_RATE

MODEL = Path(__file__).parents[1] / "streamser" / "packs" / "default" / "pitch.onnx"


def random_track(generator: np.random.Generator, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A guess that is right, an octave off, elsewhere or missing, and a voicing flag."""
    factor = generator.choice([1.0, 1.01, 2.0, 0.5, 1.3, 0.0], len(truth), p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    hz = (np.where(truth > 0, truth, 150.0) * factor).astype(np.float32)
    return hz, (generator.random(len(truth)) < 0.7) & (hz > 0)


@pytest.mark.parametrize("seed", range(4))
def test_measures_are_those_of_mir_eval(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.where(generator.random(500) < 0.6, generator.uniform(80, 400, 500), 0).astype(np.float32)
    hz, called = random_track(generator, truth)
    found = measures(*tally(hz, called, truth))
    reference = mir_eval.melody.freq_to_voicing(truth.astype(float))
    estimate = mir_eval.melody.freq_to_voicing(hz.astype(float), called.astype(float))
    rows = (reference[1], mir_eval.melody.hz2cents(reference[0]), estimate[1], mir_eval.melody.hz2cents(estimate[0]))
    assert found.raw_pitch == pytest.approx(mir_eval.melody.raw_pitch_accuracy(*rows))
    assert found.raw_chroma == pytest.approx(mir_eval.melody.raw_chroma_accuracy(*rows))
    assert found.overall == pytest.approx(mir_eval.melody.overall_accuracy(*rows))
    assert found.octave_errors == pytest.approx(found.raw_chroma - found.raw_pitch)
    assert found.voicing_recall == pytest.approx(mir_eval.melody.voicing_measures(rows[0], rows[2])[0])
    assert found.voicing_precision == pytest.approx((called & (truth > 0)).sum() / called.sum())


def test_sampling_interpolates_in_cents_but_not_over_jumps_or_holes() -> None:
    track = Track(np.array([0.0, 0.01, 0.02, 0.03]), np.array([100, 102, 204, 0], np.float32), np.array([1, 0, 1, 0], np.float32))
    hz, confidence = sample(track, 4, 0.007, 0.0)
    assert hz == pytest.approx([100, 100 * 1.02**0.7, 102, 204])
    assert confidence.tolist() == [1, 0, 0, 1]
    assert sample(track, 1, 0.01, 0.01)[0] == pytest.approx([102])
    assert sample(track, 1, 0.01, 9.0)[0] == pytest.approx([0])


def contour(seed: int) -> np.ndarray:
    """200 frames at 10 ms, the middle half of them voiced and moving fast."""
    times = np.arange(200) * 0.01
    hz = 180 * 2 ** (0.5 * np.sin(2 * np.pi * 4 * times + seed))
    return np.where((times > 0.5) & (times < 1.5), hz, 0).astype(np.float32)


def pretended(name: str, late: float, wrong: float, look_ahead: float | None) -> Tracker:
    """A tracker that reads the truth from the audio, `late` seconds late, with some frames wrong."""

    def run(audio: np.ndarray) -> Track:
        truth = contour(int(audio[0]))
        generator = np.random.default_rng(int(audio[0]))
        hz = np.where(truth > 0, truth, 100.0)
        hz[generator.random(len(hz)) < wrong] *= 1.5
        sure = np.where(truth > 0, 0.8, 0.4) + 0.05 * generator.random(len(truth))
        return Track(np.arange(len(truth)) * 0.01 + late, hz.astype(np.float32), sure.astype(np.float32))

    return Tracker(name, "", look_ahead, (0.1, 0.5, 0.6, 0.9), (run,))


def pretended_speech() -> Speech:
    """Twelve utterances a set; their audio says only which they are."""
    sets = {
        name: [
            Utterance(f"{name}{number}", "ab"[number % 2], number // 2, np.full(16, number, np.float32), contour(number), 0.01)
            for number in range(12)
        ]
        for name in (FDA, SYNTHETIC)
    }
    return Speech(sets, {(name, condition): [each.audio for each in sets[name]] for name in sets for condition in pitch.CONDITIONS})


def test_shift_is_fitted_and_thresholds_come_from_even_files_only() -> None:
    speech = pretended_speech()
    reading = read(pretended("late", 0.012, 0.0, None), speech)
    assert reading.shift == pytest.approx(0.012, abs=0.005)  # what 50 cents leave open
    assert reading.tracker.thresholds[reading.level] in (0.5, 0.6)
    assert measures(*reading.tallies(speech, FDA, "clean")).overall > 0.98
    # A threshold that only the scored files would want is not chosen.
    spoilt = [dataclasses.replace(each, truth=each.truth if each.number % 2 == 0 else 0 * each.truth) for each in speech.sets[FDA]]
    speech.sets[FDA][:] = spoilt
    again = read(pretended("late", 0.012, 0.0, None), speech)
    assert again.level == reading.level
    assert {spoilt[index].number % 2 for index in speech.scored(FDA)} == {1}
    assert not set(speech.scored(FDA)) & set(speech.fitting())


def test_verdicts_follow_the_paired_differences() -> None:
    speech = pretended_speech()
    mine, same, better, worse = (
        read(pretended(*settings), speech)
        for settings in (("mine", 0, 0.2, 62.0), ("same", 0, 0.2, 40.0), ("better", 0, 0.0, None), ("worse", 0, 0.6, 64.0))
    )

    def bars(readings: list) -> tuple[dict, list[tuple[str, bool]]]:
        accuracy = overall(readings, speech, FDA)
        ahead = differences(accuracy, "mine")
        return ahead, verdicts(readings, accuracy, ahead)

    ahead, lines = bars([mine, same, worse])
    assert ahead["same", MEAN].word == "tied"
    assert ahead["worse", "clean"].word == "better"
    assert ahead["worse", MEAN].low > 0
    assert [met for _, met in lines] == [True, True, True, True, False]  # a draw on the mean is not best of all
    ahead, lines = bars([mine, worse, better])
    assert ahead["better", "0 dB"].high < 0
    assert [met for line, met in lines if "within 1 point" in line] == [False] * 3
    assert not lines[-1][1]
    assert bars([mine, worse])[1][-1][1]


def test_noise_is_the_same_at_every_level_and_as_loud_as_said() -> None:
    generator = np.random.default_rng(0)
    audio = (0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    low = (0.1 * np.sin(2 * np.pi * 100 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    utterance = Utterance("x", "a", 1, audio + low, np.zeros(100, np.float32), 0.01)
    noises = [generator.standard_normal(5000).astype(np.float32) for _ in range(3)]
    loud, quiet = (in_condition(utterance, condition, noises) - utterance.audio for condition in ("0 dB", "20 dB"))
    assert np.mean(utterance.audio**2) == pytest.approx(np.mean(loud**2), rel=1e-3)
    assert loud == pytest.approx(10 * quiet, abs=1e-4)
    other = dataclasses.replace(utterance, name="y")
    assert np.corrcoef(in_condition(other, "0 dB", noises) - utterance.audio, loud)[0, 1] < 0.5
    telephone = in_condition(utterance, "telephone", noises)
    middle = slice(2000, -2000)
    assert telephone[middle] == pytest.approx(audio[middle], abs=5e-3)  # 100 Hz is gone, 1 kHz untouched and not late


def test_peers_tracks_are_kept_until_the_audio_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    heard: list[float] = []

    def run(audio: np.ndarray) -> Track:
        heard.append(float(audio[0]))
        return Track(np.arange(3) * 0.01, np.full(3, audio[0], np.float32), np.ones(3, np.float32))

    utterance = Utterance("x", "a", 1, np.zeros(4, np.float32), np.zeros(3, np.float32), 0.01)
    peer = Tracker("peer", "peer-1.0", None, (0.5, 0.6), (run, run))
    first = tracks(peer, utterance, "5 dB", np.full(4, 7, np.float32))
    again = tracks(peer, utterance, "5 dB", np.full(4, 7, np.float32))
    assert heard == [7, 7]  # once for each of two runs
    assert [track.hz.tolist() for track in first] == [track.hz.tolist() for track in again] == [[7, 7, 7]] * 2
    tracks(peer, utterance, "5 dB", np.full(4, 8, np.float32))
    tracks(dataclasses.replace(peer, key="peer-1.1"), utterance, "5 dB", np.full(4, 7, np.float32))
    assert len(heard) == 6
    mine = dataclasses.replace(peer, key="", runs=(run,))
    for _ in range(2):
        tracks(mine, utterance, "5 dB", np.full(4, 7, np.float32))
    assert len(heard) == 8


def test_agreement_needs_all_voices_close_or_all_silent() -> None:
    hz = [np.array(row, np.float32) for row in ([200, 200, 200, 0, 0], [201, 202, 210, 0, 150], [199, 201, 201, 0, 0])]
    voiced, silent = agreed([(row, row > 0) for row in hz])
    assert voiced.tolist() == [True, True, False, False, False]
    assert silent.tolist() == [False, False, False, True, False]


def test_says_which_trackers_did_not_run_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found, missing = all_trackers(MODEL)
    assert [tracker.name for tracker in found] == ["streamser"]
    assert len(missing) == 7
    assert any("penn" in line and "pip install" in line for line in missing)
    assert "not run: harvest: left out by --without" in all_trackers(MODEL, ["harvest"])[1]
    with pytest.raises(SystemExit, match="crepes"):
        all_trackers(MODEL, ["crepes"])


def test_ours_guesses_everywhere_and_is_never_cached() -> None:
    tracker = ours(MODEL)
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    audio = sum(0.05 * np.cos(2 * np.pi * 200 * number * times) for number in range(1, 10)).astype(np.float32)
    track = tracker.runs[0](audio)
    hz, confidence = sample(track, 60, 0.015, 0.0)
    assert tracker.key == ""
    assert tracker.look_ahead_ms is not None
    assert tracker.look_ahead_ms <= 64
    assert (hz > 0).all()
    assert np.median(np.abs(1200 * np.log2(hz / 200))) < 20
    assert np.median(confidence) > 0.5
    assert len(track.times) >= 100


def test_too_few_utterances_are_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pitch", "--limit", "2"])
    with pytest.raises(SystemExit) as stopped:
        pitch.main()
    assert stopped.value.code == 2
    assert "--limit" in capsys.readouterr().err


def test_interval_holds_the_middle() -> None:
    low, high = pitch_scores.interval(np.arange(1001) / 1000)
    assert (low, high) == (pytest.approx(0.025), pytest.approx(0.975))
