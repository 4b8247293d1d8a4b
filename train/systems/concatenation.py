"""The paper's Simple fusion: the mean of each modality, projected (Table 3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from train.systems.config import FusionConfig
from train.systems.nodes import Nodes


class Concatenation(nn.Module):
    """Mean, then Linear, ReLU, dropout, as its code has it; a mean knows no ages. An absent modality is all zeros."""

    def __init__(self, widths: dict[str, int], config: FusionConfig) -> None:
        super().__init__()
        self.project = nn.ModuleDict({name: nn.Linear(width, config.width) for name, width in widths.items()})
        self.dropout = nn.Dropout(config.dropout)
        self.part_widths = [config.width] * len(widths)

    def forward(self, nodes: dict[str, Nodes]) -> list[Tensor]:
        """Nodes of each modality -> a part of each, float [B, width], in the same order."""
        parts = []
        for name, entry in nodes.items():
            part = self.dropout(relu(self.project[name](entry.mean())))
            present = entry.present()
            parts.append(part if present is None else part * present)
        return parts
