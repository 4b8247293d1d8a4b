"""A causal, streaming RMVPE: log-mel -> U-Net over frequency -> forward GRU -> 360 bins of 20 cents.

After Wei et al. 2023 (RMVPE, arXiv 2306.15412). Theirs pools time, looks 15 s ahead and reads the GRU both ways; here the
time grid is kept, convolutions see only the past, and the answer for a frame is given `DELAY` frames later, which is all
the future it knows besides half an analysis window.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MELS = 128
BINS = 360
DELAY = 3
CHANNELS = (16, 32, 32, 48, 64)  # multiples of 16: onnxruntime works on blocks of 16
HIDDEN = 192
READOUT = 3  # channels that leave the U-Net, as RMVPE's


def convolution(inputs: int, outputs: int, time: int) -> nn.Sequential:
    """A `time` x 3 convolution, padded in frequency only, then batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, (time, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class CausalBlock(nn.Module):
    """A residual block whose first convolution also sees the two frames before."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, 3)
        self.second = convolution(outputs, outputs, 1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, frames: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """frames f32[B, C, T, F], past f32[B, C, 2, F] -> (f32[B, C', T, F], the new past)."""
        joined = torch.cat([past, frames], dim=2)
        return self.second(self.first(joined)) + self.shortcut(frames), joined[:, :, -2:]


class Decoder(nn.Module):
    """Up by two in frequency, add the encoder's frames, one convolution over frequency."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, (1, 2), stride=(1, 2))
        self.mix = convolution(outputs, outputs, 1)

    def forward(self, frames: Tensor, skip: Tensor) -> Tensor:
        """frames f32[B, C, T, F], skip f32[B, C', T, 2F] -> f32[B, C', T, 2F]."""
        joined = self.up(frames) + skip
        return joined + self.mix(joined)


class PitchNetwork(nn.Module):
    """Log-mel frames and the state so far -> a logit per 20 cent bin, and the state to go on from."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(1)
        bands = [MELS >> level for level in range(len(channels))]
        inputs = (1, *channels[:-1])
        self.encoder = nn.ModuleList(CausalBlock(here, there) for here, there in zip(inputs, channels, strict=True))
        self.pool = nn.AvgPool2d((1, 2))
        self.decoder = nn.ModuleList(
            Decoder(deep, shallow) for deep, shallow in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.readout = nn.Conv2d(channels[0], READOUT, (1, 3), padding=(0, 1))
        self.gru = nn.GRU(READOUT * MELS, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(hidden, BINS)
        nn.init.constant_(self.output.bias, -4.0)  # almost all bins are empty: start there
        self.shapes = [(there, 2, width) for there, width in zip(inputs, bands, strict=True)]
        self.sizes = [math.prod(shape) for shape in self.shapes] + [hidden]

    @property
    def state_size(self) -> int:
        """Numbers a stream keeps between calls."""
        return sum(self.sizes)

    def initial_state(self, batch: int = 1) -> Tensor:
        """f32[batch, state_size] of zeros: a stream that has heard nothing."""
        return torch.zeros(batch, self.state_size)

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by T frames.

        Args:
            mel: f32[B, T, 128], natural log.
            state: f32[B, state_size], from `initial_state` or the last call.

        Returns:
            (logits f32[B, T, 360], of which row t speaks of frame t - DELAY; the new state).
        """
        *pasts, memory = state.split(self.sizes, dim=1)
        frames = self.normalise(mel.unsqueeze(1))
        kept: list[Tensor] = []
        skips: list[Tensor] = []
        for level, (block, past, shape) in enumerate(zip(self.encoder, pasts, self.shapes, strict=True)):
            if level:
                frames = self.pool(frames)
            frames, past = block(frames, past.reshape(-1, *shape))
            kept.append(past.flatten(1))
            skips.append(frames)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=True):
            frames = block(frames, skip)
        rows = self.readout(frames).permute(0, 2, 1, 3).flatten(2)
        rows, memory = self.gru(rows, memory.unsqueeze(0))
        return self.output(self.dropout(rows)), torch.cat([*kept, memory.squeeze(0)], dim=1)
