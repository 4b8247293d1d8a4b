"""Small systems of train.systems and random batches for them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from train.systems.config import ClassifierConfig, DataConfig, FeatureConfig, FusionConfig, SystemConfig
from train.systems.graph_attention import GraphAttention
from train.systems.system import System, Widths

KINDS = ("pooled", "concatenation", "transformer", "hcam", "mdat")
SMALL = FusionConfig(width=16, encoder_heads=2, feed_forward=32)
OURS = replace(SMALL, masked=True, scaled=True, age=True, graph_residual=True)
WIDTHS = Widths(audio=12, text=10)
EIGHT = DataConfig(labels=tuple("ACDFHNSU"))  # the challenge's
MODALITIES = ("audio", "text", "f0", "spectral", "samples")


def config(fusion: FusionConfig = SMALL, classifier: str = "relu", **features: object) -> SystemConfig:
    found = FeatureConfig(**{"ced_size": "tiny", "prosody": "quantised", **features})
    return SystemConfig("test", found, fusion, ClassifierConfig(kind=classifier, hidden=8))


def example(rows: int = 3, layers: int = 1, nodes: int = 7, widths: Widths = WIDTHS) -> dict[str, Tensor]:
    """Random features of every modality; the last row is shorter than the others."""
    batch = {
        "audio": torch.randn(rows, nodes, layers, widths.audio),
        "text": torch.randn(rows, nodes - 2, widths.text),
        "f0": torch.where(torch.rand(rows, nodes + 3) < 0.3, 0.0, torch.rand(rows, nodes + 3) * 300 + 60),
        "spectral": torch.randn(rows, nodes - 1, 192),
        "samples": torch.randn(rows, 4000) * 0.1,
    }
    for name in MODALITIES:
        count = batch[name].shape[1]
        mask = torch.ones(rows, count, dtype=torch.bool)
        mask[-1, count - count // 3 :] = False
        batch[f"{name}_mask"] = mask
        if name not in ("text", "samples"):
            batch[f"{name}_age"] = torch.arange(count - 1, -1, -1).repeat(rows, 1) / 12.5
    return batch


def widened(batch: dict[str, Tensor], more: int = 5) -> dict[str, Tensor]:
    """The same rows with rubbish behind them."""
    wide = {}
    for name, values in batch.items():
        shape = (len(values), more, *values.shape[2:])
        rubbish = torch.zeros(shape, dtype=torch.bool) if name.endswith("_mask") else torch.rand(shape) * 90
        wide[name] = torch.cat([values, rubbish], 1)
    return wide


def without(batch: dict[str, Tensor], *names: str, rows: slice = slice(None)) -> dict[str, Tensor]:
    found = dict(batch)
    for name in names:
        found[f"{name}_mask"] = batch[f"{name}_mask"].clone()
        found[f"{name}_mask"][rows] = False
    return found


def infer(system: System, batch: dict[str, Tensor]) -> Tensor:
    with torch.inference_mode():
        return system.eval()(batch)


def assert_close(found: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=0.0, atol=atol)


def systems(fusion: FusionConfig) -> list[System]:
    settings = [
        {"prosody": "quantised", "spectral": "streamed"},
        {"prosody": "raw", "spectral": "ced-random", "audio_layers": (1, -1)},
    ]
    crossed = replace(fusion, f0_crossed=fusion.kind == "mdat", graph_attention="gatv2", graph_heads=4, graph_layers=2)
    return [System(config(used, **entry), WIDTHS).eval() for used, entry in zip((fusion, crossed), settings, strict=True)]


def literal(layer: GraphAttention, x: Tensor) -> Tensor:
    """As the paper writes it: the score of an edge is a . [h_i || h_j]."""
    h = layer.weight(x)
    count = h.shape[1]
    pairs = torch.cat([h[:, :, None].expand(-1, -1, count, -1), h[:, None].expand(-1, count, -1, -1)], -1)
    scores = pairs @ torch.cat([layer.receiver, layer.sender])
    return torch.softmax(torch.nn.functional.leaky_relu(scores, 0.2), -1) @ h
