"""HCAM (Dutta and Ganapathy 2023, arXiv 2304.06910) as the paper's code simplifies it (method.md 1.5).

A bidirectional GRU a modality, self-attention, attention between sound and words, attentive pooling. After each attention
x + attention(x) gains a linear map of itself and is normalised. Words attend to sound that has already heard the words.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from train.systems.config import FusionConfig
from train.systems.nodes import Nodes, projections
from train.systems.pooling import ChannelPooling

HEADS = 8


class AttentionBlock(nn.Module):
    """Attention to some nodes, a linear map, layer norm; both added to what came in. No dropout, as in its code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes: Nodes, others: Nodes) -> Nodes:
        """`nodes` with what `others` tell them; a row without others gains nothing from them."""
        values, heard = nodes.values, others.values
        found = self.attention(values, heard, heard, key_padding_mask=others.hidden(), need_weights=False)[0]
        present = others.present()
        values = values + (found if present is None else found * present[:, :, None])
        return Nodes(self.norm(values + self.linear(values)), nodes.mask)


class Context(nn.Module):
    """A bidirectional GRU and self-attention over one modality."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.attend = AttentionBlock(2 * width)

    def forward(self, nodes: Nodes) -> Nodes:
        """Nodes of twice the width."""
        if nodes.mask is None:
            values = self.recurrent(nodes.values)[0]
        else:
            lengths = nodes.mask.sum(1).clamp(min=1).cpu()
            packed = pack_padded_sequence(nodes.values, lengths, batch_first=True, enforce_sorted=False)
            values = pad_packed_sequence(self.recurrent(packed)[0], True, total_length=nodes.values.shape[1])[0]
        context = Nodes(values, nodes.mask)
        return self.attend(context, context)


class Hcam(nn.Module):
    """Sound and words have parts twice as wide as the fusion; F0 has the mean of its projected nodes."""

    def __init__(self, widths: dict[str, int], config: FusionConfig) -> None:
        super().__init__()
        if 2 * config.width % HEADS:
            raise SystemExit(f"fusion.width {config.width}: twice that is no multiple of the {HEADS} heads of HCAM")
        self.project = projections(widths, config)
        sides = [name for name in ("audio", "text") if name in widths]
        self.context = nn.ModuleDict({name: Context(config.width) for name in sides})
        self.cross = nn.ModuleDict({name: AttentionBlock(2 * config.width) for name in sides if len(sides) == 2})
        self.pool = nn.ModuleDict({name: ChannelPooling(2 * config.width) for name in sides})
        self.part_widths = [config.width * (2 if name in sides else 1) for name in widths]

    def forward(self, nodes: dict[str, Nodes]) -> list[Tensor]:
        """Nodes of each modality -> a part of each, float [B, 2 width] or [B, width], in the same order."""
        found = {name: self.project[name](entry) for name, entry in nodes.items()}
        for name, layer in self.context.items():
            found[name] = layer(found[name])
        if self.cross:
            found["audio"] = self.cross["audio"](found["audio"], found["text"])
            found["text"] = self.cross["text"](found["text"], found["audio"])
        return [self.pool[name](entry.values, entry.mask) if name in self.pool else entry.mean() for name, entry in found.items()]
