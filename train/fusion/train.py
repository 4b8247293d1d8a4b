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

import numpy as np
import torch
from torch import nn

from train import own_data
from train.collection import MEETINGS, OTHER_PASSES, Collection, training_collections
from train.corpora import AUXILIARY_CORPORA, TRAINING_CORPORA
from train.fusion.data import TrainingSet, checkpoint_folder
from train.fusion.inputs import Inputs, load_inputs
from train.fusion.losses import loss_of
from train.fusion.mdat import Member, MemberConfig
from train.fusion.members import as_tensors, keep, load_member, round_weights, standardise, validate
from train.fusion.regression import regress
from train.fusion.text_bank import build_text_bank, words_can_be_taught
from train.training_streams import FRESH_KINDS, FRESH_PASSES

CONFIGURATIONS = {  # the first two make the default pack; the others leave something out, or hear one thing more
    "mixed": MemberConfig(spectral=False, pitch=False, dropout=0.4),
    "linear": MemberConfig(spectral=False, pitch=False, text=False, nodes=False, statistics=False, dropout=0.0),
    "pitched": MemberConfig(spectral=False, dropout=0.4),
    "spectral": MemberConfig(pitch=False, dropout=0.4),
}
BATCH = 64
EPOCH = 120  # batches between looks at validation
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1e-3, 0.05, 100
FREE_CORPORA = ("banglaser",)  # CC BY 4.0, as AMI's meetings are; the others forbid commercial use
TWELFTH = 12  # of a short run: as much of it warms up, and as much the running mean reaches back
CLIP_NORM = 5.0
AVERAGING = 0.99  # of the running mean of the weights, at most


def learning_rate(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / max(1, min(WARM_UP, steps // TWELFTH)))
    return LEARNING_RATE * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


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
    if (
        args.commercial and not manifests and kinds == FRESH_KINDS
    ):  # beside all four corpora they cost more than they give (decision 97)
        bursts = [entry for corpus in AUXILIARY_CORPORA for entry in training_collections(corpus, ["train"], material.labels)]
        parts += [load_inputs(entry, kinds) for entry in bursts]
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
