"""What happens to a waveform in training: how much, how long, and never with what is kept for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from train.augmentation.waveform import EFFECTS, GAIN_DB, REVERBERATION, SNR_DB, SPEEDS, augment, gain, looped, mixed, room, speed
from train.augmentation.waveform import noise as with_noise
from train.augmentation.waveform import telephone as by_telephone

RATE = 16_000
SEEDS = range(12)


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def strongest(samples: np.ndarray) -> float:
    """The frequency of the strongest line, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


@pytest.fixture
def noise_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root whose training noise hums at 3 kHz and whose test noise hums at 1 kHz."""
    (tmp_path / "corpora").mkdir()
    (tmp_path / "noise").mkdir()
    for name, hertz in (("cafe-2019-08-19_13.47.324", 3000), ("street-2019-08-19_10.08.061", 3000)):
        soundfile.write(tmp_path / "noise" / f"{name}.flac", 0.5 * tone(hertz, 0.7), RATE)
    for name in ("cafe-2019-08-19_14.02.4618", "traffic", "noise2", "train-331801", "street-2019-08-19_10.10.431"):
        soundfile.write(tmp_path / "noise" / f"{name}.flac", 0.5 * tone(1000, 0.7), RATE)
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("snr_db", [-3.0, 0.0, 12.0, 30.0])
def test_a_mixture_has_the_ratio_that_was_asked_for(snr_db: float) -> None:
    voice = np.concatenate([np.zeros(3200, np.float32), 0.3 * tone(200), np.zeros(12_800, np.float32)])
    background = np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    added = mixed(voice, background, snr_db) - voice
    # The pauses do not count: the voice's level is that of its tone.
    assert 10 * np.log10(power(0.3 * tone(200)) / power(added)) == pytest.approx(snr_db, abs=0.15)


def test_a_silent_or_very_short_clip_survives_every_effect(noise_folder: Path) -> None:
    for samples in (np.zeros(8000, np.float32), 0.1 * tone(300, 0.004), np.zeros(1, np.float32)):
        for seed in SEEDS:
            heard = augment(samples, EFFECTS, np.random.default_rng(seed), 1.0)
            assert heard.dtype == np.float32
            assert np.isfinite(heard).all()


def test_noise_lies_within_its_range_below_the_voice(noise_folder: Path) -> None:
    voice = 0.3 * tone(300)
    ratios = [10 * np.log10(power(voice) / power(with_noise(voice, np.random.default_rng(seed)) - voice)) for seed in range(30)]
    assert min(ratios) > SNR_DB[0] - 0.5
    assert max(ratios) < SNR_DB[1] + 0.5
    assert np.ptp(ratios) > 10


def test_noise_that_is_kept_for_tests_is_never_heard(noise_folder: Path) -> None:
    voice = 0.3 * tone(300)
    for seed in range(40):
        assert strongest(with_noise(voice, np.random.default_rng(seed)) - voice) == pytest.approx(3000, abs=30)


def test_a_folder_with_test_noise_alone_is_refused(noise_folder: Path) -> None:
    for name in ("cafe-2019-08-19_13.47.324", "street-2019-08-19_10.08.061"):
        (noise_folder / "noise" / f"{name}.flac").unlink()
    with pytest.raises(SystemExit, match="no noise that may train"):
        augment(tone(300), ("noise",), np.random.default_rng(0), 1.0)


def test_a_telephone_passes_its_band_alone() -> None:
    for seed in SEEDS:
        levels = [np.std(by_telephone(tone(hertz), np.random.default_rng(seed))[2000:-2000]) for hertz in (60.0, 1000.0, 6000.0)]
        assert levels[1] > 0.6
        assert max(levels[0], levels[2]) < 0.02


def test_half_of_all_calls_have_eight_bits_a_sample() -> None:
    voice = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    distinct = [len(np.unique(by_telephone(voice, np.random.default_rng(seed)))) for seed in range(20)]
    assert 4 <= sum(count <= 255 for count in distinct) <= 16
    assert max(distinct) > 10_000


def test_speed_changes_length_and_pitch_alike() -> None:
    voice = tone(400, 2.0)
    factors = []
    for seed in SEEDS:
        factor = np.random.default_rng(seed).uniform(*SPEEDS)
        heard = speed(voice, np.random.default_rng(seed))
        assert len(heard) == pytest.approx(len(voice) / factor, abs=2)
        assert strongest(heard[1000:-1000]) == pytest.approx(400 * factor, abs=2)
        factors.append(factor)
    assert min(factors) < 0.95
    assert max(factors) > 1.05


def test_a_room_rings_after_the_voice_and_only_after_it() -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[RATE // 2] = 1.0
    for seed in SEEDS:
        heard = room(click, np.random.default_rng(seed))
        assert len(heard) == len(click)
        assert np.abs(heard[: RATE // 2]).max() < 1e-5
        assert heard[RATE // 2] == pytest.approx(1.0, abs=1e-4)
        length = np.random.default_rng(seed).uniform(*REVERBERATION)
        tail = heard[RATE // 2 + 1 :]
        assert 0.03 < power(tail) * len(tail) < 1.05  # of the direct path's energy
        third = round(length * RATE / 3)
        fallen = 10 * np.log10(power(tail[:third]) / power(tail[third : 2 * third]))
        assert fallen == pytest.approx(20, abs=3)  # 60 dB over the whole of it
        assert np.abs(tail[round(length * RATE) + 1 :]).max() < 1e-5


def test_gain_stays_in_its_range_and_clips_at_full_scale() -> None:
    changes = [20 * np.log10(np.abs(gain(0.1 * tone(300), np.random.default_rng(seed))).max() / 0.1) for seed in range(30)]
    assert GAIN_DB[0] <= min(changes) < -10
    assert 0 < max(changes) <= GAIN_DB[1] + 0.01
    assert max(np.abs(gain(tone(300), np.random.default_rng(seed))).max() for seed in range(30)) == 1.0


def test_the_same_seed_gives_the_same_sound_whatever_the_order_of_names(noise_folder: Path) -> None:
    voice = 0.3 * tone(300)
    names = tuple(EFFECTS)
    first = augment(voice, names, np.random.default_rng(5), 0.7)
    assert np.array_equal(first, augment(voice, names[::-1], np.random.default_rng(5), 0.7))
    others = [augment(voice, names, np.random.default_rng(seed), 0.7) for seed in range(6, 10)]
    assert not any(len(first) == len(other) and np.array_equal(first, other) for other in others)
    assert np.array_equal(voice, 0.3 * tone(300))  # what was given is left alone


def test_share_is_how_often_an_effect_is_applied() -> None:
    voice = 0.1 * tone(300)
    assert all(augment(voice, ("gain",), np.random.default_rng(seed), 0.0) is voice for seed in SEEDS)
    changed = sum(augment(voice, ("gain",), np.random.default_rng(seed), 0.3) is not voice for seed in range(200))
    assert 35 <= changed <= 85


def test_an_unknown_effect_is_named() -> None:
    with pytest.raises(SystemExit, match=r"'reverb'.*room"):
        augment(tone(300), ("gain", "reverb"), np.random.default_rng(0), 0.5)


def test_a_short_recording_goes_round() -> None:
    recording = np.arange(5, dtype=np.float32)
    heard = looped(recording, 12, np.random.default_rng(3))
    assert len(heard) == 12
    assert set(np.mod(np.diff(heard), 5)) == {1.0}
