"""Graph attention on the fully connected graph of a modality's nodes, without ever building a tensor of n x n x width.

GAT (Velickovic et al. 2018, arXiv 1710.10903): the score of an edge, LeakyReLU(a . [W h_i || W h_j]), is LeakyReLU(s_i + t_j)
with s = a_1 . W h and t = a_2 . W h: the same number from n + n dot products. GATv2 (Brody et al. 2022, arXiv 2105.14491),
a . LeakyReLU(W_r h_i + W_s h_j), does not come apart so, and is computed some receivers at a time.

Whatever is larger than a block is computed in blocks of receivers, which the backward pass computes again instead of keeping.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, leaky_relu
from torch.utils.checkpoint import checkpoint

from train.systems.config import FusionConfig
from train.systems.pooling import masked_softmax

SLOPE = 0.2  # of LeakyReLU below zero
BLOCK = 2**24  # numbers of a block's largest tensor: 64 MiB. From 32 on, glibc gives memory back; below, its heap grew to 4 GB


class GraphAttention(nn.Module):
    """GAT with heads side by side (each width / heads wide). No residual, bias or activation, as the paper's code has it.

    block: numbers of the largest tensor, above which the receivers are taken in parts; 0: never, for graphs to be exported.
    """

    def __init__(self, width: int, heads: int = 1, block: int = 0) -> None:
        super().__init__()
        self.heads, self.block = heads, block
        self.weight = nn.Linear(width, width, bias=False)
        self.receiver = nn.Parameter(torch.randn(width) / math.sqrt(width // heads))
        self.sender = nn.Parameter(torch.randn(width) / math.sqrt(width // heads))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: float [B, n, width]; mask: bool [B, n], nodes that may be heard. Returns the new nodes, same shape."""
        values = self.weight(x)
        heard = None if mask is None else mask[:, None, :]
        if self.heads == 1 and not self.block:
            # The default pack's members: in this order of sums they are trained to the very bits that ship.
            scores = (values @ self.receiver)[:, :, None] + (values @ self.sender)[:, None, :]
            return masked_softmax(leaky_relu(scores, SLOPE), heard) @ values
        values = values.unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, heads, n, width / heads]
        received = torch.einsum("bhnd,hd->bhn", values, self.receiver.unflatten(0, (self.heads, -1)))
        sent = torch.einsum("bhnd,hd->bhn", values, self.sender.unflatten(0, (self.heads, -1)))

        def some(receivers: Tensor, sent: Tensor, values: Tensor) -> Tensor:
            scores = leaky_relu(receivers[..., None] + sent[:, :, None, :], SLOPE, inplace=True)
            return masked_softmax(scores, None if heard is None else heard[:, None]) @ values

        rows = self.block // sent.numel() if self.block else received.shape[2]
        return in_blocks(some, received, rows, sent, values).transpose(1, 2).flatten(2)


class GraphAttention2(nn.Module):
    """GATv2: the nonlinearity comes before the dot product, so that which node is heard most depends on the receiver."""

    def __init__(self, width: int, heads: int = 1, block: int = BLOCK) -> None:
        super().__init__()
        self.heads, self.block = heads, block
        self.receive = nn.Linear(width, width, bias=False)
        self.send = nn.Linear(width, width, bias=False)
        self.attention = nn.Parameter(torch.randn(width) / math.sqrt(width // heads))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: float [B, n, width]; mask: bool [B, n], nodes that may be heard. Returns the new nodes, same shape."""
        received, sent = (part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.receive, self.send))
        attention = self.attention.reshape(self.heads, 1, -1, 1)

        def some(receivers: Tensor, sent: Tensor, attention: Tensor) -> Tensor:
            pairs = leaky_relu(receivers[:, :, :, None] + sent[:, :, None], SLOPE, inplace=True)
            scores = (pairs @ attention)[..., 0]
            return masked_softmax(scores, None if mask is None else mask[:, None, None, :]) @ sent

        return in_blocks(some, received, self.block // sent.numel(), sent, attention).transpose(1, 2).flatten(2)


def in_blocks(some: Callable[..., Tensor], receivers: Tensor, rows: int, *others: Tensor) -> Tensor:
    """`some(receivers, *others)` over at most `rows` (at least one) receivers, dimension 2, at a time."""
    parts = receivers.split(max(1, rows), dim=2)
    if len(parts) == 1:
        return some(receivers, *others)
    # Nothing inside draws random numbers, so none need be kept for the second computation.
    return torch.cat([checkpoint(some, part, *others, use_reentrant=False, preserve_rng_state=False) for part in parts], dim=2)


class GraphLayers(nn.Module):
    """No, one or more graph attentions with an ELU between them (as Velickovic et al. have it), none behind the last.

    Without `graph_residual`, on a full graph whose scores are still small, every node becomes nearly the mean of all.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        width, heads = config.width, config.graph_heads
        if width % heads:
            raise SystemExit(f"fusion.width {width} is no multiple of fusion.graph_heads {heads}: change one of them")
        attention = GraphAttention if config.graph_attention == "gat" else GraphAttention2
        self.layers = nn.ModuleList(attention(width, heads, BLOCK) for _ in range(config.graph_layers))
        self.residual = config.graph_residual

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: float [B, n, width]; mask: bool [B, n]. Returns the new nodes, same shape."""
        for index, layer in enumerate(self.layers):
            found = layer(x if index == 0 else elu(x), mask)
            x = x + found if self.residual else found
        return x
