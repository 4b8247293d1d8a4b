"""A member that is a linear map of the statistics: a logistic regression with a strong L2 penalty, solved in full batches.

Every clip teaches by the window that heard most of it, meetings by all of theirs, once without a history and once with a random
one. Corpora, labels and speakers weigh as they are drawn for the other members, and the loss is theirs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from train.collection import MEETINGS
from train.fusion.data import CORPUS_SHARES, MEETING_SHARE, TrainingSet
from train.fusion.histories import nothing, statistics_of
from train.fusion.inputs import Inputs
from train.fusion.mdat import STATISTICS, Member, MemberConfig

PENALTY = 0.12  # of half the squared weights, beside the mean loss of a row
ITERATIONS = 120


def weights_of(part: Inputs, clips: np.ndarray) -> np.ndarray:
    """float64 [clips]: labels weigh the same; in a label a speaker by the root of how many clips are theirs. The sum is 1."""
    labels = part.clip_label[clips]
    speakers = np.unique(part.clip_speaker[clips], return_inverse=True)[1]
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
            weights.append(weights_of(part, part.clip[chosen]) * shares[corpus] / passes[corpus])
    weight = np.concatenate(weights)
    columns = (np.concatenate(wanted), np.concatenate(among), (weight / weight.sum()).astype(np.float32))
    said, allowed, summed = (torch.from_numpy(column) for column in columns)
    return torch.cat(found).clone(), said, allowed, summed


def regress(name: str, config: MemberConfig, data: TrainingSet, validation: list[Inputs], seed: int) -> Path:
    """Train, round, calibrate; returns the checkpoint."""
    from train.fusion import train  # which imports this module: `regress` is one of its two ways

    member = Member(config)
    train.standardise(member, data)
    x, shares, among, weights = rows_of(member, data, np.random.default_rng(seed))
    learned = [member.linear.weight, member.offset]
    optimiser = torch.optim.LBFGS(learned, max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-7)

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = train.class_losses(member.linear(x) + member.offset, shares, among)
        loss = (weights * losses).sum() + PENALTY / 2 * (member.linear.weight**2).sum()
        loss.backward()
        return loss

    loss = optimiser.step(closure).item()
    train.round_weights(member)
    scores, logits = train.validate(member, validation)
    print(f"{name}: {len(x)} rows, loss {loss:.3f} at first, validation {np.mean(list(scores.values())):.4f} {scores}", flush=True)
    path = train.checkpoint_folder() / f"{name}.pt"
    train.keep(path, name, seed, member, scores, logits, validation)
    return path
