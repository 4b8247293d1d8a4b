"""`python -m train fusion`: train one member of the ensemble and calibrate it.

Weighted cross-entropy, AdamW, warm-up and cosine; corpora are sampled evenly. The loss is over the labels that a window's
corpus has, with a small weight on all, so that no corpus teaches that an emotion it lacks does not exist. The weights
used are a running mean of the last steps'; the epoch is chosen by macro-F1 on validation speakers, a mean over corpora.
With --manifest it learns a user's own data, of any labels.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamser.fusion_input import WHISPER_LAYERS
from train import own_data
from train.checkpoints import read_checkpoint
from train.corpora import TRAINING_CORPORA
from train.features import training_collections
from train.fusion.calibration import fit_temperature
from train.fusion.data import (
    AROUSAL,
    Batch,
    Inputs,
    TrainingSet,
    build_text_bank,
    checkpoint_folder,
    in_order,
    load_inputs,
    words_can_be_taught,
)
from train.fusion.decide import decide
from train.fusion.mdat import Member, MemberConfig
from train.metrics import macro_f1

CONFIGURATIONS = {
    "mixed": MemberConfig(),
    "separate": MemberConfig(separate_layers=True),
    "unspectral": MemberConfig(spectral=False, dropout=0.4),
    "small": MemberConfig(width=64, feed_forward=128, separate_layers=True),
}
BATCH = 64
EPOCH = 120  # batches between looks at validation
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1e-3, 0.05, 100
TWELFTH = 12  # of a short run: as much of it warms up, and as much the running mean reaches back
CLIP_NORM = 5.0
FULL_SOFTMAX = 0.2  # weight of the loss over all labels
AROUSAL_WEIGHT = 0.2
SMOOTHING = 0.05
AVERAGING = 0.99  # of the running mean of the weights, at most


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def arousal_levels(labels: tuple[str, ...]) -> Tensor:
    """float32 [labels]: 0 or 1; -1 where a label's is not known, and everywhere unless both levels occur."""
    known = [AROUSAL.get(label, -1.0) for label in labels]
    return torch.tensor(known if {0.0, 1.0} <= set(known) else [-1.0] * len(known))


def label_mask(weights: dict[str, np.ndarray]) -> Tensor:
    """bool [corpora, labels]: which labels a corpus has, corpora in alphabetical order."""
    return torch.from_numpy(np.stack([weights[corpus] > 0 for corpus in sorted(weights)]))


def loss_of(
    outputs: tuple[Tensor, Tensor], labels: Tensor, corpora: Tensor, weights: Tensor, mask: Tensor, levels: Tensor
) -> Tensor:
    """The training loss.

    weights: float32 [corpora, labels] by class; mask: bool [corpora, labels]; levels: of arousal by class, see
    `arousal_levels`; labels, corpora: int64 [batch].
    """
    logits, arousal = outputs
    has = mask[corpora]
    among = torch.log_softmax(logits.masked_fill(~has, -1e4), -1)
    full = torch.log_softmax(logits, -1)
    smooth = has / has.sum(1, keepdim=True) * SMOOTHING
    target = smooth + (1 - SMOOTHING) * nn.functional.one_hot(labels, logits.shape[1])
    class_loss = -(target * (among.masked_fill(~has, 0) + FULL_SOFTMAX * full)).sum(1)
    weight = weights[corpora, labels]
    level = levels[labels]
    known = (level >= 0).float()
    arousal_loss = nn.functional.binary_cross_entropy_with_logits(arousal, level.clamp(min=0), reduction="none") * known
    return (weight * class_loss).mean() + AROUSAL_WEIGHT * arousal_loss.mean()


def standardise(member: Member, parts: list[Inputs]) -> None:
    """Fold the mean and deviation of the training nodes into the network; every corpus counts the same."""
    means, squares = [], []
    for part in parts:
        nodes = np.asarray(part.arrays["whisper"][:: max(1, len(part.arrays["whisper"]) // 3000)], np.float64)
        means.append(nodes.mean(0))
        squares.append((nodes**2).mean(0))
    mean = np.mean(means, 0)
    deviation = np.sqrt(np.mean(squares, 0) - mean**2)
    assert mean.shape[0] == WHISPER_LAYERS
    member.whisper.mean.copy_(torch.from_numpy(mean))
    member.whisper.scale.copy_(torch.from_numpy(np.maximum(deviation, 1e-4)))


def step_logits(member: Member, inputs: Inputs) -> np.ndarray:
    """float32 [rows, labels] of a collection as it is, without text."""
    member.eval()
    with torch.inference_mode():
        return torch.cat([member(as_tensors(batch))[0] for batch in in_order(inputs)]).numpy()


def validate(member: Member, validation: list[Inputs]) -> tuple[dict[str, float], list[np.ndarray]]:
    """Macro-F1 of the clips' decisions by corpus, and the logits of all steps."""
    scores, logits = {}, []
    for part in validation:
        logits.append(step_logits(member, part))
        decisions = decide(logits[-1] - np.logaddexp.reduce(logits[-1], 1)[:, None], part.heard, part.clip, len(part.clip_label))
        scores[part.collection.title] = macro_f1(part.clip_label, decisions.labels())
    return scores, logits


def learning_rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / max(1, min(WARM_UP, steps // TWELFTH)))
    return LEARNING_RATE * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def round_weights(member: Member) -> None:
    """To what float16 can hold: that is how the pack stores them (and the graph computes in float32)."""
    with torch.no_grad():
        for value in [*member.parameters(), *member.buffers()]:
            value.copy_(value.half().float())


def load_member(path: Path) -> tuple[Member, dict[str, Any]]:
    """A trained member and what is known of it (`temperature`, `validation`, `name`, `corpora`...).

    Raises:
        SystemExit: there is no such checkpoint, or it is none of a member.
    """
    saved = read_checkpoint(path, "fusion", "weights")
    member = Member(MemberConfig(**saved["config"]))
    member.load_state_dict(saved["weights"])
    member.eval()
    return member, saved


def train_member(
    name: str,
    config: MemberConfig,
    data: TrainingSet,
    validation: list[Inputs],
    seed: int,
    epochs: int,
    resume: bool,
    batches: int | None = None,
) -> Path:
    """Train, choose, round, calibrate; returns the checkpoint of the chosen weights. `batches`: of an epoch."""
    torch.manual_seed(seed)
    batches = batches or EPOCH
    steps = epochs * batches
    folder = checkpoint_folder()
    final, running, log = folder / f"{name}.pt", folder / f"{name}.running.pt", folder / f"{name}.jsonl"
    member = Member(config)
    standardise(member, data.parts)
    averaging = min(AVERAGING, max(0.0, 1 - TWELFTH / steps))
    mean = torch.optim.swa_utils.AveragedModel(member, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(averaging))
    optimiser = torch.optim.AdamW(member.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    first, best = 0, -1.0
    if resume and running.exists():
        state = torch.load(running, weights_only=True)
        if state.get("config", asdict(config)) != asdict(config):
            raise SystemExit(f"{running} is of another configuration or other labels: leave --resume out, or give another --name")
        member.load_state_dict(state["member"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        first, best = state["epoch"], state["best"]
    class_weights = data.class_weights()
    weights, mask = torch.from_numpy(np.stack([class_weights[corpus] for corpus in data.corpora])), label_mask(class_weights)
    levels = arousal_levels(config.labels)
    for epoch in range(first, epochs):
        began, total = time.monotonic(), 0.0
        member.train()
        for number, (batch, labels, corpora) in enumerate(data.batches(BATCH, batches, seed * 1000 + epoch)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(epoch * batches + number, steps)
            truth, sources = torch.from_numpy(labels), torch.from_numpy(corpora)
            loss = loss_of(member(as_tensors(batch)), truth, sources, weights, mask, levels)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(member.parameters(), CLIP_NORM)
            optimiser.step()
            mean.update_parameters(member)
            total += loss.item()
        candidate = Member(config)
        candidate.load_state_dict(mean.module.state_dict())
        round_weights(candidate)
        scores, logits = validate(candidate, validation)
        score = float(np.mean(list(scores.values())))
        line = {
            "epoch": epoch,
            "loss": round(total / batches, 4),
            "validation": round(score, 4),
            "seconds": round(time.monotonic() - began),
        }
        line |= {corpus: round(value, 3) for corpus, value in scores.items()}
        print(name, json.dumps(line), flush=True)
        with log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if score > best:
            best = score
            temperature = fit_temperature(logits, [part.labels for part in validation])
            described = {"name": name, "seed": seed, "config": asdict(config), "temperature": temperature, "validation": scores}
            described["corpora"] = sorted({part.collection.corpus for part in validation})
            torch.save({"weights": candidate.state_dict(), **described}, final)
        state = {"member": member.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save({**state, "epoch": epoch + 1, "best": best, "config": asdict(config)}, running)
    return final


def inputs_of(material: own_data.Material, split: str, kinds: tuple[str, ...]) -> list[Inputs]:
    """The cached inputs of one split of all corpora.

    Raises:
        SystemExit: a cache is missing, or no speech was found in any clip of a label.
    """
    collections = [entry for corpus in material.corpora for entry in training_collections(corpus, [split], material.labels)]
    inputs = [load_inputs(entry, kinds) for entry in collections]
    heard = np.bincount(np.concatenate([part.labels for part in inputs]), minlength=len(material.labels))
    if not heard.all():
        label = material.labels[int(heard.argmin())]
        raise SystemExit(f"no speech was found in any clip of {split} that is {label!r}: give clearer or longer recordings of it")
    return inputs


def kinds_of(config: MemberConfig) -> tuple[str, ...]:
    """The caches that a member needs."""
    return ("whisper", *(("pitch",) if config.pitch else ()), *(("spectral",) if config.spectral else ()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    own_data.add_arguments(parser)
    parser.add_argument("--name", help="of the member; its seed is added (default: the manifests' and the configuration's)")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="several seeds make several members")
    parser.add_argument("--configuration", choices=tuple(CONFIGURATIONS), default="mixed")
    parser.add_argument("--epochs", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--batches", type=int, default=EPOCH, help=f"of {BATCH} windows in an epoch (default: %(default)s)")
    parser.add_argument("--leave-out", choices=TRAINING_CORPORA, help="train and choose without one corpus")
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch of the same member")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    if args.epochs < 1 or args.batches < 1:
        raise SystemExit("--epochs and --batches must be at least 1")
    material = own_data.material_of(args)
    material = replace(material, corpora=tuple(corpus for corpus in material.corpora if corpus != args.leave_out))
    own_data.check(material, ("train", "validation"))
    manifests = [own_data.title_of(corpus) for corpus in material.corpora if own_data.is_manifest(corpus)]
    words = not manifests or words_can_be_taught(material.labels)
    config = replace(CONFIGURATIONS[args.configuration], text=words, labels=material.labels)
    if not words:
        print("words are not heard by this member: that takes GoEmotions under STREAMSER_DATA, and no labels but its seven")
    kinds = kinds_of(config)
    data = TrainingSet(inputs_of(material, "train", kinds), build_text_bank(material.labels) if words else None)
    validation = inputs_of(material, "validation", kinds)
    name = args.name or "-".join([*manifests, args.configuration])
    for seed in args.seed:
        member = f"{name}-{seed}" + (f"-without-{args.leave_out}" if args.leave_out else "")
        path = train_member(member, config, data, validation, seed, args.epochs, args.resume, args.batches)
        _, saved = load_member(path)
        told = {"member": member, "checkpoint": str(path), "temperature": saved["temperature"], "validation": saved["validation"]}
        print(json.dumps(told))
    return 0
