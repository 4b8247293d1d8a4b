"""MDAT (Zaidi et al. 2023, arXiv 2306.13804) as in Ferreira et al. 2025 (arXiv 2506.02088; method.md 1.5).

Graph attention a modality, co-attention of sound and words, a transformer layer each, attentive pooling. F0 is its projected
nodes' mean, or, `f0_crossed`, takes the same way with a co-attention of its own, shared by sound and words.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from train.systems.config import FusionConfig
from train.systems.graph_attention import GraphLayers
from train.systems.nodes import Nodes, encoded, encoder_layer, projections
from train.systems.pooling import ChannelPooling, masked_softmax


class CoAttention(nn.Module):
    """What each side hears of the other: its nodes, weighted by the softmax of their affinity (Lu et al. 2016)."""

    def __init__(self, width: int, scaled: bool) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(width) if scaled else 1.0
        self.one = nn.Linear(width, width, bias=False)
        self.other = nn.Linear(width, width, bias=False)

    def forward(self, one: Nodes, other: Nodes) -> tuple[Tensor, Tensor]:
        """What `one` hears of `other`, float [B, n, width], and `other` of `one`, [B, m, width]; zeros from who is absent."""
        affinity = self.one(one.values) @ self.other(other.values).transpose(1, 2) * self.scale
        return listen(affinity, other), listen(affinity.transpose(1, 2), one)


def listen(affinity: Tensor, nodes: Nodes) -> Tensor:
    """Affinity [B, n, m] to m nodes -> their weighted sums, float [B, n, width]."""
    return masked_softmax(affinity, None if nodes.mask is None else nodes.mask[:, None, :]) @ nodes.values


class Mdat(nn.Module):
    """A part of width `config.width` for each modality; of sound and words, one may be missing from the system."""

    def __init__(self, widths: dict[str, int], config: FusionConfig) -> None:
        super().__init__()
        crossed = [name for name in widths if name != "f0" or config.f0_crossed]
        self.project = projections(widths, config)
        self.graph = nn.ModuleDict({name: GraphLayers(config) for name in crossed})
        self.co_attention = CoAttention(config.width, config.scaled) if {"audio", "text"} <= set(widths) else None
        self.f0_co_attention = CoAttention(config.width, config.scaled) if "f0" in crossed and len(crossed) > 1 else None
        self.encode = nn.ModuleDict({name: encoder_layer(config, config.encoder_heads) for name in crossed})
        self.pool = nn.ModuleDict({name: ChannelPooling(config.width) for name in crossed})
        self.part_widths = [config.width] * len(widths)

    def forward(self, nodes: dict[str, Nodes]) -> list[Tensor]:
        """Nodes of each modality -> a part of each, float [B, width], in the same order."""
        found = {name: self.project[name](entry) for name, entry in nodes.items()}
        graph = {name: Nodes(layer(found[name].values, found[name].mask), found[name].mask) for name, layer in self.graph.items()}
        for name, entry in self._met(graph).items():
            found[name] = encoded(self.encode[name], entry)
        return [self.pool[name](entry.values, entry.mask) if name in self.pool else entry.mean() for name, entry in found.items()]

    def _met(self, graph: dict[str, Nodes]) -> dict[str, Nodes]:
        """The nodes after each side has heard the others."""
        gained = {name: entry.values for name, entry in graph.items()}
        if self.co_attention is not None:
            to_audio, to_text = self.co_attention(graph["audio"], graph["text"])
            gained["audio"], gained["text"] = gained["audio"] + to_audio, gained["text"] + to_text
        if self.f0_co_attention is not None:
            f0 = graph["f0"]
            for name in ("audio", "text"):
                if name in graph:
                    # The code adds F0 itself once more for each side it hears.
                    gained["f0"] = gained["f0"] + f0.values + self.f0_co_attention(f0, graph[name])[0]
        return {name: Nodes(values, graph[name].mask) for name, values in gained.items()}
