"""What a member is asked for: cross-entropy over the labels that a window's corpus has; arousal and intensity beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.fusion.data import Targets

FULL_SOFTMAX = 0.2  # weight of the loss over all labels
AROUSAL_WEIGHT, INTENSITY_WEIGHT = 0.2, 0.1


def loss_of(outputs: tuple[Tensor, Tensor, Tensor], targets: Targets) -> Tensor:
    """The training loss: cross-entropy over the labels that a window's corpus has and, by FULL_SOFTMAX, over all; arousal and
    intensity where they are known."""
    logits, arousal, intensity = outputs
    wanted = class_loss(logits, torch.from_numpy(targets.shares), torch.from_numpy(targets.among))
    beside = AROUSAL_WEIGHT * known_loss(arousal, torch.from_numpy(targets.arousal))
    return wanted + beside + INTENSITY_WEIGHT * known_loss(intensity, torch.from_numpy(targets.intensity))


def class_loss(logits: Tensor, shares: Tensor, among: Tensor) -> Tensor:
    """Cross-entropy over the labels that a row's corpus has and, by FULL_SOFTMAX, over all.

    logits, shares (what should be said): float32 [batch, labels]. among: bool [batch, labels].
    """
    return class_losses(logits, shares, among).mean()


def class_losses(logits: Tensor, shares: Tensor, among: Tensor) -> Tensor:
    """The same by row, [batch]."""
    some = torch.log_softmax(logits.masked_fill(~among, -1e4), -1).masked_fill(~among, 0)
    return -(shares * (some + FULL_SOFTMAX * torch.log_softmax(logits, -1))).sum(1)


def known_loss(logits: Tensor, levels: Tensor) -> Tensor:
    """Binary cross-entropy, a mean over the batch; a level of -1 is not known and costs nothing."""
    known = (levels >= 0).to(logits.dtype)
    return (nn.functional.binary_cross_entropy_with_logits(logits, levels.clamp(min=0), reduction="none") * known).mean()
