"""`python -m train pitch`: generate the data if it is not there, train, keep checkpoints, go on after an interruption."""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.checkpoints import read_checkpoint
from train.corpora import cache_root
from train.pitch.augment import CropMaker, Examples
from train.pitch.build import build
from train.pitch.measure import Scores, score
from train.pitch.network import BINS, DELAY, PitchNetwork
from train.pitch.noise import recorded_noise, urban_noise

log = logging.getLogger(__name__)
FIRST_CENTS, CENTS_PER_BIN, REFERENCE_HZ = 1997.3794084376191, 20.0, 10.0
SIGMA_BINS = 1.25
FRAMES = 192
BATCH = 8
RATE, WARM_UP = 1.5e-3, 100
AVERAGING = 0.998
CHECK_EVERY = 500
VALIDATION_CROPS = 96


@dataclass
class Progress:
    """Where training stands: all that a checkpoint holds."""

    network: PitchNetwork
    average: PitchNetwork
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path, threshold: float) -> None:
        """Write the checkpoint; it replaces the old one only when it is whole."""
        content = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "threshold": threshold,
        }
        partial = path.with_suffix(".part")
        torch.save(content, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            SystemExit: it is another network's.
        """
        content = read_checkpoint(path, "pitch", "network")
        try:
            self.network.load_state_dict(content["network"])
        except RuntimeError as error:
            raise SystemExit(f"{path} holds an earlier version's network: move it away to train anew") from error
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.seconds = content["step"], content["seconds"]


def targets(f0: Tensor) -> Tensor:
    """Gaussian bumps over the bins: f0 f32[B, T] Hz (0 = unvoiced, all bins 0) -> f32[B, T, 360]."""
    cents = 1200 * torch.log2(f0.clamp(min=1.0) / REFERENCE_HZ)
    centre = (cents - FIRST_CENTS) / CENTS_PER_BIN
    distance = torch.arange(BINS) - centre.unsqueeze(-1)
    return torch.exp(-0.5 * (distance / SIGMA_BINS) ** 2) * (f0 > 0).unsqueeze(-1)


def masked_loss(logits: Tensor, f0: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy summed over bins, mean over known frames. Row t of the logits speaks of frame t - DELAY."""
    rows = logits[:, DELAY:].float()
    per_frame = torch.nn.functional.binary_cross_entropy_with_logits(rows, targets(f0[:, :-DELAY]), reduction="none").sum(-1)
    weight = known[:, :-DELAY]
    return (per_frame * weight).sum() / weight.sum().clamp(min=1)


def _follow(average: PitchNetwork, network: PitchNetwork, step: int) -> None:
    """Move the averaged weights towards the trained ones, faster in the beginning."""
    keep = min(AVERAGING, (1 + step) / (10 + step))
    with torch.no_grad():
        for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - keep)


def _validate(network: PitchNetwork, crops: Sequence[tuple[NDArray[np.float32], ...]]) -> Scores:
    network.eval()
    mel = np.stack([crop[0] for crop in crops])
    with torch.no_grad():
        rows = [
            network(part, network.initial_state(len(part)))[0][:, DELAY:].sigmoid().numpy()
            for part in torch.from_numpy(mel).split(BATCH)
        ]
    f0 = np.stack([crop[1] for crop in crops])[:, :-DELAY]
    known = np.stack([crop[2] for crop in crops])[:, :-DELAY] > 0
    return score(np.concatenate(rows), f0, known)


def train(folder: Path, steps: int, seed: int) -> None:
    """Train until `steps` are over; the learning rate falls to zero with them."""
    shards = [Examples(path) for path in sorted((folder / "shards").glob("train-*.npz"))]
    noises = [recorded_noise(held_out=False), urban_noise()]
    maker = CropMaker(shards, noises, FRAMES)
    unheard = CropMaker(
        [Examples(path) for path in sorted((folder / "shards").glob("validation-*.npz"))],
        noises,  # the held-out half is the benchmark's: not even the threshold is chosen with it
        FRAMES,
    )
    generator = np.random.default_rng([seed, 1])
    crops = [unheard.crop(generator) for _ in range(VALIDATION_CROPS)]

    torch.manual_seed(seed)
    network = PitchNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    progress = Progress(network, copy.deepcopy(network), optimiser)
    path = folder / "checkpoint.pt"
    if path.exists():
        progress.load(path)
        log.info("going on from step %d", progress.step)
    log.info("%d parameters", sum(weight.numel() for weight in network.parameters()))
    running = 0.0
    while progress.step < steps:
        began = time.monotonic()
        rate = RATE * min(1.0, (progress.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress.step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        # Each step has its own seeds, so that going on from a checkpoint sees what an unbroken run would.
        torch.manual_seed(seed * 1_000_003 + progress.step)
        mel, f0, known = (torch.from_numpy(part) for part in maker.batch(BATCH, np.random.default_rng([seed, 2, progress.step])))
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):  # a third faster on one thread; weights stay float32
            logits, _ = network(mel, network.initial_state(BATCH))
        loss = masked_loss(logits, f0, known)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 3.0)
        optimiser.step()
        progress.step += 1
        _follow(progress.average, network, progress.step)
        running += (loss.item() - running) / min(progress.step, 50)
        progress.seconds += time.monotonic() - began
        if progress.step % 50 == 0:
            log.info("step %d, %.0f s, loss %.3f, rate %.2g", progress.step, progress.seconds, running, rate)
        if progress.step % CHECK_EVERY == 0 or progress.step == steps:
            scores = _validate(progress.average, crops)
            progress.save(path, scores.threshold)
            log.info("validation at step %d: %s", progress.step, scores)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m train pitch`."""
    parser.description = __doc__
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--seconds", type=float, default=8000.0, help="of speech to generate")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Generate what is missing, then train."""
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = cache_root() / "pitch"
    build(folder / "shards", args.seconds, args.seed)
    train(folder, args.steps, args.seed)
    return 0
