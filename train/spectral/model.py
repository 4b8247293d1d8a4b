"""A CED-type transformer that hears a stream: columns of 160 ms attend to themselves and to the 25 columns before them.

After CED (Dinkel et al. 2024, arXiv 2308.11957): 16x16 patches of 64 mel bands, so 4 patches a column, and a pre-norm ViT.
What differs: attention is causal by column, time enters as a learned bias on the distance between columns instead of
absolute positions, the batch norm before the patches is a fixed mean and deviation per band, and beside CED's one linear map
a patch passes four small convolutions inside its column: so few hours of audio teach a plain patch map very slowly.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softmax

PATCH = 16
MEL_BANDS = 64
BANDS = MEL_BANDS // PATCH  # patches in a column


STEM = (32, 64, 128)  # channels of the convolutions before the last, which has the network's width


@dataclass(frozen=True)
class SpectralSize:
    """Width, depth and heads: tiny, mini, small and base as CED names them, and the default pack's, half as deep as tiny."""

    width: int = 192
    depth: int = 12
    heads: int = 3
    past: int = 25


SIZES = {
    "half": SpectralSize(192, 6, 3),
    "tiny": SpectralSize(192, 12, 3),
    "mini": SpectralSize(256, 12, 4),
    "small": SpectralSize(384, 12, 6),
    "base": SpectralSize(768, 12, 12),
}


class Block(nn.Module):
    """Pre-norm attention and MLP (GELU, four times as wide)."""

    def __init__(self, size: SpectralSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.norm1 = nn.LayerNorm(size.width, eps=1e-6)
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.proj = nn.Linear(size.width, size.width)
        self.norm2 = nn.LayerNorm(size.width, eps=1e-6)
        self.fc1 = nn.Linear(size.width, 4 * size.width)
        self.fc2 = nn.Linear(4 * size.width, size.width)
        self.distance_bias = nn.Parameter(torch.zeros(size.heads, size.past + 1))

    def heads_of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, N, width] -> queries (scaled), keys, values, each [B, heads, N, width / heads]."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return qkv[0] * (width // self.heads) ** -0.5, qkv[1], qkv[2]

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Project what attention mixed, [B, heads, N, width / heads], and run the MLP."""
        x = x + self.proj(mixed.transpose(1, 2).reshape(x.shape))
        return x + self.fc2(gelu(self.fc1(self.norm2(x))))

    def forward(self, x: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
        """x [B, N, width]; distance int64 [N, N] in columns, clamped to 0..past; mask [N, N], 0 or -inf."""
        queries, keys, values = self.heads_of(x)
        scores = queries @ keys.transpose(-1, -2) + (self.distance_bias[:, distance] + mask)
        return self.finish(x, softmax(scores, dim=-1).to(values.dtype) @ values)

    def step(self, x: Tensor, past_keys: Tensor, past_values: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One column and its past, in few nodes: x [1, 4, width]; past [heads, 4 past, d]; bias [heads, 1, 4 past].

        Returns:
            The column and its keys and values [heads, 4, d].
        """
        head = x.shape[-1] // self.heads
        parts = self.qkv(self.norm1(x)).reshape(BANDS, 3 * self.heads, head).transpose(0, 1)
        queries, keys, values = parts.split(self.heads)
        queries = queries * head**-0.5
        own = queries @ keys.transpose(-1, -2) + self.distance_bias[:, :1, None]
        before = queries @ past_keys.transpose(-1, -2) + bias
        recent, old = softmax(torch.cat([own, before], dim=-1), dim=-1).split([BANDS, past_keys.shape[1]], dim=-1)
        return self.finish(x, (old @ past_values + recent @ values)[None]), keys, values


def halve(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """A 3x3 convolution to half the frames and half the bands, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


class SpectralEncoder(nn.Module):
    """Mel columns in decibels -> one vector a column: mean of its 4 patches after the last norm, spread evenly over directions."""

    mean: Tensor
    deviation: Tensor
    offset: Tensor
    spread: Tensor

    def __init__(self, size: SpectralSize) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(MEL_BANDS))
        self.register_buffer("deviation", torch.ones(MEL_BANDS))
        self.register_buffer("offset", torch.zeros(size.width))
        self.register_buffer("spread", torch.eye(size.width))
        self.patch = nn.Linear(PATCH * PATCH, size.width)
        channels = (1, *STEM, size.width)
        self.stem = nn.Sequential(*(stage for pair in itertools.pairwise(channels) for stage in halve(*pair)))
        self.band_position = nn.Parameter(torch.randn(BANDS, size.width) * 0.3)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        # Blocks begin as nothing: with ordinary weights all columns collapsed into one direction within 1000 steps.
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.proj.weight)
            nn.init.zeros_(block.fc2.weight)

    def patches(self, mel: Tensor) -> Tensor:
        """float [B, columns, 16, 64] decibels -> normalised patches [B, columns, 4, 256]."""
        batch, columns = mel.shape[:2]
        parts = ((mel - self.mean) / self.deviation).reshape(batch, columns, PATCH, BANDS, PATCH).transpose(2, 3)
        return parts.reshape(batch, columns, BANDS, PATCH * PATCH)

    @torch.no_grad()
    def start_from(self, mel: Tensor) -> None:
        """Fix the normalisation by training mels [B, columns, 16, 64] and begin with their principal patches, half whitened.

        Loudness is nine tenths of a patch's variance: from random weights it drowns everything else in the first norm, and
        all columns lie along one direction.
        """
        self.mean.copy_(mel.mean((0, 1, 2)))
        self.deviation.copy_(mel.std((0, 1, 2)))
        patches = self.patches(mel).flatten(0, 2)
        values, directions = torch.linalg.eigh(torch.cov(patches.T))
        values, directions = values.flip(0)[: self.size.width].clamp(min=1e-6), directions.flip(1)[:, : self.size.width]
        weight = directions.T * values[:, None] ** -0.25
        count = min(self.size.width, PATCH * PATCH)
        self.patch.weight[:count] = weight[:count] / values.sqrt().mean().sqrt()

    @torch.no_grad()
    def spread_columns(self, columns: Tensor) -> None:
        """Fix the last linear map by the columns [n, width] of training sounds, so that no few directions drown the rest.

        The heads learn on centred and scaled numbers and never ask for this; without it loudness is most of what the fusion's
        first layer meets. Directions weaker than a thousandth of the mean are not blown up to noise.
        """
        self.offset.copy_(columns.mean(0))
        values, directions = torch.linalg.eigh(torch.cov(columns.T).double())
        scales = (values.clamp(min=0) + 1e-3 * values.mean()) ** -0.5
        self.spread.copy_((directions * scales) @ directions.T)

    def plain_output(self) -> None:
        """Take the last map away again, as further training wants it."""
        self.offset.zero_()
        self.spread.copy_(torch.eye(self.size.width))

    def column_vectors(self, x: Tensor) -> Tensor:
        """What left the last block, [..., 4, width] -> [..., width]."""
        return (self.norm(x).mean(dim=-2) - self.offset) @ self.spread

    def tokens(self, mel: Tensor) -> Tensor:
        """float [B, columns, 16, 64] decibels -> [B, 4 columns, width]; the bands of a column lie side by side."""
        batch, columns = mel.shape[:2]
        plain = ((mel - self.mean) / self.deviation).reshape(batch * columns, 1, PATCH, MEL_BANDS)
        shaped = self.stem(plain).squeeze(2).transpose(1, 2).reshape(batch, columns, BANDS, -1)
        tokens = self.patch(self.patches(mel)) + shaped + self.band_position
        return tokens.reshape(batch, columns * BANDS, self.size.width)

    def forward(self, mel: Tensor, both_ways: bool = False) -> Tensor:
        """A whole recording: float [B, columns, 16, 64] -> [B, columns, width].

        Args:
            mel: decibels.
            both_ways: let columns attend as far ahead as back: the whole-clip network that the streaming one is measured
                against. Otherwise the mask is causal and the result is what `step` gives column by column.
        """
        columns = mel.shape[1]
        index = torch.arange(columns, device=mel.device).repeat_interleave(BANDS)
        distance = index[:, None] - index[None, :]
        if both_ways:
            distance = distance.abs()
        mask = torch.zeros(distance.shape, device=mel.device)
        mask = mask.masked_fill((distance < 0) | (distance > self.size.past), float("-inf"))
        distance = distance.clamp(0, self.size.past)
        x = self.tokens(mel)
        for block in self.blocks:
            x = block(x, distance, mask)
        return self.column_vectors(x.reshape(mel.shape[0], columns, BANDS, -1))

    def step(self, mel: Tensor, past: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        """One column of a stream.

        Args:
            mel: float [1, 1, 16, 64].
            past: keys and values of the columns before, in any order: float [depth, 2, heads, past, 4, width / heads].
            distance: int64 [past], how many columns ago each one was, 1..past; 0 for a place that is still empty.

        Returns:
            The column's vector [1, width] and its own keys and values [depth, 2, heads, 4, width / heads].
        """
        size = self.size
        # One gather and one split for all layers: a graph of a single column spends its time on small nodes.
        tables = torch.cat([block.distance_bias for block in self.blocks if isinstance(block, Block)])
        empty = torch.where(distance == 0, -1e9, 0.0)
        biases = (tables[:, distance] + empty).repeat_interleave(BANDS, dim=1)[:, None, :].split(size.heads)
        before = past.reshape(size.depth * 2 * size.heads, BANDS * size.past, -1).split(size.heads)
        x = self.tokens(mel)
        written = []
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x, keys, values = block.step(x, before[2 * index], before[2 * index + 1], biases[index])
            written += [keys, values]
        return self.column_vectors(x), torch.cat(written).reshape(size.depth, 2, size.heads, BANDS, -1)


class Student(nn.Module):
    """The encoder and, on 6-column means, what only training has: one linear head for each teacher.

    Linear, because what is kept is read by linear layers: the fusion's projection, a probe.
    """

    def __init__(self, size: SpectralSize, heads: dict[str, int]) -> None:
        """heads: the length of each head's answer by its name."""
        super().__init__()
        self.encoder = SpectralEncoder(size)
        # Columns share a large constant part: the heads see each number centred and scaled, or they would learn for ever.
        self.centre = nn.BatchNorm1d(size.width, affine=False)
        self.heads = nn.ModuleDict({name: nn.Linear(size.width, length) for name, length in heads.items()})

    def forward(self, mel: Tensor, window: int, hop: int, both_ways: bool = False) -> dict[str, Tensor]:
        """mel [B, columns, 16, 64] -> the heads' answers by name, each [B, windows, length]."""
        pooled = self.encoder(mel, both_ways).unfold(1, window, hop).mean(dim=-1)
        pooled = self.centre(pooled.flatten(0, 1)).reshape(pooled.shape)
        return {name: head(pooled) for name, head in self.heads.items()}


def envelope_statistics(mel: Tensor, window: int, hop: int) -> Tensor:
    """Mean, deviation and mean step of each band in a window: [B, columns, 16, 64] -> [B, windows, 192]."""
    frames = mel.unfold(1, window, hop).permute(0, 1, 4, 2, 3).flatten(2, 3)
    return torch.cat([frames.mean(2), frames.std(2), frames.diff(dim=2).abs().mean(2)], dim=-1)
