"""`python -m train fusion`: train one member of the ensemble and calibrate it.

Cross-entropy, AdamW, warm-up and cosine; corpora, classes and speakers are sampled evenly. The loss is over the labels
that a window's corpus has, with a small weight on all, so that no corpus teaches that an emotion it lacks does not exist.
Meetings are soft neutral. Two windows of three come with a random history of their speaker. The weights used are a running
mean of the last steps'; the epoch is chosen by macro-F1 on validation speakers, a mean over corpora.
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

from train import own_data
from train.checkpoints import read_checkpoint
from train.collection import MEETINGS, OTHER_PASSES, Collection, training_collections
from train.corpora import TRAINING_CORPORA
from train.fusion.calibration import fit_temperature
from train.fusion.data import Batch, Inputs, Targets, TrainingSet, checkpoint_folder, in_order, without_history
from train.fusion.decide import decide
from train.fusion.inputs import load_inputs
from train.fusion.mdat import STATISTICS, Member, MemberConfig
from train.fusion.regression import regress
from train.fusion.text_bank import build_text_bank, words_can_be_taught
from train.metrics import macro_f1
from train.training_streams import FRESH_KINDS, FRESH_PASSES

CONFIGURATIONS = {  # the first two make the default pack; the others leave something out, or hear one thing more
    "mixed": MemberConfig(spectral=False, pitch=False, dropout=0.4),
    "linear": MemberConfig(spectral=False, pitch=False, text=False, nodes=False, statistics=False, dropout=0.0),
    "pooled": MemberConfig(spectral=False, pitch=False, text=False, nodes=False, dropout=0.4),
    "pitched": MemberConfig(spectral=False, dropout=0.4),
    "spectral": MemberConfig(pitch=False, dropout=0.4),
}
BATCH = 64
EPOCH = 120  # batches between looks at validation
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1e-3, 0.05, 100
FREE_CORPORA = ("banglaser",)  # CC BY 4.0, as AMI's meetings are; the others forbid commercial use
TWELFTH = 12  # of a short run: as much of it warms up, and as much the running mean reaches back
CLIP_NORM = 5.0
FULL_SOFTMAX = 0.2  # weight of the loss over all labels
AROUSAL_WEIGHT, INTENSITY_WEIGHT = 0.2, 0.1
AVERAGING = 0.99  # of the running mean of the weights, at most


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


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
    standardise(member, data)
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
    for epoch in range(first, epochs):
        began, total = time.monotonic(), 0.0
        member.train()
        for number, (batch, targets) in enumerate(data.batches(BATCH, batches, seed * 1000 + epoch)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(epoch * batches + number, steps)
            loss = loss_of(member(as_tensors(batch)), targets)
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
            keep(final, name, seed, candidate, scores, logits, validation)
        state = {"member": member.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save({**state, "epoch": epoch + 1, "best": best, "config": asdict(config)}, running)
    return final


def keep(
    path: Path, name: str, seed: int, member: Member, scores: dict[str, float], logits: list[np.ndarray], validation: list[Inputs]
) -> None:
    """Save a member with its temperature, fitted to the steps of validation speakers, and what it scored there."""
    temperature = fit_temperature(logits, [part.labels for part in validation])
    described = {"name": name, "seed": seed, "config": asdict(member.config), "temperature": temperature, "validation": scores}
    described["corpora"] = sorted({part.collection.corpus for part in validation})
    torch.save({"weights": member.state_dict(), **described}, path)


def inputs_of(material: own_data.Material, split: str, kinds: tuple[str, ...]) -> list[Inputs]:
    """The cached inputs of one split of all corpora; those of fresh passes, of which only Whisper is cached, where it is enough.

    Raises:
        SystemExit: a cache is missing, or no speech was found in any clip of a label.
    """
    collections = [entry for corpus in material.corpora for entry in training_collections(corpus, [split], material.labels)]
    if kinds != FRESH_KINDS:
        collections = [entry for entry in collections if entry.number not in FRESH_PASSES]
    inputs = [load_inputs(entry, kinds) for entry in collections]
    heard = np.bincount(np.concatenate([part.labels for part in inputs]), minlength=len(material.labels))
    taught = {clip.label for entry in collections for clip in entry.clips()}
    unheard = [label for label, count in zip(material.labels, heard, strict=True) if label in taught and not count]
    if unheard:
        raise SystemExit(f"no speech was found in any clip of {split} that is {unheard[0]!r}: give clearer or longer recordings")
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
    parser.add_argument("--epochs", type=int, default=10, help="(default: %(default)s; `linear` has none)")
    parser.add_argument("--batches", type=int, default=EPOCH, help=f"of {BATCH} windows in an epoch (default: %(default)s)")
    parser.add_argument("--commercial", action="store_true", help="only corpora whose licence allows commercial use")
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch of the same member")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    if args.epochs < 1 or args.batches < 1:
        raise SystemExit("--epochs and --batches must be at least 1")
    material = own_data.material_of(args)
    own_data.check(material, ("train", "validation"))
    left_out = [corpus for corpus in TRAINING_CORPORA if corpus not in FREE_CORPORA] if args.commercial else []
    material = replace(material, corpora=tuple(corpus for corpus in material.corpora if corpus not in left_out))
    manifests = [own_data.title_of(corpus) for corpus in material.corpora if own_data.is_manifest(corpus)]
    words = not manifests or words_can_be_taught(material.labels)
    config = CONFIGURATIONS[args.configuration]
    config = replace(config, text=words and config.text, labels=material.labels)
    if not words:
        print("words are not heard by this member: that takes GoEmotions under STREAMSER_DATA, and no labels but its seven")
    kinds = kinds_of(config)
    parts = inputs_of(material, "train", kinds)
    if not manifests and "neutral" in material.labels:
        parts += [load_inputs(Collection(MEETINGS, "train", number, material.labels), kinds) for number in OTHER_PASSES]
    data = TrainingSet(parts, build_text_bank(material.labels) if config.text else None)
    validation = inputs_of(material, "validation", kinds)
    name = args.name or "-".join([*manifests, args.configuration])
    for seed in args.seed:
        member = "-".join([f"{name}-{seed}", *(f"without-{corpus}" for corpus in left_out)])
        if config.plain:
            path = regress(member, config, data, validation, seed)
        else:
            path = train_member(member, config, data, validation, seed, args.epochs, args.resume, args.batches)
        _, saved = load_member(path)
        told = {"member": member, "checkpoint": str(path), "temperature": saved["temperature"], "validation": saved["validation"]}
        print(json.dumps(told))
    return 0
