"""Random channels: the same for all clips of a session, another for another, and harmless to length and range."""

import numpy as np
import pytest

from train.augmentation import channel
from train.augmentation.channel import CODECS, EFFECTS, through_channel, through_codec


@pytest.fixture(autouse=True)
def no_recorded_noise(monkeypatch):
    monkeypatch.setitem(EFFECTS, "noise", channel.floor)  # recorded noise needs the data folder


def tone(seconds: float) -> np.ndarray:
    time = np.arange(int(16_000 * seconds)) / 16_000
    return (0.2 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def test_a_channel_is_fixed_by_its_seed_keeps_the_length_and_differs_between_seeds():
    samples = tone(1.3)
    heard = {seed: through_channel(samples, [1, seed]) for seed in range(12)}
    for changed in heard.values():
        assert changed.shape == samples.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1
    assert np.array_equal(heard[3], through_channel(samples, [1, 3]))
    assert len({changed.tobytes() for changed in heard.values()}) == 12


def test_clips_of_different_length_meet_the_same_microphone():
    long, short = tone(2.0), tone(1.0)
    rng = [np.random.default_rng(5) for _ in range(2)]
    gains = [np.abs(np.fft.rfft(channel.response(samples, each))) for samples, each in zip((long, short), rng, strict=True)]
    at_220 = [gains[0][440] / np.abs(np.fft.rfft(long))[440], gains[1][220] / np.abs(np.fft.rfft(short))[220]]
    assert at_220[0] == pytest.approx(at_220[1], rel=0.05)


@pytest.mark.parametrize("name", [name for name, _, _ in CODECS])
def test_a_codec_gives_back_a_like_signal_of_the_same_length(name):
    found = next(entry for entry in CODECS if entry[0] == name)
    samples = tone(1.0)
    back = through_codec(samples, found[0], found[1], found[2][1])
    assert back.shape == samples.shape
    before, after = (np.abs(np.fft.rfft(values[4000:12000])) for values in (samples, back))
    assert np.corrcoef(before, after)[0, 1] > 0.9
    assert not np.array_equal(back, samples)
