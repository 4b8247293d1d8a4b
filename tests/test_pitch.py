"""The pitch stream: the shipped network on sounds made here, whose pitch is known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import streamser
from streamser.errors import PackError
from streamser.features.mel import HOP
from streamser.features.pitch import PitchFrames, PitchTracker

RATE = 16_000
PACK = Path(streamser.__file__).parent / "packs" / "default" / "pitch.onnx"
Audio = NDArray[np.float32]


@pytest.fixture(scope="module")
def tracker() -> PitchTracker:
    return PitchTracker.load(PACK)


def voice(f0_hz: NDArray[np.float64], tilt: float = 1.0) -> Audio:
    """Harmonics up to 4 kHz under a contour given per sample."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    total = np.zeros(len(f0_hz))
    for number in range(1, 41):
        total += np.where(number * f0_hz < 4000, number**-tilt * np.cos(number * phase + number), 0.0)
    return (0.3 * total / np.abs(total).max()).astype(np.float32)


def whole(tracker: PitchTracker, audio: Audio) -> PitchFrames:
    return tracker.stream().feed(audio)


def in_blocks(tracker: PitchTracker, audio: Audio, sizes: list[int]) -> PitchFrames:
    stream = tracker.stream()
    parts, at, turn = [], 0, 0
    while at < len(audio):
        size = sizes[turn % len(sizes)]
        parts.append(stream.feed(audio[at : at + size]))
        at, turn = at + size, turn + 1
    return PitchFrames(np.concatenate([part.f0_hz for part in parts]), np.concatenate([part.salience for part in parts]))


def mixed_audio() -> Audio:
    generator = np.random.default_rng(3)
    sung = voice(180 * 2 ** (0.3 * np.sin(np.arange(2 * RATE) / 3000)))
    quiet = np.zeros(RATE // 2, dtype=np.float32)
    noise = 0.05 * generator.standard_normal(RATE // 2).astype(np.float32)
    return np.concatenate([quiet, sung, noise, sung[: RATE // 2], quiet])


@pytest.mark.parametrize("sizes", [[160], [8000], [1], [37, 1024, 0, 5001, 159]])
def test_any_split_into_blocks_gives_the_same_frames(tracker: PitchTracker, sizes: list[int]) -> None:
    audio = mixed_audio()[: RATE if sizes == [1] else None]
    once, split = whole(tracker, audio), in_blocks(tracker, audio, sizes)
    np.testing.assert_allclose(split.salience, once.salience, atol=1e-5)
    np.testing.assert_allclose(split.f0_hz, once.f0_hz, atol=1e-4, rtol=0)  # Hz


def test_same_blocks_give_the_same_bits_and_streams_do_not_mix(tracker: PitchTracker) -> None:
    audio = mixed_audio()
    alone = in_blocks(tracker, audio, [8000])
    one, other = tracker.stream(), tracker.stream()
    found = []
    for at in range(0, len(audio), 8000):
        found.append(one.feed(audio[at : at + 8000]).f0_hz)
        other.feed(np.full(777, 0.1, dtype=np.float32))
    assert np.array_equal(np.concatenate(found), alone.f0_hz)


def test_reset_forgets_everything(tracker: PitchTracker) -> None:
    stream = tracker.stream()
    audio = mixed_audio()
    first = stream.feed(audio)
    stream.reset()
    again = stream.feed(audio)
    assert np.array_equal(first.f0_hz, again.f0_hz)


def test_frames_come_out_as_soon_as_the_look_ahead_allows(tracker: PitchTracker) -> None:
    assert tracker.look_ahead <= 1024
    audio = mixed_audio()
    for frame in (0, 1, 50):
        fed = frame * HOP + tracker.look_ahead
        assert len(whole(tracker, audio[: fed - 1]).f0_hz) == frame
        assert len(whole(tracker, audio[:fed]).f0_hz) == frame + 1


def test_later_samples_cannot_change_a_frame(tracker: PitchTracker) -> None:
    audio = mixed_audio()
    changed = audio.copy()
    frame = 120
    end = frame * HOP + tracker.look_ahead
    changed[end:] = np.random.default_rng(0).standard_normal(len(audio) - end).astype(np.float32)
    before, after = whole(tracker, audio), whole(tracker, changed)
    np.testing.assert_array_equal(before.salience[: frame + 1], after.salience[: frame + 1])
    # The check can fail: the samples just before do matter, so the stated look-ahead is used and not merely an upper bound.
    changed[end - HOP : end] = 0.5
    assert not np.array_equal(before.salience[: frame + 1], whole(tracker, changed).salience[: frame + 1])


@pytest.mark.parametrize("hertz", [80.0, 110.0, 160.0, 233.0, 340.0, 500.0])
@pytest.mark.parametrize("tilt", [0.5, 1.0])
def test_steady_harmonics_have_their_pitch(tracker: PitchTracker, hertz: float, tilt: float) -> None:
    found = whole(tracker, voice(np.full(RATE, hertz), tilt)).f0_hz[10:]
    assert np.mean(found > 0) > 0.95
    cents = 1200 * np.log2(found[found > 0] / hertz)
    assert np.median(np.abs(cents)) < 15
    assert np.mean(np.abs(cents) < 30) > 0.95


@pytest.mark.parametrize(("low", "high"), [(90.0, 220.0), (350.0, 160.0)])
def test_glides_are_followed_in_time(tracker: PitchTracker, low: float, high: float) -> None:
    contour = np.geomspace(low, high, 2 * RATE)
    found = whole(tracker, voice(contour)).f0_hz
    frames = np.arange(10, len(found))
    cents = 1200 * np.log2(np.maximum(found[frames], 1) / contour[frames * HOP])
    assert np.mean(np.abs(cents) < 30) > 0.9


def test_level_does_not_matter(tracker: PitchTracker) -> None:
    for gain in (0.01, 0.1, 3.0):
        found = whole(tracker, gain * voice(np.full(RATE, 200.0))).f0_hz[10:]
        assert np.mean(np.abs(1200 * np.log2(np.maximum(found, 1) / 200)) < 30) > 0.9


def test_no_octave_errors_when_the_fundamental_is_missing(tracker: PitchTracker) -> None:
    times = np.arange(RATE) / RATE
    audio = sum(np.cos(2 * np.pi * 150 * number * times + number) / number for number in range(2, 20))
    found = whole(tracker, (0.2 * audio).astype(np.float32)).f0_hz[10:]
    assert np.mean(np.abs(1200 * np.log2(np.maximum(found, 1) / 150)) < 50) > 0.9


def test_silence_is_unvoiced(tracker: PitchTracker) -> None:
    assert not whole(tracker, np.zeros(3 * RATE, dtype=np.float32)).f0_hz.any()


@pytest.mark.parametrize("level", [1e-4, 0.01, 0.3])
def test_white_noise_is_unvoiced(tracker: PitchTracker, level: float) -> None:
    noise = level * np.random.default_rng(1).standard_normal(5 * RATE).astype(np.float32)
    assert np.mean(whole(tracker, noise).f0_hz > 0) < 0.01


def test_pitch_survives_noise_and_a_long_stream(tracker: PitchTracker) -> None:
    generator = np.random.default_rng(2)
    contour = 200 * 2 ** (0.4 * np.sin(np.arange(30 * RATE) / 9000))
    audio = voice(contour)
    noise = generator.standard_normal(len(audio)).astype(np.float32)
    noise *= np.sqrt(np.mean(audio**2) / np.mean(noise**2) / 10)  # 10 dB under the voice
    found = whole(tracker, audio + noise).f0_hz
    truth = contour[np.arange(len(found)) * HOP]
    close = np.abs(1200 * np.log2(np.maximum(found, 1) / truth)) < 50
    assert close[10:].mean() > 0.9
    assert close[-300:].mean() > 0.9


def test_a_file_that_is_no_pitch_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="missing"):
        PitchTracker.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with pytest.raises(PackError, match="not a readable"):
        PitchTracker.load(tmp_path / "bad.onnx")
