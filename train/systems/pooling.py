"""From a set of nodes to one vector: the mean, and attentive pooling with weights of its own for every channel.

A mask of None counts every node, padding too, as the paper's code does; of an empty set both give zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED = -1e4  # exp(MASKED) is exactly 0 in float32 and float16


def masked_softmax(scores: Tensor, mask: Tensor | None, dim: int = -1) -> Tensor:
    """Softmax over the entries where `mask` is True; zeros where none is. None: over all."""
    if mask is None:
        return torch.softmax(scores, dim)
    return torch.softmax(scores.masked_fill(~mask, MASKED), dim) * mask


def mean_over(x: Tensor, mask: Tensor | None) -> Tensor:
    """float [B, n, width], bool [B, n] -> the mean of the present nodes [B, width]."""
    if mask is None:
        return x.mean(1)
    # Not x * mask: rubbish in padding, infinite perhaps, must not come through.
    return x.masked_fill(~mask[:, :, None], 0.0).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class ChannelPooling(nn.Module):
    """Attentive pooling: a softmax over the nodes for every channel, of a linear map of all channels (method.md 1.5, step 5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """float [B, n, width], bool [B, n] -> [B, width]."""
        return (masked_softmax(self.score(x), None if mask is None else mask[:, :, None], 1) * x).sum(1)
