"""Whisper and RoBERTa in the shapes of the published ones, in torch alone and with fixed shapes: for timing, not for weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

POSITIONS = 448  # tokens that Whisper's decoder can hold
FRAMES = 1500  # encoder states that it attends to, 30 s


@dataclass(frozen=True)
class TransformerSize:
    """width of a token, blocks, heads, vocabulary."""

    width: int
    depth: int
    heads: int
    vocabulary: int


def split(x: Tensor, heads: int) -> Tensor:
    """[B, n, width] -> [B, heads, n, width / heads]."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """Attention of all to all and an MLP four times as wide; normalised before each (Whisper) or after (RoBERTa)."""

    def __init__(self, width: int, heads: int, before: bool) -> None:
        super().__init__()
        self.heads, self.before = heads, before
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = (split(part, self.heads) for part in self.qkv(x).chunk(3, dim=2))
        return self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, width] -> [B, n, width]."""
        if self.before:
            x = x + self.attend(self.norm1(x))
            return x + self.fc2(gelu(self.fc1(self.norm2(x))))
        x = self.norm1(x + self.attend(x))
        return self.norm2(x + self.fc2(gelu(self.fc1(x))))


class WhisperEncoder(nn.Module):
    def __init__(self, size: TransformerSize, mels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(mels, size.width, 3, padding=1)
        self.conv2 = nn.Conv1d(size.width, size.width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(FRAMES, size.width))
        self.blocks = nn.ModuleList(Block(size.width, size.heads, before=True) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, mel: Tensor) -> Tensor:
        """[1, mels, 2 n] -> [1, n, width]."""
        x = gelu(self.conv2(gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Roberta(nn.Module):
    def __init__(self, size: TransformerSize) -> None:
        super().__init__()
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Parameter(torch.zeros(514, size.width))
        self.norm = nn.LayerNorm(size.width)
        self.blocks = nn.ModuleList(Block(size.width, size.heads, before=False) for _ in range(size.depth))

    def forward(self, ids: Tensor) -> Tensor:
        """int64 [1, n] -> [1, n, width]."""
        x = self.norm(self.words(ids) + self.positions[2 : 2 + ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        return x


class DecoderBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.sound, self.cross = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, words: Tensor, sound: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """A token [1, 1, width], words [2, heads, POSITIONS, d], sound [2, heads, FRAMES, d], heard [POSITIONS + 1], 0 or -inf."""
        q, k, v = (split(part, self.heads) for part in self.qkv(self.norms[0](x)).chunk(3, dim=2))
        keys, values = torch.cat([words[None, 0], k], 2), torch.cat([words[None, 1], v], 2)
        own = scaled_dot_product_attention(q, keys, values, heard[None, None, None])
        x = x + self.out(own.transpose(1, 2).flatten(2))
        other = scaled_dot_product_attention(split(self.query(self.norms[1](x)), self.heads), sound[None, 0], sound[None, 1])
        x = x + self.cross(other.transpose(1, 2).flatten(2))
        return x + self.fc2(gelu(self.fc1(self.norms[2](x)))), torch.cat([k, v])


class WhisperDecoder(nn.Module):
    """One token at a time; keys and values of the past come in, the token's own go out, to be written by the caller."""

    def __init__(self, size: TransformerSize) -> None:
        super().__init__()
        self.size = size
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(POSITIONS, size.width)
        self.blocks = nn.ModuleList(DecoderBlock(size.width, size.heads) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, token: Tensor, position: Tensor, words: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Greedy.

        Args:
            token, position: int64 [1].
            words: [depth, 2, heads, POSITIONS, d]; places from `position` on are not heard.
            sound: [depth, 2, heads, FRAMES, d].

        Returns:
            The next token, int64 [1], and this one's keys and values [depth, 2, heads, 1, d].
        """
        x = (self.words(token) + self.positions(position))[None]
        future = torch.arange(POSITIONS + 1, device=token.device) >= position
        future = future & (torch.arange(POSITIONS + 1, device=token.device) < POSITIONS)  # the last place is the token's own
        heard = torch.zeros(POSITIONS + 1, dtype=x.dtype, device=x.device).masked_fill(future, float("-inf"))
        kept = []
        for number, block in enumerate(self.blocks):
            x, own = block(x, words[number], sound[number], heard)
            kept.append(own)
        x = layer_norm(x, (self.size.width,), self.norm.weight, self.norm.bias)
        return (x[:, 0] @ self.words.weight.T).argmax(1), torch.stack(kept)


class DecoderSound(nn.Module):
    """The keys and values that the decoder hears of new encoder states; those of silence behind them stay."""

    def __init__(self, decoder: WhisperDecoder) -> None:
        super().__init__()
        self.heads = decoder.size.heads
        self.linears = nn.ModuleList(block.get_submodule("sound") for block in decoder.blocks)

    def forward(self, states: Tensor) -> Tensor:
        """[1, n, width] -> [depth, 2, heads, n, d]."""
        return torch.stack([torch.cat([split(part, self.heads) for part in layer(states).chunk(2, 2)]) for layer in self.linears])
