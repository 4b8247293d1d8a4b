"""What every fusion begins with: the nodes of a modality, their projection to the fusion's width, and their age."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from train.systems.config import FusionConfig
from train.systems.pooling import mean_over


@dataclass(frozen=True)
class Nodes:
    """One modality of a batch.

    Attributes:
        values: float [B, n, width], n at least 1; present nodes come before padding.
        mask: bool [B, n], True where there is a node; None where the system has no masks and padding counts like the rest.
        age: float [B, n], seconds before the end; None where the system or the modality knows no time.
    """

    values: Tensor
    mask: Tensor | None
    age: Tensor | None = None

    def present(self) -> Tensor | None:
        """bool [B, 1]: whether a row has this modality at all; None where there are no masks."""
        return None if self.mask is None else self.mask.any(1, keepdim=True)

    def mean(self) -> Tensor:
        """The mean of the present nodes, float [B, width], zeros where there is none."""
        return mean_over(self.values, self.mask)

    def hidden(self) -> Tensor | None:
        """bool [B, n] for torch's attention: True where nobody may look; a row without any node shows its first.

        Torch answers NaN to a row that may look nowhere. What such a row says has to be dropped by whoever asked.
        """
        if self.mask is None:
            return None
        first = torch.arange(self.mask.shape[1], device=self.mask.device) == 0
        return ~(self.mask | (first & ~self.mask.any(1, keepdim=True)))


class AgeEmbedding(nn.Module):
    """How long ago a node was: three shapes of its age in seconds, projected."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(3, width, bias=False)

    def forward(self, age: Tensor) -> Tensor:
        """float [B, n] -> [B, n, width]."""
        return self.project(torch.stack([age / 4, torch.exp(-2 * age), torch.exp(-age / 2)], -1))


class Projection(nn.Module):
    """Linear, ReLU, dropout (method.md 1.5, step 1); and the age of the nodes, where the configuration wants it."""

    def __init__(self, width: int, config: FusionConfig, timed: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.age = AgeEmbedding(config.width) if timed and config.age else None

    def forward(self, nodes: Nodes) -> Nodes:
        """Nodes of the fusion's width."""
        values = self.dropout(relu(self.linear(nodes.values)))
        if self.age is not None:
            assert nodes.age is not None
            values = values + self.age(nodes.age)
        return Nodes(values, nodes.mask)


def projections(widths: dict[str, int], config: FusionConfig) -> nn.ModuleDict:
    """A projection for each modality. Text has no ages: recognised words of the corpora carry no times."""
    return nn.ModuleDict({name: Projection(width, config, name != "text") for name, width in widths.items()})


def encoder_layer(config: FusionConfig, heads: int) -> nn.TransformerEncoderLayer:
    """The paper's transformer layer: ReLU, normalised after each block, no positions."""
    if config.width % heads:
        raise SystemExit(f"fusion.width {config.width} is no multiple of the {heads} heads of its transformer layer")
    return nn.TransformerEncoderLayer(config.width, heads, config.feed_forward, config.dropout, batch_first=True)


def encoded(layer: nn.Module, nodes: Nodes) -> Nodes:
    """The nodes after a transformer layer."""
    return Nodes(layer(nodes.values, src_key_padding_mask=nodes.hidden()), nodes.mask)
