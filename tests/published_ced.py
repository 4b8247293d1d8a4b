"""Tiny random CED networks, as published files would hold them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from train.spectral.published import Heard, PublishedCed, PublishedSize

SIZE = PublishedSize(width=32, depth=2, heads=2)
CLASSES = 7


def random_network(size: PublishedSize = SIZE, classes: int = CLASSES) -> PublishedCed:
    """Every parameter and the batch norm's statistics at random, so that none can be left out unnoticed."""
    torch.manual_seed(5)
    network = PublishedCed(size, classes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape) if parameter.ndim != 2 else 0.1 * torch.randn(parameter.shape))
    network.init_bn.running_mean = torch.randn(64) * 10.0 - 30.0
    network.init_bn.running_var = torch.rand(64) * 200.0 + 100.0
    return network.eval()


def random_mel(frames: int, batch: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(batch, 64, frames, generator=torch.Generator().manual_seed(seed)) * 15.0 - 30.0


def hear(network: PublishedCed, mel: Tensor) -> Heard:
    with torch.no_grad():
        return network(mel)


def assert_close(value: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(value, expected, rtol=0.0, atol=tolerance)


def hugging_face_state(network: PublishedCed) -> dict[str, Tensor]:
    return {
        key if key.startswith("outputlayer.") else f"encoder.{key}": value.clone() for key, value in network.state_dict().items()
    }


def write_config(folder: Path, **settings: object) -> None:
    config = {"model_type": "ced", "embed_dim": 32, "depth": 2, "num_heads": 2, "outputdim": CLASSES, "pooling": "mean", **settings}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
