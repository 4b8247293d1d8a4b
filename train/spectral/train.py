"""`python -m train spectral`: teach the spectral encoder what YAMNet and Whisper hear, and what emotion labelled speakers express.

The loss is binary cross-entropy against YAMNet's scores, squared error against its standardised embedding and against
Whisper's standardised middle layers, class-weighted cross-entropy of the emotion where a window has one, and squared error
against what the window's own mels did (mean, deviation and step of each band), because no teacher was asked to keep how a
voice moves. Student and teachers hear the same view of every scene (consistent distillation). AdamW, warm-up, constant rate,
then a linear decay to zero over the last 30 %. A checkpoint holds everything that a resumed run needs.

`--start CHECKPOINT --both-ways` goes on from a trained streaming encoder with attention to both sides: the whole-clip network
that `benchmarks.tagging` holds the streaming one against.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from train.checkpoints import read_checkpoint
from train.corpora import LABELS, cache_root
from train.spectral.material import COLUMNS, WINDOW_COLUMNS, WINDOW_HOP, make_material
from train.spectral.model import MEL_BANDS, SIZES, Student, envelope_statistics
from train.spectral.teachers import EMBEDDING, SCORES, WHISPER

WARMUP = 200
DECAY = 0.3
SPREAD_SCENES = 600  # 30,000 columns, for the last map
HEADS = {"scores": SCORES, "embedding": EMBEDDING, "whisper": WHISPER, "envelope": 3 * MEL_BANDS, "emotion": len(LABELS)}
WEIGHTS = {"scores": 40.0, "embedding": 1.0, "whisper": 1.0, "envelope": 0.5, "emotion": 1.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--folder", type=Path, default=None, help="checkpoints and log (default: the cache)")
    parser.add_argument("--material", type=Path, default=None, help="scenes and teachers' answers (default: the cache)")
    parser.add_argument("--size", choices=sorted(SIZES), default="half")
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--start", type=Path, default=None, help="begin with the weights of this checkpoint")
    parser.add_argument("--no-emotion", action="store_true", help="leave the emotion labels out")
    parser.add_argument("--both-ways", action="store_true", help="let columns attend ahead too: for whole clips only")


def learning_rate(step: int, steps: int, rate: float) -> float:
    """Linear warm-up, constant, linear decay over the last `DECAY` of the steps."""
    return rate * min(1.0, (step + 1) / WARMUP, (steps - step) / (DECAY * steps))


def crop(mel: np.ndarray, rng: np.random.Generator, columns: int) -> tuple[np.ndarray, int]:
    """A random stretch that begins where a window begins: [columns, 16, 64] and the index of its first window."""
    first = int(rng.integers(0, (COLUMNS - columns) // WINDOW_HOP + 1))
    return mel[first * WINDOW_HOP : first * WINDOW_HOP + columns].astype(np.float32), first


@dataclass(frozen=True)
class Statistics:
    """Of training scenes alone: mean and deviation of the targets, the scores' rates, the weights of the emotions."""

    embedding: tuple[Tensor, Tensor]
    whisper: tuple[Tensor, Tensor]
    envelope: tuple[Tensor, Tensor]
    scores: Tensor
    class_weight: Tensor


def measure(data: dict[str, np.ndarray]) -> Statistics:
    """From the first scenes; the labels from all."""
    mel = torch.from_numpy(data["mel"][:300].astype(np.float32))
    embedding = torch.from_numpy(data["embedding"][:1000].astype(np.float32)).flatten(0, 1)
    envelope = envelope_statistics(mel, WINDOW_COLUMNS, WINDOW_HOP).flatten(0, 1)
    whisper = torch.from_numpy(data["whisper"][:2000].astype(np.float32)).flatten(0, 1)
    whisper = whisper[whisper[:, 0].isfinite()]
    label = np.asarray(data["label"])
    counts = np.maximum(1, np.bincount(label[label >= 0], minlength=len(LABELS)))
    return Statistics(
        # Many of the teacher's units are nearly always zero: without a least deviation their noise would rule the loss.
        embedding=(embedding.mean(0), embedding.std(0) + 0.05),
        whisper=(whisper.mean(0), whisper.std(0)),
        envelope=(envelope.mean(0), envelope.std(0)),
        scores=torch.from_numpy(data["scores"][:1000].astype(np.float32)).mean(dim=(0, 1)).clamp(min=1e-5),
        class_weight=torch.from_numpy((counts.sum() / (len(LABELS) * counts)).astype(np.float32)),
    )


def loss_terms(
    student: Student, batch: dict[str, Tensor], known: Statistics, both_ways: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """The mean loss of each head over windows, and the emotion logits [windows, labels]."""
    with torch.autocast("cpu", torch.bfloat16):
        answers = student(batch["mel"], WINDOW_COLUMNS, WINDOW_HOP, both_ways)
    heard = {name: value.float() for name, value in answers.items()}
    embedding = (batch["embedding"] - known.embedding[0]) / known.embedding[1]
    envelope = envelope_statistics(batch["mel"], WINDOW_COLUMNS, WINDOW_HOP)
    envelope = (envelope - known.envelope[0]) / known.envelope[1]
    asked = batch["whisper"][..., 0].isfinite()
    whisper = (batch["whisper"][asked] - known.whisper[0]) / known.whisper[1]
    label, logits = batch["label"].flatten(), heard["emotion"].flatten(0, 1)
    weight = known.class_weight[label.clamp(min=0)] * (label >= 0)
    feeling = cross_entropy(logits, label.clamp(min=0), reduction="none", label_smoothing=0.1)
    losses = {
        "scores": binary_cross_entropy_with_logits(heard["scores"], batch["scores"]),
        "embedding": (heard["embedding"] - embedding).square().mean(),
        "whisper": (heard["whisper"][asked] - whisper).square().sum() / (asked.sum().clamp(min=1) * WHISPER),
        "envelope": (heard["envelope"] - envelope).square().mean(),
        "emotion": (feeling * weight).sum() / weight.sum().clamp(min=1.0),
    }
    return losses, logits


def gather(data: dict[str, np.ndarray], rows: np.ndarray, rng: np.random.Generator | None, columns: int) -> dict[str, Tensor]:
    """A batch of scenes, cropped when `rng` is given."""
    windows = (columns - WINDOW_COLUMNS) // WINDOW_HOP + 1
    parts: dict[str, list[np.ndarray]] = {name: [] for name in data}
    for row in rows:
        mel, first = crop(data["mel"][row], rng, columns) if rng else (data["mel"][row].astype(np.float32), 0)
        parts["mel"].append(mel)
        for name in ("scores", "embedding", "whisper", "label"):
            parts[name].append(data[name][row, first : first + windows])
    batch = {name: torch.from_numpy(np.stack(arrays).astype(np.float32)) for name, arrays in parts.items()}
    batch["label"] = batch["label"].long()
    return batch


@torch.no_grad()
def validate(student: Student, data: dict[str, np.ndarray], known: Statistics, both_ways: bool) -> str:
    """Losses and the unweighted recall of emotion on scenes of validation speakers, as text for the log."""
    student.eval()
    terms, hits = [], []
    for begin in range(0, len(data["mel"]), 30):
        batch = gather(data, np.arange(begin, min(begin + 30, len(data["mel"]))), None, COLUMNS)
        losses, logits = loss_terms(student, batch, known, both_ways)
        terms.append(losses)
        hits.append(torch.stack([batch["label"].flatten(), logits.argmax(-1)]))
    student.train()
    label, guess = torch.cat(hits, dim=1)
    recall = [float((guess[label == c] == c).float().mean()) for c in range(len(LABELS)) if bool((label == c).any())]
    columns = student.encoder(torch.from_numpy(data["mel"][:8].astype(np.float32)), both_ways).flatten(0, 1)
    share = torch.linalg.svdvals(columns - columns.mean(0)).square()
    share = share / share.sum()
    # The exponential of the entropy of the variance over directions: near 1, the columns have collapsed.
    rank = float(torch.exp(-(share * torch.log(share + 1e-12)).sum()))
    return f"validation {describe(terms)} uar {np.mean(recall):.3f} rank {rank:.1f}"


def describe(terms: list[dict[str, Tensor]]) -> str:
    """The mean of each loss, for the log."""
    return " ".join(f"{name} {np.mean([float(losses[name]) for losses in terms]):.4g}" for name in terms[0])


def optimiser_of(student: Student, rate: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves biases and norms alone."""
    groups = [
        {"params": [parameter for parameter in student.parameters() if parameter.ndim > 1], "weight_decay": 0.05},
        {"params": [parameter for parameter in student.parameters() if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def fill(student: Student, kept: dict[str, Any], path: Path) -> None:
    """Give the student the weights of a checkpoint.

    Raises:
        SystemExit: they are another network's.
    """
    try:
        student.load_state_dict(kept["student"])
    except RuntimeError as error:
        size = kept.get("size", "no size given")
        raise SystemExit(f"{path} holds another network ({size}) or an earlier one: train again, or name its --size") from error


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    folder = args.folder or cache_root() / "spectral" / args.size
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    # Before the material, which takes a quarter of an hour to make.
    begin = read_checkpoint(args.start, "spectral", "student") if args.start else None
    kept = read_checkpoint(checkpoint, "spectral", "student") if args.resume else None
    material = args.material or cache_root() / "spectral" / "material"
    watched = make_material(material / "validation", "validation", 200, 1)
    data = make_material(material / "train", "train", args.scenes, 0)
    student = Student(SIZES[args.size], HEADS)
    known = measure(data)
    student.encoder.start_from(torch.from_numpy(data["mel"][:300].astype(np.float32)))
    # Most scores are rare: starting from their rates saves the first steps.
    head = student.heads["scores"]
    assert isinstance(head, nn.Linear)
    head.bias.data.copy_(torch.logit(known.scores))
    if begin is not None:
        fill(student, begin, args.start)
        student.encoder.plain_output()
    optimiser = optimiser_of(student, args.rate)
    step = 0
    if kept is not None:
        fill(student, kept, checkpoint)
        student.encoder.plain_output()  # of a run that had ended
        optimiser.load_state_dict(kept["optimiser"])
        step = kept["step"]
        rng = np.random.default_rng((args.seed, step))
        torch.manual_seed(args.seed + step)
    log = (folder / "log.txt").open("a", buffering=1)

    def say(text: str) -> None:
        print(text, flush=True)
        log.write(text + "\n")

    def save() -> None:
        kept = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "size": args.size}
        partial = checkpoint.with_suffix(".partial")
        torch.save(kept, partial)
        partial.replace(checkpoint)

    say(f"steps {step}..{args.steps} seed {args.seed} batch {args.batch} rate {args.rate} both ways {args.both_ways}")
    start, terms = time.monotonic(), []
    weights = {**WEIGHTS, "emotion": 0.0} if args.no_emotion else WEIGHTS
    while step < args.steps:
        # Most batches are short, as clips are; the others go past the 25 columns that attention reaches.
        columns = 24 if rng.random() < 0.6 else 48
        count = args.batch if columns == 24 else args.batch // 2
        batch = gather(data, rng.integers(0, len(data["mel"]), count), rng, columns)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.rate)
        losses, _ = loss_terms(student, batch, known, args.both_ways)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        step += 1
        terms.append({name: loss.detach() for name, loss in losses.items()})
        if step % 100 == 0:
            say(f"step {step} {describe(terms)} {time.monotonic() - start:.0f} s")
            terms.clear()
        if step % 500 == 0 or step == args.steps:
            save()
            say(f"step {step} " + validate(student, watched, known, args.both_ways))
    student.eval()
    with torch.no_grad():
        mels = torch.from_numpy(data["mel"][:SPREAD_SCENES].astype(np.float32)).split(20)
        student.encoder.plain_output()
        student.encoder.spread_columns(torch.cat([student.encoder(mel, args.both_ways).flatten(0, 1) for mel in mels]))
    save()
    return 0
