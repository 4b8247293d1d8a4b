"""The spectral encoder at its seams: the shipped graph and the mel front end, on sounds made here."""

from __future__ import annotations

from pathlib import Path

import faster_whisper
import numpy as np
import pytest

import streamser
from streamser.errors import PackError
from streamser.features.spectral import SpectralEncoder
from streamser.features.spectral_mel import (
    COLUMN_SAMPLES,
    FLOOR_DB,
    LOOK_AHEAD,
    column_decibels,
    columns_decibels,
    htk_filterbank,
)

PACK_FILE = Path(streamser.__file__).parent / "packs" / "default" / "spectral.onnx"


@pytest.fixture(scope="module")
def encoder() -> SpectralEncoder:
    return SpectralEncoder.load(PACK_FILE)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """7 s: a buzzing glide in bursts over faint noise, so that it is longer than the 4 s that attention reaches."""
    rng = np.random.default_rng(3)
    t = np.arange(7 * 16_000) / 16_000
    glide = sum(np.sin(2 * np.pi * k * (120 * t + 15 * t**2)) / k for k in range(1, 20))
    return (0.1 * glide * (np.sin(2 * np.pi * 3 * t) > 0) + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def columns_of(encoder: SpectralEncoder, sound: np.ndarray, block: int) -> np.ndarray:
    stream = encoder.stream()
    return np.concatenate([stream.feed(sound[begin : begin + block]) for begin in range(0, len(sound), block)])


@pytest.mark.parametrize("block", [160, 997, 8000, 2560 * 3])
def test_any_split_gives_the_same_bits(encoder: SpectralEncoder, sound: np.ndarray, block: int) -> None:
    whole = encoder.stream().feed(sound)
    assert np.array_equal(columns_of(encoder, sound, block), whole)
    assert whole.shape == ((len(sound) - LOOK_AHEAD) // COLUMN_SAMPLES, encoder.width)
    assert whole.dtype == np.float32


def test_a_column_comes_out_exactly_when_its_look_ahead_is_in(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    stream = encoder.stream()
    assert len(stream.feed(sound[: COLUMN_SAMPLES + LOOK_AHEAD - 1])) == 0
    assert len(stream.feed(sound[COLUMN_SAMPLES + LOOK_AHEAD - 1 : COLUMN_SAMPLES + LOOK_AHEAD])) == 1
    assert len(stream.feed(np.zeros(0, np.float32))) == 0


def test_later_sound_changes_no_earlier_column(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    column = 20
    changed = sound.copy()
    changed[(column + 1) * COLUMN_SAMPLES + LOOK_AHEAD :] = 0.5
    before, after = encoder.stream().feed(sound), encoder.stream().feed(changed)
    assert np.array_equal(before[: column + 1], after[: column + 1])
    assert not np.allclose(before[column + 1], after[column + 1])


def test_the_past_is_heard(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    """A column is not a function of its own 160 ms: the cache must be in use."""
    begin = 22 * COLUMN_SAMPLES
    alone = encoder.stream().feed(sound[begin:])
    assert np.abs(encoder.stream().feed(sound)[22 + 3] - alone[3]).max() > 1e-2


def test_an_empty_cache_is_not_a_cache_of_silence(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    """The places that no column has filled must be masked, whatever stands in them."""
    fresh, dirty = encoder.stream(), encoder.stream()
    dirty._past[:] = 7.0
    assert np.array_equal(fresh.feed(sound[:16_000]), dirty.feed(sound[:16_000]))


def test_reset_is_a_fresh_stream(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    stream = encoder.stream()
    stream.feed(sound[:70_001])
    stream.reset()
    assert np.array_equal(stream.feed(sound), encoder.stream().feed(sound))


def test_streams_of_one_encoder_do_not_mix(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    one, other = encoder.stream(), encoder.stream()
    woven = []
    for begin in range(0, len(sound), 4000):
        woven.append(one.feed(sound[begin : begin + 4000]))
        other.feed(-0.3 * sound[::-1][begin : begin + 4000])
    assert np.array_equal(np.concatenate(woven), encoder.stream().feed(sound))


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-30])
def test_constant_input_stays_finite(encoder: SpectralEncoder, value: float) -> None:
    assert np.isfinite(encoder.stream().feed(np.full(80_000, value, np.float32))).all()


def test_a_bad_sample_does_not_poison_what_follows(encoder: SpectralEncoder, sound: np.ndarray) -> None:
    broken, mended = sound.copy(), sound.copy()
    broken[1000:1003] = [np.nan, np.inf, -np.inf]
    mended[1000:1003] = 0.0
    assert np.array_equal(encoder.stream().feed(broken), encoder.stream().feed(mended))


def test_front_end_is_its_definition(sound: np.ndarray) -> None:
    """Frame by frame in float64 with a plain DFT: frame i centred on sample 160 i, zeros before the start."""
    padded = np.concatenate([np.zeros(256), sound.astype(np.float64), np.zeros(512)])
    window = np.hanning(513)[:-1]

    def mel(hertz: float) -> float:
        return float(2595.0 * np.log10(1.0 + hertz / 700.0))

    corners = np.linspace(0.0, mel(8000.0), 66)
    got = columns_decibels(sound)
    assert got.shape == ((len(sound) - LOOK_AHEAD) // COLUMN_SAMPLES, 16, 64)
    for frame in (0, 1, 15, 16, 200, 401):
        power = np.abs(np.fft.fft(padded[frame * 160 : frame * 160 + 512] * window)[:257]) ** 2
        for band in (0, 1, 7, 30, 63):
            low, peak, high = 700.0 * (10.0 ** (corners[band : band + 3] / 2595.0) - 1.0)
            energy = 0.0
            for k in range(257):
                hertz = k * 31.25
                if low < hertz <= peak:
                    energy += power[k] * (hertz - low) / (peak - low)
                elif peak < hertz < high:
                    energy += power[k] * (high - hertz) / (high - peak)
            expected = 10.0 * np.log10(max(energy, 10.0 ** (FLOOR_DB / 10.0)))
            assert got[frame // 16, frame % 16, band] == pytest.approx(expected, abs=2e-3)


def test_the_floor_does_not_follow_the_loudest_frame() -> None:
    quiet = 1e-3 * np.sin(2 * np.pi * 440 * np.arange(2912) / 16_000).astype(np.float32)
    loud = np.concatenate([quiet, np.ones(32_000, np.float32)])
    assert np.array_equal(columns_decibels(quiet)[0], columns_decibels(loud)[0])
    assert column_decibels(np.zeros(2912, np.float32)) == pytest.approx(FLOOR_DB)


def test_a_tone_lands_in_its_band() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(2912) / 16_000).astype(np.float32)
    assert set(column_decibels(tone)[4:].argmax(axis=1)) == {int(htk_filterbank()[32].argmax())}


def test_a_wrong_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"missing.*none\.onnx"):
        SpectralEncoder.load(tmp_path / "none.onnx")
    other = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
    with pytest.raises(PackError, match="not a streaming spectral encoder"):
        SpectralEncoder.load(other)
