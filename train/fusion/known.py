"""`known`: whether a window is speech that may carry an emotion, or a burst, a cry, a noise, a street.

Taught by all training speech and meetings against `train.collection.other_sounds`, each through every pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from train.fusion.ensemble import KnownSound, spectral_statistics
from train.fusion.histories import statistics_of
from train.fusion.inputs import Inputs

STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 1500, 256, 1e-3, 0.05
MOST_ROWS = 2500  # of a collection
MISSED_SPEECH = 0.02  # share of any corpus's validation speech that is less likely than not to be known, at most


@dataclass(frozen=True)
class Sounds:
    """statistics: float32 [n, D]; spectral: mean and deviation of the columns, float32 [n, 384]."""

    statistics: Tensor
    spectral: Tensor


def sounds_of(part: Inputs, mean: np.ndarray, scale: np.ndarray, seed: int = 0) -> Sounds:
    """At most MOST_ROWS windows of a collection."""
    rows = np.random.default_rng(seed).permutation(len(part))[:MOST_ROWS]
    statistics, spectral = [], []
    for index in rows:
        row = part.row(int(index))
        if len(row["whisper"]):
            columns = torch.from_numpy(np.asarray(row["spectral"], np.float32))[None]
            if not columns.shape[1]:
                columns = torch.zeros(1, 1, columns.shape[2])
            mask = torch.full((1, columns.shape[1]), len(row["spectral"]) > 0)
            statistics.append(statistics_of(np.asarray(row["whisper"], np.float32), mean, scale))
            spectral.append(spectral_statistics(columns, mask)[0])
    return Sounds(torch.from_numpy(np.stack(statistics)), torch.stack(spectral))


def logits_of(network: KnownSound, sounds: Sounds) -> Tensor:
    hidden = network.statistics(network.dropout(sounds.statistics)) + network.spectral(network.dropout(sounds.spectral))
    found: Tensor = network.classify(network.dropout(nn.functional.relu(hidden)))[:, 0]
    return found


def train_known(speech: list[Sounds], other: list[Sounds], validation: list[Sounds], seed: int) -> KnownSound:
    """Collections of either side are drawn evenly; then the threshold is moved to where MISSED_SPEECH of validation is missed
    in the corpus where it is hardest."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = KnownSound()
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        batch = [drawn(side, BATCH // 2, rng) for side in (speech, other)]
        joined = Sounds(torch.cat([part.statistics for part in batch]), torch.cat([part.spectral for part in batch]))
        truth = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])
        loss = nn.functional.binary_cross_entropy_with_logits(logits_of(network, joined), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        least = float(np.min([np.quantile(logits_of(network, part).numpy(), MISSED_SPEECH) for part in validation]))
    with torch.no_grad():
        network.classify.bias.sub_(least)
    return network


def drawn(side: list[Sounds], count: int, rng: np.random.Generator) -> Sounds:
    """`count` windows, every collection equally often."""
    picks = [(part, rng.integers(len(part.statistics))) for part in (side[index] for index in rng.integers(len(side), size=count))]
    return Sounds(
        torch.stack([part.statistics[row] for part, row in picks]), torch.stack([part.spectral[row] for part, row in picks])
    )
