"""`python -m train tune`: tune Whisper's blocks 3 and 4 for emotion, by low-rank factors, together with a head.

Corpora, classes and speakers are sampled evenly, as for the members; the loss is theirs (`train.fusion.losses`). A row is a random
stretch of a random view of a clip. Then the factors are halved, which brings back most of what tuning forgets of voices unlike
those that teach (weights between the original's and the tuned one's: Wortsman et al. 2022, arXiv 2109.01903), and a fresh head
is taught on top. Weights are running means of the last steps'; nothing is chosen on validation speakers, they only calibrate.
`--leave-out` makes a copy that has never heard a corpus, for calibration.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from train.corpora import LABELS, TRAINING_CORPORA, cache_root
from train.corpora.manifest import counted_as
from train.fusion.calibration import fit_temperature
from train.fusion.data import CORPUS_SHARES, SMOOTHING, Pick, pick_of
from train.fusion.losses import class_loss
from train.fusion.train import CLIP_NORM, FREE_CORPORA, TWELFTH
from train.metrics import macro_f1, uar
from train.tuning.low_rank import RANK
from train.tuning.network import STATISTICS, Tuned, TuningConfig, collate
from train.tuning.views import VIEWS, View, load_view

BATCH, PART = 48, 16  # rows of a step; of a forward pass: like lengths together, for less padding
STEPS, HEAD_STEPS, WARM_UP = 600, 300, 60
SHARE = 0.5  # of the factors that is kept
HEAD_RATE, FACTOR_RATE = 1e-3, 7e-4
HEAD_DECAY, FACTOR_DECAY = 0.05, 0.01
AVERAGING = 0.985  # of the running mean of the weights, at most
STANDARD_ROWS = 480  # that say what is usual
STRETCH = (30, 200)  # frames of 20 ms that a stretch has, unless the clip is shorter
WHOLE_SHARE, WHOLE = 0.5, 220  # rows that are whole clips, of at most so many frames
AT_ONSET = 0.5  # of the stretches: they begin where the speech does, as a window of a young utterance
TOLD_EVERY = 100  # steps
LONGEST = 300  # frames of a clip that is validated


@dataclass(frozen=True)
class Material:
    """views: by corpus (or fold), all views. picks: by corpus, one for each label, rows of (view, clip). among: by corpus, bool
    [labels], the labels that it has."""

    labels: tuple[str, ...]
    views: dict[str, list[View]]
    picks: dict[str, list[tuple[int, Pick]]]
    among: dict[str, np.ndarray]

    @classmethod
    def of(cls, corpora: list[str], labels: tuple[str, ...]) -> Material:
        views = {corpus: [load_view(base_of(corpus), number) for number in VIEWS] for corpus in corpora}
        picks: dict[str, list[tuple[int, Pick]]] = {}
        among = {}
        for corpus, seen in views.items():
            places: dict[int, dict[str, list[tuple[int, int]]]] = {}
            for number, view in enumerate(seen):
                clips, numbers = spoken_in(view, corpus, "train", labels)
                for clip, label in zip(clips.tolist(), numbers.tolist(), strict=True):
                    places.setdefault(label, {}).setdefault(str(view.speakers[clip]), []).append((number, clip))
            picks[corpus] = [(label, pick_of(list(speakers.values()))) for label, speakers in sorted(places.items())]
            among[corpus] = np.isin(np.arange(len(labels)), list(places))
        return cls(labels, views, picks, among)

    def rows(self, count: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, int, np.ndarray]]:
        """`count` random rows: frames float32 [n, 512], the label, and the labels of its corpus, bool [labels]."""
        corpora = list(self.picks)
        weights = np.array([CORPUS_SHARES.get(base_of(corpus), 1.0) for corpus in corpora])
        for choice in rng.choice(len(corpora), p=weights / weights.sum(), size=count):
            corpus = corpora[choice]
            label, pick = self.picks[corpus][int(rng.integers(len(self.picks[corpus])))]
            number, clip = pick.draw(rng)
            view = self.views[corpus][number]
            first, length = stretch(int(view.counts[clip]), rng)
            yield view.clip(clip, first, length), label, self.among[corpus]


def base_of(corpus: str) -> str:
    return corpus.partition("-fold")[0]


def spoken_in(view: View, corpus: str, split: str, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The clips of a split, and their labels, int64 [n] both. Only RAVDESS knows calm from neutral."""
    own = labels if base_of(corpus) == "ravdess" else tuple(label for label in labels if label != "calm")
    clips = view.spoken_by(corpus, split, own)
    names = [str(view.labels[clip]) for clip in clips]
    return clips, np.array([labels.index(counted_as(name, own)) for name in names], int)


def stretch(frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """Where a random stretch of a clip begins, and its frames: at least a node's."""
    if rng.random() < WHOLE_SHARE:
        length = min(frames, WHOLE)
        return int(rng.integers(0, frames - length + 1)), length
    length = min(frames, int(rng.uniform(*STRETCH)))
    return (0 if rng.random() < AT_ONSET else int(rng.integers(0, frames - length + 1))), length


def targets(labels: Tensor, among: Tensor) -> Tensor:
    """Smoothed over the labels of each row's corpus: int64 [B], bool [B, labels] -> float32 [B, labels]."""
    told = nn.functional.one_hot(labels, among.shape[1]).float()
    return (1 - SMOOTHING) * told + SMOOTHING * among / among.sum(1, keepdim=True)


def forward(network: Tuned, rows: list[np.ndarray]) -> Tensor:
    """Logits [B, labels] of rows of any lengths, in their order."""
    return network.logits(statistics_of(network, rows))


def statistics_of(network: Tuned, rows: list[np.ndarray]) -> Tensor:
    """float32 [B, STATISTICS] of rows of any lengths, in their order."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    parts = [network.statistics(*collate([rows[place] for place in order[at : at + PART]])) for at in range(0, len(rows), PART)]
    return torch.cat(parts)[torch.tensor(np.argsort(order))]


@torch.inference_mode()
def statistics_of_clips(network: Tuned, view: View, clips: np.ndarray) -> np.ndarray:
    """float32 [clips, STATISTICS] of whole clips, up to 6 s."""
    network.eval()
    rows = [view.clip(int(clip), 0, min(LONGEST, int(view.counts[clip]))) for clip in clips]
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = np.zeros((len(rows), STATISTICS), np.float32)
    for start in range(0, len(rows), 2 * PART):
        chosen = order[start : start + 2 * PART]
        found[chosen] = statistics_of(network, [rows[place] for place in chosen]).numpy()
    return found


@torch.inference_mode()
def logits_of(network: Tuned, view: View, clips: np.ndarray) -> np.ndarray:
    """float32 [clips, labels] of whole clips, up to 6 s."""
    statistics = torch.from_numpy(statistics_of_clips(network, view, clips))
    logits: np.ndarray = network.logits(statistics).numpy()
    return logits


def spoken(corpus: str, split: str, labels: tuple[str, ...]) -> tuple[View, np.ndarray, np.ndarray]:
    """View 0 of a corpus, the clips of a split, and their labels int64."""
    view = load_view(base_of(corpus), 0)
    return view, *spoken_in(view, corpus, split, labels)


def learning_rate(step: int, steps: int) -> float:
    """Its share: a warm-up, then half a cosine down to a fiftieth."""
    return min(1.0, (step + 1) / max(1, min(WARM_UP, steps // TWELFTH))) * (
        0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps))
    )


def tune(material: Material, seed: int, steps: int, log: Path) -> Tuned:
    """A tuned network with its factors halved, and a head that was taught on top of them."""
    rng = np.random.default_rng(seed)
    return learned(tuned_blocks(material, seed, steps, rng, log), material, max(1, steps * HEAD_STEPS // STEPS), rng, log)


def tuned_blocks(material: Material, seed: int, steps: int, rng: np.random.Generator, log: Path) -> Tuned:
    """The tuned blocks, frozen with their factors halved, under a head that has learned nothing."""
    torch.manual_seed(seed)
    network = learned(Tuned(TuningConfig(material.labels, RANK)), material, steps, rng, log)
    kept = {name: SHARE * value if name.endswith(".up") else value for name, value in network.factors().items()}
    softened = Tuned(network.config)
    softened.load_state_dict(kept, strict=False)
    softened.blocks.requires_grad_(False)
    return softened


def learned(network: Tuned, material: Material, steps: int, rng: np.random.Generator, log: Path) -> Tuned:
    """The running mean of a network whose head, and factors unless they are frozen, have learned for some steps."""
    rows, _, _ = zip(*material.rows(STANDARD_ROWS, rng), strict=True)
    with torch.inference_mode():
        usual = statistics_of(network, list(rows))
        network.usual.copy_(usual.mean(0))
        network.spread.copy_(usual.std(0))
    factors = [value for value in network.blocks.parameters() if value.requires_grad]
    head = [value for name, value in network.named_parameters() if not name.startswith("blocks.")]
    groups = [{"params": head, "weight_decay": HEAD_DECAY, "highest": HEAD_RATE}]
    if factors:
        groups.append({"params": factors, "weight_decay": FACTOR_DECAY, "highest": FACTOR_RATE})
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    mean_of = torch.optim.swa_utils.get_ema_multi_avg_fn(min(AVERAGING, max(0.0, 1 - TWELFTH / steps)))
    mean = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=mean_of, use_buffers=True)
    began, total = time.monotonic(), 0.0
    network.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * learning_rate(step, steps)
        rows, labels, among = zip(*material.rows(BATCH, rng), strict=True)
        allowed = torch.from_numpy(np.stack(among))
        loss = class_loss(forward(network, list(rows)), targets(torch.tensor(labels), allowed), allowed)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*head, *factors], CLIP_NORM)
        optimiser.step()
        mean.update_parameters(network)
        total += loss.item()
        if (step + 1) % TOLD_EVERY == 0:
            told = {"step": step + 1, "tuned": bool(factors), "loss": round(total / TOLD_EVERY, 4)}
            line = json.dumps({**told, "seconds": round(time.monotonic() - began)})
            print(line, flush=True)
            with log.open("a") as file:
                file.write(line + "\n")
            total = 0.0
    found = mean.module
    assert isinstance(found, Tuned)
    return found.eval()


def validated(network: Tuned, corpora: list[str], split: str) -> tuple[dict[str, float], list[np.ndarray], list[np.ndarray]]:
    """Macro-F1 by corpus, and the logits and labels of its clips."""
    scores, logits, truths = {}, [], []
    for corpus in corpora:
        view, clips, truth = spoken(corpus, split, network.config.labels)
        logits.append(logits_of(network, view, clips))
        truths.append(truth)
        scores[corpus] = round(macro_f1(truth, logits[-1].argmax(1)), 4)
    return scores, logits, truths


def asked_by(network: Tuned, corpus: str, material: Material) -> dict[str, Any]:
    """What a corpus that was left out says, over the labels that were taught: temperature of its validation speakers, UAR of its
    training speakers."""
    taught = np.any(list(material.among.values()), axis=0)
    found: dict[str, Any] = {}
    for split in ("validation", "train"):
        view, clips, truth = spoken(corpus, split, material.labels)
        clips, truth = clips[taught[truth]], truth[taught[truth]]
        logits = logits_of(network, view, clips)
        if split == "validation":
            found["temperature"] = round(fit_temperature([logits], [truth]), 4)
        own = np.isin(np.arange(len(taught)), truth)
        found[f"{split}_uar"] = round(uar(truth, np.where(own, logits, -np.inf).argmax(1)), 4)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS, help="(default: %(default)s)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--leave-out", choices=TRAINING_CORPORA, help="tune without this corpus")
    which.add_argument("--commercial", action="store_true", help="only corpora whose licence allows commercial use")


def name_of(seed: int, leave_out: str | None = None, commercial: bool = False) -> str:
    """Of a checkpoint."""
    without = f"-without-{leave_out}" if leave_out else "-commercial" if commercial else ""
    return f"tuned-{seed}{without}"


def checkpoint_file(name: str) -> Path:
    return cache_root() / "tuning" / f"{name}.pt"


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    if args.steps < 1:
        raise SystemExit("--steps must be at least 1")
    corpora = [corpus for corpus in (FREE_CORPORA if args.commercial else TRAINING_CORPORA) if corpus != args.leave_out]
    path = checkpoint_file(name_of(args.seed, args.leave_out, args.commercial))
    path.parent.mkdir(parents=True, exist_ok=True)
    material = Material.of(corpora, LABELS)
    network = tune(material, args.seed, args.steps, path.with_suffix(".jsonl"))
    scores, logits, truths = validated(network, corpora, "validation")
    told: dict[str, Any] = {"name": path.stem, "corpora": corpora, "seed": args.seed, "steps": args.steps, "validation": scores}
    told["temperature"] = round(fit_temperature(logits, truths), 4)
    if args.leave_out:
        told["left_out"] = asked_by(network, args.leave_out, material)
    torch.save({"learned": network.learned(), "config": asdict(network.config), **told}, path)
    print(json.dumps(told))
    return 0
