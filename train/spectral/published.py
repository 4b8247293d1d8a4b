"""CED as published: a transformer over 16x16 patches of a mel spectrogram that names 527 AudioSet classes.

Dinkel et al., "CED: Consistent ensemble distillation for audio tagging", arXiv 2308.11957; sizes and layers as in method.md
4. Parameter names are those of the published state dicts. Weights: `published_weights`; the mel: `published_mel`.

A recording longer than the 1012 frames that have a time position (10.12 s) is heard in chunks of 1012. Unlike the published
code, the last chunk is never dropped nor filled up with zeros, every token counts alike in the mean, and the clips of a batch
do not mix. Two properties stay, because weights depend on them: a full chunk has 63 patches of 16 frames, so its last 4 frames
are unheard, and so is a remainder of fewer than 16 frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from streamser.errors import AudioError
from train.spectral.published_mel import MEL_BANDS

PATCH = 16
BANDS = MEL_BANDS // PATCH
CHUNK_FRAMES = 1012
CHUNK_PATCHES = CHUNK_FRAMES // PATCH
CLASSES = 527  # of AudioSet


@dataclass(frozen=True)
class PublishedSize:
    """Width of a token, number of blocks, attention heads."""

    width: int
    depth: int
    heads: int


PUBLISHED_SIZES = {
    "tiny": PublishedSize(192, 12, 3),
    "mini": PublishedSize(256, 12, 4),
    "small": PublishedSize(384, 12, 6),
    "base": PublishedSize(768, 12, 12),
}


class Heard(NamedTuple):
    """What the network makes of a batch.

    Attributes:
        tokens: float [B, 4 P, width] for P patches of 160 ms; token 4 j + b is band b (0 lowest) of patch j in time.
        embedding: float [B, width], the mean of the tokens.
        logits: float [B, classes]; their sigmoid is the published output.
    """

    tokens: Tensor
    embedding: Tensor
    logits: Tensor


class Attention(nn.Module):
    """Every token to every token."""

    def __init__(self, size: PublishedSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.proj = nn.Linear(size.width, size.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, width] -> [B, N, width]."""
        queries, keys, values = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Four times as wide inside, exact GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]."""
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm attention and MLP, both added to what came in."""

    def __init__(self, size: PublishedSize) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.width, eps=1e-6)
        self.attn = Attention(size)
        self.norm2 = nn.LayerNorm(size.width, eps=1e-6)
        self.mlp = Mlp(size.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, width] -> [B, N, width]."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """One vector for each 16x16 patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 64, T] -> [B, width, 4, T // 16]."""
        return self.proj(x[:, None])


class PublishedCed(nn.Module):
    """Mel decibels -> tokens, their mean, and logits. `classes` is other than 527 only in fine-tuned weights."""

    def __init__(self, size: PublishedSize, classes: int = CLASSES) -> None:
        super().__init__()
        self.size = size
        self.init_bn = nn.BatchNorm1d(MEL_BANDS, momentum=0.01)
        self.patch_embed = PatchEmbedding(size.width)
        self.time_pos_embed = nn.Parameter(torch.randn(1, size.width, 1, CHUNK_PATCHES) * 0.02)
        self.freq_pos_embed = nn.Parameter(torch.randn(1, size.width, BANDS, 1) * 0.02)
        self.blocks = nn.Sequential(*(Block(size) for _ in range(size.depth)))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        self.outputlayer = nn.Sequential(nn.LayerNorm(size.width), nn.Linear(size.width, classes))

    def encode(self, normalised: Tensor) -> Tensor:
        """One chunk after the batch norm, float [B, 64, T] with 16 <= T <= 1012 -> tokens [B, 4 (T // 16), width]."""
        patches = self.patch_embed(normalised)
        patches = patches + self.time_pos_embed[..., : patches.shape[-1]] + self.freq_pos_embed
        return self.norm(self.blocks(patches.permute(0, 3, 2, 1).flatten(1, 2)))

    def summarise(self, tokens: Tensor) -> Heard:
        """Tokens [B, N, width] with their mean and the logits of the mean."""
        embedding = tokens.mean(dim=1)
        return Heard(tokens, embedding, self.outputlayer(embedding))

    def forward(self, mel: Tensor) -> Heard:
        """Recordings of one length, each heard for itself: float [B, 64, T] decibels -> tokens, embedding and logits.

        Raises:
            AudioError: fewer than 16 frames, which are no patch. The published code would answer NaN.
        """
        if mel.shape[-1] < PATCH:
            raise AudioError(
                f"the recording has {mel.shape[-1]} frames of 10 ms, fewer than the {PATCH} of one patch: "
                "give at least 0.15 s, or pad it with silence"
            )
        chunks = [chunk for chunk in self.init_bn(mel).split(CHUNK_FRAMES, dim=-1) if chunk.shape[-1] >= PATCH]
        return self.summarise(torch.cat([self.encode(chunk) for chunk in chunks], dim=1))
