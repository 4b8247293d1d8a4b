"""The front end of published CED weights against an independent formula, and what its floor depends on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from streamser.errors import AudioError
from train.spectral.published_mel import FLOOR_DB, PublishedMel


def decibels_by_definition(samples: np.ndarray) -> np.ndarray:
    """One frame and one band at a time, in float64: [n] -> [64, frames]."""
    padded = np.pad(samples.astype(np.float64), 256, mode="reflect")
    window = np.sin(np.pi * np.arange(512) / 512) ** 2
    # Rounded as torchaudio rounds them: the foot of a triangle matters beside a loud band.
    mels = np.linspace(0.0, 2595.0 * np.log10(1.0 + 8000.0 / 700.0), 66).astype(np.float32)
    points = (np.float32(700.0) * (np.float32(10.0) ** (mels / np.float32(2595.0)) - np.float32(1.0))).astype(np.float64)
    bands = [np.interp(np.arange(257) * 31.25, points[band : band + 3], [0.0, 1.0, 0.0]) for band in range(64)]
    frames = []
    for start in range(0, len(padded) - 511, 160):
        power = np.abs(np.fft.rfft(padded[start : start + 512] * window)) ** 2
        frames.append([10.0 * np.log10(max(1e-10, float(band @ power))) for band in bands])
    return np.array(frames).T


@pytest.mark.parametrize("samples", [257, 2400, 8077])
def test_the_mel_follows_the_definition(samples: int) -> None:
    sound = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1
    expected = decibels_by_definition(sound)
    decibels = PublishedMel()(torch.from_numpy(sound)[None])[0].numpy()
    assert decibels.shape == (64, 1 + samples // 160)
    assert np.abs(decibels - expected).max() < 1e-4
    # The published clamp changes nothing while the range stays under 120 dB.
    assert np.array_equal(PublishedMel(relative_floor=True)(torch.from_numpy(sound)[None])[0].numpy(), decibels)


def test_silence_lies_on_the_floor() -> None:
    assert torch.all(PublishedMel()(torch.zeros(1, 3200)) == FLOOR_DB)


def test_the_published_clamp_is_120_db_under_the_loudest() -> None:
    samples = torch.zeros(1, 16_000)
    samples[:, :4000] = torch.sin(torch.arange(4000) * 2 * torch.pi * 1000 / 16_000)
    decibels = PublishedMel(relative_floor=True)(samples)
    assert float(decibels.max()) > 30.0
    assert float(decibels.min()) == pytest.approx(float(decibels.max()) - 120.0, abs=1e-4)


def quiet_then(loud: float) -> Tensor:
    """Two clips [2, 32000]: faint noise, and the first has a burst from 1.5 s on."""
    samples = torch.randn(2, 32_000, generator=torch.Generator().manual_seed(1)) * 1e-5
    samples[0, 24_000:] += loud * torch.sin(torch.arange(8000) * 2 * torch.pi * 440 / 16_000)
    return samples


def test_a_loud_event_changes_neither_quiet_frames_nor_other_clips() -> None:
    before = PublishedMel()(quiet_then(0.0))
    after = PublishedMel()(quiet_then(1.0))
    far = (24_000 - 256) // 160  # frames whose window ends before the burst
    assert torch.equal(after[0, :, :far], before[0, :, :far])
    assert torch.equal(after[1], before[1])
    # The published clamp moves both: otherwise this sound would show nothing.
    clamped = PublishedMel(relative_floor=True)
    assert not torch.equal(clamped(quiet_then(1.0))[0, :, :far], clamped(quiet_then(0.0))[0, :, :far])
    assert not torch.equal(clamped(quiet_then(1.0))[1], clamped(quiet_then(0.0))[1])


def test_too_few_samples_to_mirror_are_an_error() -> None:
    with pytest.raises(AudioError, match=r"256 samples .* pad it"):
        PublishedMel()(torch.zeros(1, 256))
