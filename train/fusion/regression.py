"""A member that is a linear map of the statistics: a logistic regression with a strong L2 penalty, solved in full batches.

Every clip teaches by the window that heard most of it, meetings by all of theirs, once without a history and once with a random
one; the maps of several draws of histories are averaged. Corpora, labels and speakers weigh as they are drawn for the other
members, and the loss is theirs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from train.collection import MEETINGS
from train.fusion.data import CORPUS_SHARES, MEETING_SHARE, TrainingSet, checkpoint_folder
from train.fusion.histories import nothing, statistics_of
from train.fusion.inputs import Inputs
from train.fusion.losses import class_losses
from train.fusion.mdat import STATISTICS, Member, MemberConfig
from train.fusion.members import keep, round_weights, standardise, validate

PENALTY = 0.12  # of half the squared weights, beside the mean loss of a row
DRAWS = 3  # of histories: a mean of linear maps is their ensemble, at the price of one
ITERATIONS = 120


def weights_of(labels: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """float64 [rows]: labels weigh the same; in a label a speaker by the root of how many rows are theirs. The sum is 1."""
    speakers = np.unique(speakers, return_inverse=True)[1]
    cells, counts = np.unique(np.stack([labels, speakers]), axis=1, return_counts=True)
    count = {(int(label), int(speaker)): number for (label, speaker), number in zip(cells.T, counts, strict=True)}
    weights = np.array([count[int(label), int(speaker)] ** -0.5 for label, speaker in zip(labels, speakers, strict=True)])
    for label in np.unique(labels):
        weights[labels == label] /= weights[labels == label].sum()
    return weights / weights.sum()


def rows_of(member: Member, data: TrainingSet, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Statistics as the member sees them float32 [rows, views * STATISTICS], what they should say and the labels of their corpus
    [rows, labels], and weights float32 [rows] whose sum is 1."""
    passes = {corpus: sum(part.collection.corpus == corpus for part in data.parts) for corpus in data.corpora}
    shares = {corpus: CORPUS_SHARES.get(corpus.partition("-fold")[0], 1.0) for corpus in passes if corpus != MEETINGS}
    shares[MEETINGS] = MEETING_SHARE / (1 - MEETING_SHARE) * sum(shares.values())
    found, wanted, among, weights = [], [], [], []
    for part, history in zip(data.parts, data.histories, strict=True):
        corpus = part.collection.corpus
        taught = corpus != MEETINGS  # of a meeting, which is one clip, every window teaches
        chosen = part.longest_rows if taught else np.arange(len(part))
        chosen = chosen[np.diff(part.slices["whisper"][chosen], axis=1)[:, 0] > 0]  # that hold nodes
        nodes = (part.arrays["whisper"][slice(*part.slices["whisper"][row])] for row in chosen)
        standard = (data.standard.mean, data.standard.scale)
        statistics = np.stack([statistics_of(np.asarray(values, np.float32), *standard) for values in nodes])
        targets = [data.targets(part, int(row)) for row in chosen]
        for remembered in (False, True):
            drawn = [history.draw(int(part.clip[row]), rng) if remembered else nothing(STATISTICS) for row in chosen]
            mean, square, seconds = (np.stack(column) for column in zip(*drawn, strict=True))
            given = {"history_mean": mean, "history_square": square, "history_seconds": seconds.astype(np.float32)[:, None]}
            tensors = {name: torch.from_numpy(values) for name, values in given.items()}
            with torch.inference_mode():
                found.append(member.statistics_of(torch.from_numpy(statistics), tensors))
            wanted.append(np.stack([target[0] for target in targets]))
            among.append(np.stack([target[1] for target in targets]))
            weights.append(weights_of(part.labels[chosen], part.clip_speaker[part.clip[chosen]]) * shares[corpus] / passes[corpus])
    weight = np.concatenate(weights)
    columns = (np.concatenate(wanted), np.concatenate(among), (weight / weight.sum()).astype(np.float32))
    said, allowed, summed = (torch.from_numpy(column) for column in columns)
    return torch.cat(found).clone(), said, allowed, summed


def solved(x: Tensor, shares: Tensor, among: Tensor, weights: Tensor, penalty: float = PENALTY) -> tuple[Tensor, Tensor, float]:
    """The regression of rows as `rows_of` gives them: weights [labels, columns], offsets [labels], the loss at first."""
    linear = torch.zeros(shares.shape[1], x.shape[1], requires_grad=True)
    offset = torch.zeros(shares.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([linear, offset], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-7)

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = class_losses(x @ linear.T + offset, shares, among)
        loss = (weights * losses).sum() + penalty / 2 * (linear**2).sum()
        loss.backward()
        return loss

    loss = optimiser.step(closure).item()
    return linear.detach(), offset.detach(), loss


def regress(name: str, config: MemberConfig, data: TrainingSet, validation: list[Inputs], seed: int) -> Path:
    """Train, round, calibrate; returns the checkpoint."""
    member = Member(config)
    standardise(member, data)
    linear, offset, told = [], [], []
    for draw in range(DRAWS):
        rows = rows_of(member, data, np.random.default_rng(seed + draw))
        weights, offsets, loss = solved(*rows)
        linear.append(weights)
        offset.append(offsets)
        told.append(f"{loss:.3f}")
    with torch.no_grad():
        member.linear.weight.copy_(torch.stack(linear).mean(0))
        member.offset.copy_(torch.stack(offset).mean(0))
    round_weights(member)
    scores, logits = validate(member, validation)
    losses = " ".join(told)
    print(
        f"{name}: {len(rows[0])} rows, losses {losses} at first, validation {np.mean(list(scores.values())):.4f} {scores}",
        flush=True,
    )
    path = checkpoint_folder() / f"{name}.pt"
    keep(path, name, seed, member, scores, logits, validation)
    return path
