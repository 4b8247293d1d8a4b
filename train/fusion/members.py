"""A member's life outside its network: standardised by the data, validated, rounded, kept in a checkpoint and loaded again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.checkpoints import read_checkpoint
from train.fusion.calibration import fit_temperature
from train.fusion.data import Batch, TrainingSet, in_order, without_history
from train.fusion.decide import decide
from train.fusion.inputs import Inputs
from train.fusion.mdat import STATISTICS, Member, MemberConfig
from train.metrics import macro_f1


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def standardise(member: Member, data: TrainingSet) -> None:
    """Fold what is usual in training into the network: of nodes and of statistics, and how these vary within a session."""
    member.whisper.mean.copy_(torch.from_numpy(data.standard.mean))
    member.whisper.scale.copy_(torch.from_numpy(data.standard.scale))
    for buffer, values in zip((member.usual, member.spread), data.usual, strict=True):
        buffer.copy_(torch.from_numpy(values))
    if member.config.history:
        member.normaliser.variance.copy_(torch.from_numpy(data.variance))


def step_logits(member: Member, inputs: Inputs) -> np.ndarray:
    """float32 [rows, labels] of a collection as it is, without text."""
    member.eval()
    with torch.inference_mode():
        batches = (without_history(batch, STATISTICS) for batch in in_order(inputs))
        return torch.cat([member(as_tensors(batch))[0] for batch in batches]).numpy()


def validate(member: Member, validation: list[Inputs]) -> tuple[dict[str, float], list[np.ndarray]]:
    """Macro-F1 of the clips' decisions by corpus, and the logits of all steps."""
    scores, logits = {}, []
    for part in validation:
        logits.append(step_logits(member, part))
        decisions = decide(logits[-1] - np.logaddexp.reduce(logits[-1], 1)[:, None], part.heard, part.clip, len(part.clip_label))
        scores[part.collection.title] = macro_f1(part.clip_label, decisions.labels())
    return scores, logits


def round_weights(member: Member) -> None:
    """To what float16 can hold: that is how the pack stores them (and the graph computes in float32)."""
    with torch.no_grad():
        for value in [*member.parameters(), *member.buffers()]:
            value.copy_(value.half().float())


def load_member(path: Path) -> tuple[Member, dict[str, Any]]:
    """A trained member and what is known of it (`temperature`, `validation`, `name`, `corpora`...).

    Raises:
        SystemExit: there is no such checkpoint, or it is none of a member, or of one that another version trained.
    """
    saved = read_checkpoint(path, "fusion", "weights")
    try:
        member = Member(MemberConfig(**saved["config"]))
        member.load_state_dict(saved["weights"])
    except (TypeError, KeyError, RuntimeError) as error:
        raise SystemExit(f"{path} is of a member that another version of streamser trained: train it again") from error
    member.eval()
    return member, saved


def keep(
    path: Path, name: str, seed: int, member: Member, scores: dict[str, float], logits: list[np.ndarray], validation: list[Inputs]
) -> None:
    """Save a member with its temperature, fitted to the steps of validation speakers, and what it scored there."""
    temperature = fit_temperature(logits, [part.labels for part in validation])
    described = {"name": name, "seed": seed, "config": asdict(member.config), "temperature": temperature, "validation": scores}
    described["corpora"] = sorted({part.collection.corpus for part in validation})
    torch.save({"weights": member.state_dict(), **described}, path)
