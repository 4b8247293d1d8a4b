"""Low-rank factors beside the frozen weights of Whisper's blocks (LoRA, Hu et al. 2021, arXiv 2106.09685, section 4.1).

A linear map W x becomes W x + B (A x), with A and B of a small rank; B starts at zero, so that tuning starts from Whisper itself.
Only the factors are stored: the weights stay those of the user's copy of Whisper.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.encoders.whisper_wheels import Block

RANK = 16
LINEAR = ("queries_keys_values", "attention_output", "widen", "narrow")  # the linear maps of a block


class LowRank(nn.Module):
    """A frozen linear map and the factors beside it: down float32 [rank, inputs], up float32 [outputs, rank]."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, frozen.in_features) / math.sqrt(frozen.in_features))
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., inputs] -> float32 [..., outputs]."""
        learned: Tensor = self.frozen(x) + F.linear(F.linear(x, self.down), self.up)
        return learned


def add_factors(block: Block, rank: int = RANK) -> None:
    """Freeze a block, in place, and put fresh factors beside each of its linear maps."""
    block.requires_grad_(False)
    for name in LINEAR:
        setattr(block, name, LowRank(getattr(block, name), rank))


def factors_of(block: Block) -> dict[str, tuple[Tensor, Tensor]]:
    """(down, up) by the name of the linear map, of a block with factors."""
    found = {}
    for name in LINEAR:
        linear = getattr(block, name)
        assert isinstance(linear, LowRank)
        found[name] = (linear.down.detach().clone(), linear.up.detach().clone())
    return found
