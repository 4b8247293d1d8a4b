"""The front end that published CED weights expect: 64 HTK mel bands in decibels every 10 ms, from 16 kHz.

torchaudio's MelSpectrogram (512-sample periodic Hann window, hop 160, centred with a mirrored edge, power, peaks of 1, no
area norm) and AmplitudeToDB(top_db=120), from their definitions (method.md 4). torchaudio takes the 120 dB from the
maximum of the whole batch, so one loud moment moves the floor of every quiet frame, before it too, and of the clips beside
it. Here that is an option, for parity; the default is a constant floor, so that a frame depends on its own 32 ms alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from streamser.errors import AudioError

SAMPLE_RATE = 16_000
FFT_SIZE = 512
HOP = 160
MEL_BANDS = 64
HIGHEST_HZ = 8000.0
# AmplitudeToDB's own least power, 1e-10: so recordings whose loudest band stays under +20 dB have the published floor too.
FLOOR_DB = -100.0
PUBLISHED_RANGE_DB = 120.0


def mel_filterbank() -> Tensor:
    """Triangles between points equally spaced in HTK mels, 2595 log10(1 + f / 700): float32 [257, 64], peaks of 1.

    Computed in float32 as torchaudio does: beside a loud harmonic, the rounding of a triangle's foot is worth 0.002 dB.
    """
    mels = torch.linspace(0.0, 2595.0 * math.log10(1.0 + HIGHEST_HZ / 700.0), MEL_BANDS + 2)
    points = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    frequencies = torch.linspace(0.0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)[:, None]
    widths = points.diff()
    return torch.minimum((frequencies - points[:-2]) / widths[:-1], (points[2:] - frequencies) / widths[1:]).clamp(min=0.0)


class PublishedMel(nn.Module):
    """Samples -> decibels. `relative_floor` is the published clamp, 120 dB under the loudest value of the whole batch."""

    window: Tensor
    filterbank: Tensor

    def __init__(self, relative_floor: bool = False) -> None:
        super().__init__()
        self.relative_floor = relative_floor
        self.register_buffer("window", torch.hann_window(FFT_SIZE), persistent=False)
        self.register_buffer("filterbank", mel_filterbank(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """float32 [B, n], 16 kHz, -1 to 1 -> float32 [B, 64, 1 + n // 160] decibels; frame i is centred on sample 160 i.

        Raises:
            AudioError: too few samples to mirror half a window, 257.
        """
        if samples.shape[-1] <= FFT_SIZE // 2:
            raise AudioError(
                f"the recording has {samples.shape[-1]} samples at 16 kHz, fewer than the {FFT_SIZE // 2 + 1} that a spectrum "
                "needs: pad it with silence"
            )
        spectrum = torch.stft(samples, FFT_SIZE, HOP, FFT_SIZE, self.window, center=True, pad_mode="reflect", return_complex=True)
        power = self.filterbank.T @ spectrum.abs().square()
        decibels = 10.0 * torch.log10(power.clamp(min=10.0 ** (FLOOR_DB / 10.0)))
        return torch.maximum(decibels, decibels.amax() - PUBLISHED_RANGE_DB) if self.relative_floor else decibels
