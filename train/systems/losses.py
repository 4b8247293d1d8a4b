"""Losses: weighted cross-entropy, focal, KL to the annotators' shares, logit adjustment.

Corpora differ in which labels they have. Every loss is a mix of two softmaxes: one over the labels that a row's corpus has, and
with a small weight (FULL_SOFTMAX) one over all of them, so that no corpus teaches that an emotion it lacks does not exist. Where a
corpus has all labels the two are one, and the loss is the field's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from train.systems.config import TrainingConfig

FULL_SOFTMAX = 1 / 6
ABSENT = -1e4  # logit of a label that a corpus lacks


@dataclass(frozen=True)
class Targets:
    """What a batch is to say: labels, corpora int64 [B]; shares float32 [B, labels], the annotators' votes, which sum to 1."""

    labels: Tensor
    corpora: Tensor
    shares: Tensor

    def to(self, device: torch.device) -> Targets:
        return Targets(self.labels.to(device), self.corpora.to(device), self.shares.to(device))


def class_counts(labels: np.ndarray, corpora: np.ndarray, label_count: int) -> np.ndarray:
    """int64 [corpora, labels]: how many rows of every corpus carry every label. labels, corpora: int64 [rows]."""
    counts = np.zeros((int(corpora.max(initial=-1)) + 1, label_count), np.int64)
    np.add.at(counts, (corpora, labels), 1)
    return counts


def class_weights(counts: np.ndarray) -> np.ndarray:
    """Inverse class frequency N / N_c in every corpus, divided by its number of labels so that a corpus's rows weigh 1 on average.

    counts: int64 [corpora, labels]. Returns float32 of the same shape, 0 where a corpus lacks a label.
    """
    total, found = counts.sum(1, keepdims=True), counts > 0
    return np.where(found, total / np.maximum(counts * found.sum(1, keepdims=True), 1), 0).astype(np.float32)


class Loss(nn.Module):
    """The loss of a configuration, for corpora with the given class counts.

    `logit-adjusted` (Menon et al. 2021, arXiv 2007.07314, equation 10) adds `adjustment` times the log prior of the row's corpus
    to the logits and takes no class weights, which would correct twice. Focal: Lin et al. 2017, arXiv 1708.02002, equation 4.
    """

    weights: Tensor
    has: Tensor
    log_prior: Tensor

    def __init__(self, counts: np.ndarray, config: TrainingConfig) -> None:
        """counts: int64 [corpora, labels] of the training rows."""
        super().__init__()
        self.kind, self.gamma, self.adjustment = config.loss, config.focal_gamma, config.adjustment
        weighted = config.class_weights and config.loss != "logit-adjusted"
        weights = class_weights(counts) if weighted else np.ones(counts.shape, np.float32)
        prior = np.maximum(counts, 1) / np.maximum(counts.sum(1, keepdims=True), 1)
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)
        self.register_buffer("has", torch.from_numpy(counts > 0), persistent=False)
        self.register_buffer("log_prior", torch.from_numpy(np.log(prior).astype(np.float32)), persistent=False)

    def forward(self, logits: Tensor, targets: Targets) -> Tensor:
        """The mean over the batch, rows weighted by their labels. logits: float32 [B, labels]."""
        logits = logits.float()
        has = self.has[targets.corpora]
        if self.kind == "logit-adjusted":
            logits = logits + self.adjustment * torch.where(has, self.log_prior[targets.corpora], 0)
        target = targets.shares if self.kind == "kl" else nn.functional.one_hot(targets.labels, logits.shape[1]).float()
        among = self._rows(torch.log_softmax(logits.masked_fill(~has, ABSENT), -1), target)
        full = self._rows(torch.log_softmax(logits, -1), target)
        weights = (self.weights[targets.corpora] * target).sum(1)
        rows = (1 - FULL_SOFTMAX) * among + FULL_SOFTMAX * full
        return (weights * rows).sum() / weights.sum().clamp(min=1e-6)

    def _rows(self, log_posteriors: Tensor, target: Tensor) -> Tensor:
        """float32 [B], the unweighted loss of every row."""
        if self.kind == "kl":
            return (torch.xlogy(target, target) - target * log_posteriors).sum(1)
        surprise = -(target * log_posteriors).sum(1)
        return (1 - torch.exp(-surprise)) ** self.gamma * surprise if self.kind == "focal" else surprise
