"""F0 as nodes: raw through a 1-D CNN, or quantised and looked up in a table (method.md 1.4, 1.5, 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from streamser.features.quantised_f0 import F0Quantiser
from train.systems.config import FeatureConfig

RAW_SCALE = 200.0  # Hz: voices are of order one
KERNEL = 5  # frames of 20 ms


def interpolated(f0: Tensor, mask: Tensor) -> Tensor:
    """Unvoiced frames on the straight line between their voiced neighbours, edges held, a row at a time.

    Args:
        f0: float [B, m] Hz, 0 unvoiced.
        mask: bool [B, m]; frames outside neither give nor get pitch.

    Returns:
        float [B, m], 0 outside the mask, and everywhere in a row without any voiced frame.
    """
    frames = f0.shape[1]
    index = torch.arange(frames, device=f0.device)
    voiced = (f0 > 0) & mask
    before = torch.where(voiced, index, -1).cummax(1).values
    after = torch.where(voiced, index, frames).flip(1).cummin(1).values.flip(1)
    # Where there is no voiced frame on one side, the other side's is held.
    left = torch.where(before < 0, after, before).clamp(max=frames - 1)
    right = torch.where(after >= frames, before, after).clamp(min=0)
    low, high = f0.gather(1, left), f0.gather(1, right)
    share = (index - left) / (right - left).clamp(min=1)
    return torch.where(mask & voiced.any(1, keepdim=True), low + (high - low) * share, 0.0)


def quantised(f0: Tensor, quantiser: F0Quantiser) -> Tensor:
    """`F0Quantiser.encode` in torch: float Hz, any shape, 0 or less or not a number unvoiced -> int64 tokens."""
    hertz = torch.nan_to_num(f0.double(), nan=0.0)
    lowest = 1127 * torch.log1p(torch.tensor(quantiser.f0_min / 700, dtype=torch.float64, device=f0.device))
    place = (1127 * torch.log1p(hertz.clamp(min=0) / 700) - lowest) / quantiser.step_mel + 1
    tokens = torch.floor(place + 0.5).clamp(1, quantiser.bins - 1)
    return torch.where(hertz > 0, tokens, quantiser.unvoiced).long()


class QuantisedF0(nn.Module):
    """A table of bins + 1 rows. Padding has the last, as in the paper's code; without masks it counts in the mean.

    Interpolated, unvoiced frames have no token of their own; in a clip without any voice they share the lowest pitch's.
    """

    def __init__(self, config: FeatureConfig, width: int) -> None:
        super().__init__()
        self.interpolated = config.f0_interpolated
        unvoiced = 1 if config.f0_interpolated else 0
        self.quantiser = F0Quantiser(config.f0_bins, config.f0_low, config.f0_high, unvoiced)
        self.table = nn.Embedding(config.f0_bins + 1, width)

    def forward(self, f0: Tensor, mask: Tensor, masked: bool) -> Tensor:
        """f0: float [B, m] Hz; mask: bool [B, m]. Returns nodes, float [B, m, width]."""
        tokens = quantised(interpolated(f0, mask) if self.interpolated else f0, self.quantiser)
        return self.table(torch.where(mask, tokens, self.quantiser.bins))


class RawF0(nn.Module):
    """Two convolutions over F0 (five frames each, ReLU). The paper names a 1-D CNN; its code has none, so the sizes are ours."""

    def __init__(self, config: FeatureConfig, width: int) -> None:
        super().__init__()
        self.interpolated = config.f0_interpolated
        self.narrow = nn.Conv1d(1, width // 4, KERNEL, padding="same")
        self.wide = nn.Conv1d(width // 4, width, KERNEL, padding="same")

    def forward(self, f0: Tensor, mask: Tensor, masked: bool) -> Tensor:
        """f0: float [B, m] Hz; mask: bool [B, m]. Returns nodes, float [B, m, width]."""
        pitch = interpolated(f0, mask) if self.interpolated else torch.where(mask, f0, 0.0)
        narrow = relu(self.narrow(pitch[:, None] / RAW_SCALE))
        if masked:  # or the first layer's biases in padding would reach the second
            narrow = narrow * mask[:, None]
        return relu(self.wide(narrow)).transpose(1, 2)


def build_prosody(config: FeatureConfig, width: int) -> QuantisedF0 | RawF0 | None:
    """The prosody of a configuration, or None."""
    if config.prosody == "none":
        return None
    return QuantisedF0(config, width) if config.prosody == "quantised" else RawF0(config, width)
