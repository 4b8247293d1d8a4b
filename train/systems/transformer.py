"""The paper's Transformers fusion: a transformer layer of one head for each modality, and the mean (Table 3)."""

from __future__ import annotations

from torch import Tensor, nn

from train.systems.config import FusionConfig
from train.systems.nodes import Nodes, encoded, encoder_layer, projections


class Transformer(nn.Module):
    """Nothing passes between the modalities before the classifier. F0 has a layer too."""

    def __init__(self, widths: dict[str, int], config: FusionConfig) -> None:
        super().__init__()
        self.project = projections(widths, config)
        self.encode = nn.ModuleDict({name: encoder_layer(config, heads=1) for name in widths})
        self.part_widths = [config.width] * len(widths)

    def forward(self, nodes: dict[str, Nodes]) -> list[Tensor]:
        """Nodes of each modality -> a part of each, float [B, width], in the same order."""
        return [encoded(self.encode[name], self.project[name](entry)).mean() for name, entry in nodes.items()]
