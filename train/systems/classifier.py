"""From the fused vector to logits: one hidden layer, ReLU or SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu

from train.systems.config import ClassifierConfig


class ReluClassifier(nn.Module):
    """Linear, ReLU, dropout, Linear; He's uniform initialisation and no biases to begin with, as in the paper's code."""

    def __init__(self, width: int, hidden: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, labels))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, fused: Tensor) -> Tensor:
        """float [B, width] -> logits [B, labels]."""
        return self.layers(fused)


class SwigluClassifier(nn.Module):
    """classify(dropout(silu(gate(z)) * value(z)))."""

    def __init__(self, width: int, hidden: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden)
        self.value = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(hidden, labels)

    def forward(self, fused: Tensor) -> Tensor:
        """float [B, width] -> logits [B, labels]."""
        return self.classify(self.dropout(silu(self.gate(fused)) * self.value(fused)))


def build_classifier(config: ClassifierConfig, width: int, labels: int, dropout: float) -> nn.Module:
    """The classifier of a configuration for a fused vector of `width`."""
    kind = ReluClassifier if config.kind == "relu" else SwigluClassifier
    return kind(width, config.hidden, labels, dropout)
