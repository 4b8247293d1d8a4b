"""The paper's unimodal systems: the mean of the encoder's frames goes straight to the classifier (Table 1)."""

from __future__ import annotations

from torch import Tensor, nn

from train.systems.config import FusionConfig
from train.systems.nodes import Nodes


class Pooled(nn.Module):
    """The means of all modalities, each as wide as its features; nothing to learn, and a mean knows no ages."""

    def __init__(self, widths: dict[str, int], config: FusionConfig) -> None:
        super().__init__()
        self.part_widths = list(widths.values())

    def forward(self, nodes: dict[str, Nodes]) -> list[Tensor]:
        """Nodes of each modality -> a part of each, float [B, its width], in the same order."""
        return [entry.mean() for entry in nodes.values()]
