"""The front end of the published RMVPE weights, against its definition."""

import numpy as np
import pytest
import scipy.signal

from streamser.errors import UsageError
from train.pitch.published_mel import HOP, WINDOW, log_mel, mel_filters, pad_frames

RATE = 16_000


def by_definition(audio: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram from scipy's spectrogram and triangles computed one number at a time. [n, 128]"""
    window = scipy.signal.get_window("hann", WINDOW)
    _, _, spectrum = scipy.signal.stft(audio.astype(np.float64), RATE, window, WINDOW, WINDOW - HOP, boundary="even", padded=False)
    magnitude = np.abs(spectrum).T * window.sum()
    corners = [
        700 * (10 ** ((a + (b - a) * k / 129) / 2595) - 1)
        for a, b in [(2595 * np.log10(1 + 30 / 700), 2595 * np.log10(1 + 8000 / 700))]
        for k in range(130)
    ]
    filters = np.zeros((513, 128))
    for band in range(128):
        left, peak, right = corners[band : band + 3]
        for fft_bin in range(513):
            hertz = fft_bin * 15.625
            if left < hertz < right:
                height = (hertz - left) / (peak - left) if hertz <= peak else (right - hertz) / (right - peak)
                filters[fft_bin, band] = height * 2 / (right - left)
    return np.log(np.maximum(magnitude @ filters, 1e-5))


def test_front_end_is_the_one_the_weights_expect() -> None:
    generator = np.random.default_rng(0)
    times = np.arange(12_345) / RATE
    audio = (0.3 * np.sin(2 * np.pi * 1000 * times) + 0.01 * generator.standard_normal(len(times))).astype(np.float32)
    mel = log_mel(audio)
    assert mel.shape == (12_345 // 160 + 1, 128)
    np.testing.assert_allclose(mel, by_definition(audio), atol=1e-4)


def test_filters_have_equal_area_and_magnitude_is_not_squared() -> None:
    areas = mel_filters().sum(axis=0) * RATE / WINDOW
    np.testing.assert_allclose(areas[40:], 1, atol=0.05)  # below, a triangle spans too few FFT bins for a sum to be its area
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    loud, quiet = log_mel(tone.astype(np.float32)), log_mel((tone / 10).astype(np.float32))
    assert (loud - quiet)[50].max() == pytest.approx(np.log(10), abs=1e-3)
    assert log_mel(np.zeros(RATE, np.float32)).max() == pytest.approx(np.log(1e-5))


def test_unscaled_and_many_channelled_samples_are_refused() -> None:
    for audio in (np.zeros(1000, np.int16), np.zeros((1000, 2), np.float32)):
        with pytest.raises(UsageError, match="full scale 1"):
            log_mel(audio)  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "padded"), [(1, 32), (5, 32), (32, 32), (33, 64), (70, 96)])
def test_time_is_reflected_up_to_a_multiple(count: int, padded: int) -> None:
    mel = np.repeat(np.arange(count, dtype=np.float32)[:, None], 128, axis=1)
    rows = pad_frames(mel, 32)[:, 0]
    assert len(rows) == padded
    period = max(2 * (count - 1), 1)
    assert [min(at % period, period - at % period) if count > 1 else 0 for at in range(padded)] == rows.tolist()
