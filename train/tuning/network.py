"""Whisper's tuned blocks with the head that tunes them: means and deviations of three layers, a linear and a SwiGLU classifier.

The statistics are those that the members of the ensemble take (`train.fusion.mdat.WhisperNodes`): over nodes of 80 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamser.fusion_input import WHISPER_LAYERS, WHISPER_POOL
from train.checkpoints import read_checkpoint
from train.encoders.whisper_wheels import load_whisper_encoder
from train.tuning.low_rank import RANK, add_factors, factors_of
from train.tuning.views import FROZEN

WIDTH = 512
STATISTICS = 2 * WHISPER_LAYERS * WIDTH
LEAST_VARIANCE = 1e-4
CLAMP = 6.0
SHARED, HIDDEN = 128, 96
DROPOUT, HIDDEN_DROPOUT = 0.5, 0.3


@dataclass(frozen=True)
class TuningConfig:
    """labels: what is told apart. rank: of the factors."""

    labels: tuple[str, ...]
    rank: int = RANK


class Tuned(nn.Module):
    """The blocks after the frozen ones, with factors, and the head. usual, spread: mean and deviation of the statistics over
    training rows, float32 [STATISTICS]."""

    usual: Tensor
    spread: Tensor

    def __init__(self, config: TuningConfig) -> None:
        super().__init__()
        self.config = config
        blocks: list[Any] = list(load_whisper_encoder("whisper-base").blocks)[FROZEN : FROZEN + WHISPER_LAYERS - 1]
        for block in blocks:
            add_factors(block, config.rank)
        self.blocks = nn.ModuleList(blocks)
        labels = len(config.labels)
        self.register_buffer("usual", torch.zeros(STATISTICS))
        self.register_buffer("spread", torch.ones(STATISTICS))
        self.linear = nn.Linear(STATISTICS, labels)
        nn.init.zeros_(self.linear.weight)
        self.shared = nn.Linear(STATISTICS, SHARED)
        self.gate, self.value = nn.Linear(SHARED, HIDDEN), nn.Linear(SHARED, HIDDEN)
        self.classify = nn.Linear(HIDDEN, labels)
        self.dropout, self.hidden_dropout = nn.Dropout(DROPOUT), nn.Dropout(HIDDEN_DROPOUT)

    def statistics(self, frames: Tensor, mask: Tensor) -> Tensor:
        """What the frozen blocks say, float32 [B, T, 512], T a multiple of 4, and bool [B, T] -> [B, STATISTICS].

        The blocks compute in bfloat16 where the CPU has it: five times as fast on one that does.
        """
        layers = [frames]
        with torch.autocast("cpu", torch.bfloat16):
            for block in self.blocks:
                layers.append(block(layers[-1], mask[:, None, None]))
        present = mask[:, ::WHISPER_POOL, None].float()
        found = []
        for layer in layers:
            nodes = layer.float().unflatten(1, (-1, WHISPER_POOL)).mean(2)
            mean = (nodes * present).sum(1) / present.sum(1)
            square = (nodes * nodes * present).sum(1) / present.sum(1)
            found.append(torch.cat([mean, torch.sqrt((square - mean * mean).clamp(min=LEAST_VARIANCE))], -1))
        return torch.cat(found, -1)

    def logits(self, statistics: Tensor) -> Tensor:
        """float32 [B, STATISTICS] -> [B, labels]."""
        standard = ((statistics - self.usual) / self.spread).clamp(-CLAMP, CLAMP)
        shared = self.hidden_dropout(nn.functional.relu(self.shared(self.dropout(standard))))
        told: Tensor = self.linear(self.dropout(standard)) + self.classify(
            nn.functional.silu(self.gate(shared)) * self.value(shared)
        )
        return told

    def learned(self) -> dict[str, Tensor]:
        """All that is not Whisper's: what a checkpoint holds."""
        return {name: value for name, value in self.state_dict().items() if not self._of_whisper(name)}

    def factors(self) -> dict[str, Tensor]:
        """Of that, the factors."""
        return {name: value for name, value in self.state_dict().items() if name.endswith((".down", ".up"))}

    @staticmethod
    def _of_whisper(name: str) -> bool:
        return name.startswith("blocks.") and not name.endswith((".down", ".up"))


def collate(rows: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Rows float32 [n, 512], n at least 4, cut to whole nodes and filled up: float32 [B, T, 512]; bool [B, T], what is there."""
    counts = [len(row) // WHISPER_POOL * WHISPER_POOL for row in rows]
    frames = np.zeros((len(rows), max(counts), WIDTH), np.float32)
    for place, (row, count) in enumerate(zip(rows, counts, strict=True)):
        frames[place, :count] = row[:count]
    mask = np.arange(max(counts)) < np.array(counts)[:, None]
    return torch.from_numpy(frames), torch.from_numpy(mask)


def load_tuned(path: Path) -> tuple[Tuned, dict[str, Any]]:
    """A tuned network in evaluation mode, and what else the checkpoint holds.

    Raises:
        SystemExit: there is no such checkpoint, it is none of tuning, or one that another version made.
    """
    saved = read_checkpoint(path, "tune", "learned")
    try:
        network = Tuned(TuningConfig(**{**saved["config"], "labels": tuple(saved["config"]["labels"])}))
        unknown = network.load_state_dict(saved["learned"], strict=False).unexpected_keys
    except (TypeError, KeyError, RuntimeError) as error:
        raise SystemExit(f"{path} was made by another version of streamser: tune again") from error
    if unknown:
        raise SystemExit(f"{path} was made by another version of streamser ({unknown[0]}): tune again")
    return network.eval(), saved


def factors_by_block(network: Tuned) -> dict[int, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """By the block's number from 0 and the linear map's name: down float32 [rank, inputs], up float32 [outputs, rank]."""
    return {
        FROZEN + place: {name: (down.numpy(), up.numpy()) for name, (down, up) in factors_of(block).items()}  # type: ignore[arg-type]
        for place, block in enumerate(network.blocks)
    }
