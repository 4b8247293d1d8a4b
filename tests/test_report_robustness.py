"""Perturbations do what they are named for; what they change is counted as ser-tests count it."""

from collections.abc import Iterable

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from streamser.clock import SAMPLE_RATE
from train.corpora import LABELS, TRAINING_CORPORA
from train.features import Collection
from train.metrics import UNDECIDED
from train.report import robustness
from train.report.perturbations import PHONE, SMALL, Effect, added, babble, background, interruption, power, room
from train.report.published import ROBUSTNESS, Published
from train.report.robustness import Decided, markdown, measure, spoken_clips


def voice(seconds: float = 1.5, seed: int = 0) -> np.ndarray:
    """Harmonics of 150 Hz that swell and fade, a pause in the middle: float32."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 150 * number * time + number + seed) / number for number in range(1, 12))
    envelope = np.where(np.abs(time - seconds / 2) < 0.15, 0, 0.1 + 0.1 * np.sin(2 * np.pi * 3 * time))
    return (0.3 * tones * envelope).astype(np.float32)


def snr_db(samples: np.ndarray, changed: np.ndarray) -> float:
    return 10 * np.log10(power(samples) / power(changed - samples))


@pytest.mark.parametrize("effect", SMALL, ids=lambda effect: effect.name)
def test_small_changes_are_small_and_no_less_than_that(effect):
    samples = voice()
    changed = effect.change(samples, np.random.default_rng(3))
    assert changed.dtype == np.float32
    assert changed.shape != samples.shape or not np.array_equal(changed, samples)
    assert abs(len(changed) - len(samples)) <= 1000
    assert abs(10 * np.log10(power(changed) / power(samples))) < 2.5
    assert np.array_equal(changed, effect.change(samples, np.random.default_rng(3)))


def test_zeros_and_cuts_leave_the_rest_alone():
    samples, changes = voice(), {effect.name: effect.change for effect in SMALL}
    before = changes["zeros before"](samples, np.random.default_rng(1))
    count = len(before) - len(samples)
    assert count in (100, 500, 1000)
    assert not before[:count].any()
    assert np.array_equal(before[count:], samples)
    cut = changes["beginning cut"](samples, np.random.default_rng(1))
    assert np.array_equal(cut, samples[-len(cut) :])
    assert np.array_equal(changes["end cut"](samples, np.random.default_rng(1)), samples[: len(cut)])


def test_a_background_lies_as_far_below_the_voice_as_asked_for():
    samples, rng = voice(), np.random.default_rng(0)
    hum = rng.standard_normal(3000).astype(np.float32)
    assert snr_db(samples, background([hum], 20.0)(samples, rng)) == pytest.approx(20, abs=0.5)
    quiet = samples * np.float32(0.01)
    assert snr_db(quiet, background([hum], 5.0)(quiet, rng)) == pytest.approx(5, abs=0.5)
    voices = [voice(0.7, seed) * 10.0**-seed for seed in range(9)]
    assert snr_db(samples, babble(voices, 20.0)(samples, rng)) == pytest.approx(20, abs=0.5)


def test_a_cough_comes_once_and_without_its_own_silence():
    samples = voice(3.0)
    cough = np.pad(np.random.default_rng(0).standard_normal(3200).astype(np.float32), (8000, 8000))
    changed = interruption([cough], 10.0)(samples, np.random.default_rng(5))
    heard = np.flatnonzero(np.abs(changed - samples) > 1e-6)
    assert 3000 <= np.ptp(heard) + 1 <= 3200
    assert len(changed) == len(samples)


def test_what_hangs_over_the_end_is_cut():
    assert len(added(np.ones(1000, np.float32), np.ones(600, np.float32), 10.0, 700)) == 1000


def test_a_telephone_leaves_its_band_and_hisses_above():
    samples = voice() + 0.02 * np.sin(2 * np.pi * 6000 / SAMPLE_RATE * np.arange(24000)).astype(np.float32)
    heard = PHONE.change(samples, np.random.default_rng(0))
    assert len(heard) == len(samples)
    assert np.abs(heard).max() > 0.9
    shares = [np.abs(np.fft.rfft(entry)) ** 2 for entry in (samples, heard)]
    at = 6000 * len(samples) // SAMPLE_RATE
    before, after = (entry[at - 20 : at + 20].sum() / entry.sum() for entry in shares)
    assert after < before / 10
    levels = [np.mean(entry.reshape(-1, 480) ** 2, 1) for entry in (voice(), heard)]
    assert np.corrcoef(*levels)[0, 1] > 0.8


def test_a_room_begins_with_the_direct_sound():
    response = np.zeros(4000, np.float32)
    response[500], response[2500] = 1.0, 0.5
    samples = voice()
    wet = room(response)(samples, np.random.default_rng(0))
    assert power(wet) == pytest.approx(power(samples), rel=0.01)
    assert np.corrcoef(wet[:2000], samples[:2000])[0, 1] > 0.999  # before the echo
    assert not np.allclose(wet, samples, atol=1e-3)


def sides(samples: Iterable[np.ndarray]) -> Decided:
    """Decides by level: silence is no speech, loud is label 1; the loudest are `uncertain`."""
    level = np.array([float(np.abs(entry).max()) for entry in samples])
    winner = np.where(level == 0, UNDECIDED, (level > 0.5).astype(int))
    return Decided(winner, np.where(level > 0.9, UNDECIDED, winner))


def test_what_changes_is_counted_and_held_against_the_bars():
    clips = [np.full(10, level, np.float32) for level in (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.85, 0.0)]
    truth = np.array([0] * 4 + [1] * 4 + [0])
    effects = [
        Effect("nothing", "small", lambda samples, rng: samples),
        Effect("louder", "background", lambda samples, rng: samples * np.float32(1.3)),
        Effect("all loud", "phone", lambda samples, rng: samples * 0 + np.float32(0.95)),
    ]
    found = measure(clips, [str(number) for number in range(9)], truth, effects, sides)
    assert (found["clips"], found["without_speech"], found["uar"]) == (8, 1, 1.0)
    nothing, louder, loud = (found["effects"][effect.name] for effect in effects)
    assert (nothing["unchanged"], nothing["passed"]) == (1.0, True)
    assert (louder["changed_clips"], louder["unchanged"], louder["uar_change"], louder["passed"]) == (1, 0.875, -0.125, False)
    assert louder["emitted_unchanged"] == pytest.approx(0.5)  # one changed, three became uncertain
    assert (loud["unchanged"], loud["uar_change"], loud["passed"]) == (0.5, -0.5, False)
    text = markdown(found | {"split": "test", "corpora": ["made up"]})
    assert "| louder | 0.875 | -0.125 | 0.500 | no | - | - |" in text
    assert "1 of 1 passed" in text
    assert text.startswith("### ")


def test_clips_without_any_speech_are_an_error():
    with pytest.raises(SystemExit, match="no speech"):
        measure([np.zeros(10, np.float32)], ["a"], np.array([0]), list(SMALL), sides)


def test_what_is_random_is_drawn_the_same_whatever_the_order():
    first = robustness.generator("a.ogg", "tone").random(3)
    assert np.array_equal(first, robustness.generator("a.ogg", "tone").random(3))
    assert not np.array_equal(first, robustness.generator("b.ogg", "tone").random(3))
    assert not np.array_equal(first, robustness.generator("a.ogg", "gain").random(3))


def test_clips_are_drawn_evenly_over_labels(tmp_path, monkeypatch):
    test = Collection("ravdess", "test")
    context = made_up_context(write_graph(tmp_path), monkeypatch, made_up_inputs(test, clips=2))
    chosen = spoken_clips(context, test, 14)
    assert sorted(place for _, place in chosen) == sorted([*range(len(LABELS))] * 2)
    assert len({clip.path for clip, _ in chosen}) == 14
    assert chosen == spoken_clips(context, test, 14)


def test_the_published_passes_follow_from_the_published_figures():
    assert ROBUSTNESS["tone"].passes(0.95, None) == "4 of 5"
    assert ROBUSTNESS["telephone (AMR)"].passes(0.5, -0.05) == "4 of 5"  # not CREMA-D: -0.09
    assert ROBUSTNESS["cough 10 dB"].passes(0.9, -0.05) == "0 of 5"
    assert Published((0.9, 0.95)).range() == "0.90-0.95"


def test_every_effect_of_the_report_has_a_published_figure(monkeypatch):
    monkeypatch.setattr(robustness, "read_corpus", lambda *_: [])
    monkeypatch.setattr(robustness, "drawn", lambda *_: [])
    monkeypatch.setattr(robustness, "recorded_noise", lambda held_out: [])
    monkeypatch.setattr(Collection, "clips", lambda self: [])
    names = {effect.name for effect in (*SMALL, *robustness.backgrounds("validation"), PHONE)}
    assert names == set(ROBUSTNESS) - {"room"}
    assert len(TRAINING_CORPORA) == 4
