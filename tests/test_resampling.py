"""What the way to 16 kHz holds back, keeps and takes away."""

from __future__ import annotations

import numpy as np
import pytest

from streamser.audio.resample import Resampler


def resampled(rate: int, samples: np.ndarray, block: int) -> tuple[np.ndarray, list[float]]:
    """float32 [m] at 16 kHz, and the seconds that were held back after each block."""
    resampler, found, held = Resampler(rate, 1, "mix"), [], []
    for start in range(0, len(samples), block):
        found.append(resampler.feed(samples[start : start + block, None]))
        held.append(resampler.delay)
    return np.concatenate([*found, resampler.flush()])[:, 0], held


def gain(rate: int, hertz: float) -> float:
    """Decibels of a sine after it was resampled, without its ends."""
    sine = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
    middle = resampled(rate, sine, rate // 50)[0][2000:-2000]
    return float(20 * np.log10(np.sqrt(2 * np.mean(middle.astype(np.float64) ** 2)) + 1e-12))


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 47_999, 48_000, 96_000, 192_000])
def test_a_tone_comes_out_in_time_and_whole(rate: int) -> None:
    angle = 2 * np.pi * 1000 / rate
    found, _ = resampled(rate, np.sin(angle * np.arange(rate)).astype(np.float32), 1023)
    assert len(found) == pytest.approx(16_000, abs=1)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(found)) / 16_000)
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=1e-4)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_little_is_held_back_and_never_in_bursts(rate: int) -> None:
    held = resampled(rate, np.zeros(2 * rate, np.float32), 489)[1][10:]
    assert max(held) < 0.005
    assert max(held) - min(held) < 0.001


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_speech_is_kept_and_what_has_no_place_at_16_khz_is_gone(rate: int) -> None:
    assert all(abs(gain(rate, hertz)) < 0.05 for hertz in (100, 3000, 7200))
    assert all(gain(rate, hertz) < -90 for hertz in (8200, 9000, 12_000, 20_000))


def test_after_a_flush_a_new_stretch_begins() -> None:
    resampler = Resampler(48_000, 2, "split")
    assert resampler.flush().shape == (0, 2)
    samples = np.random.default_rng(0).normal(0, 0.1, (4800, 2)).astype(np.float32)
    first, second = (np.concatenate([resampler.feed(samples), resampler.flush()]) for _ in range(2))
    assert first.shape == (1600, 2)
    np.testing.assert_array_equal(first, second)
    assert resampler.delay == 0
