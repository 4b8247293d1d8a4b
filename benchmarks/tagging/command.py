"""`python -m benchmarks.tagging`: what a linear probe reads from frozen, pooled embeddings, ours beside its teacher and others.

ESC-10 (accuracy, its 5 folds), deeply_nonverbal (16 sounds of people, UAR) and the emotion corpora (UAR), on speakers that
neither the probe nor the spectral network was taught; clean and through a telephone's band. What peers make of the corpora
is kept in the cache; only a changed network is run again. The bars are judged on clean audio and the mean over time.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tagging.clips import CAP, SOUNDS, TASKS, VOICES, Task, read_task
from benchmarks.tagging.encoders import (
    RANDOM,
    STREAMED,
    WHOLE,
    YAMNET,
    Encoder,
    embeddings,
    mel_statistics,
    random_weights,
    streamed,
    whisper,
    whole_clip,
    yamnet,
)
from benchmarks.tagging.picture import draw
from benchmarks.tagging.probes import probe_score
from export.spectral import PACK_FILE
from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.machine import machine_card
from train.metrics import Interval
from train.scores import record_look

Scores = dict[str, dict[str, Interval]]  # by encoder and corpus
JUDGED, BESIDE = ("clean", "mean"), (("clean", "mean + deviation"), ("telephone", "mean"))
SHORT = {SOUNDS: "ESC-10 acc", VOICES: "nonverbal", "indian_emospeech": "indian", "korean_emotiontts": "korean"}


@dataclass(frozen=True)
class Verdict:
    """A bar and what was measured against it, in points or per cent; None where the whole-clip network was not there.

    Attributes:
        strictly: the bar is above `wanted`, not at least `wanted`.
    """

    bar: str
    measured: float | None
    wanted: float
    strictly: bool = False

    @property
    def reached(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured > self.wanted or (self.measured == self.wanted and not self.strictly)

    def __str__(self) -> str:
        if self.measured is None:
            return f"not measured  {self.bar}"
        least = "above" if self.strictly else "at least"
        return f"{'reached' if self.reached else 'MISSED':13} {self.bar}: {self.measured:.1f}, wanted {least} {self.wanted:.0f}"


def mean_score(scores: dict[str, Interval], tasks: tuple[str, ...]) -> float:
    return float(np.mean([scores[task].value for task in tasks]))


def verdicts(scores: Scores) -> list[Verdict]:
    """The bars of the spectral network as it streams."""

    def lead(other: str, tasks: tuple[str, ...]) -> float:
        return round(100.0 * (mean_score(scores[STREAMED], tasks) - mean_score(scores[other], tasks)), 6)

    share = round(100.0 * scores[STREAMED][SOUNDS].value / scores[YAMNET][SOUNDS].value, 6)
    return [
        Verdict("points above random weights, ESC-10", lead(RANDOM, (SOUNDS,)), 15.0),
        Verdict("points above random weights, mean of the emotion corpora", lead(RANDOM, TRAINING_CORPORA), 5.0),
        Verdict("per cent of YAMNet's own ESC-10", share, 85.0),
        Verdict("points above YAMNet, deeply_nonverbal", lead(YAMNET, (VOICES,)), -3.0),
        Verdict("points above YAMNet, mean of the emotion corpora", lead(YAMNET, TRAINING_CORPORA), 0.0, strictly=True),
        Verdict("points above the whole clip, mean of all probes", lead(WHOLE, TASKS) if WHOLE in scores else None, -1.0),
    ]


def measure(encoders: list[Encoder], tasks: list[Task], condition: str, pooling: str) -> Scores:
    """The table of one condition and pooling; prints it on the way."""
    print(f"\n{condition}, {pooling} over time: score [95 % interval over speakers]")
    print(f"{'':15}" + "".join(f"{SHORT.get(task.name, task.name):>19}" for task in tasks) + f"{'emotion':>9}{'all':>7}")
    found: dict[str, dict[str, Interval]] = {encoder.name: {} for encoder in encoders}
    for task in tasks:
        for encoder in encoders:
            found[encoder.name][task.name] = probe_score(embeddings(encoder, task, condition), task, pooling)
    names = tuple(task.name for task in tasks)
    for name, scores in found.items():
        cells = "".join(f"{score.value:7.3f} [{score.low:.2f}, {score.high:.2f}]".rjust(19) for score in scores.values())
        emotion = mean_score(scores, tuple(task for task in names if task not in (SOUNDS, VOICES)))
        print(f"{name:15}{cells}{emotion:9.3f}{mean_score(scores, names):7.3f}", flush=True)
    return found


def judge(title: str, scores: Scores) -> list[Verdict]:
    """Print what became of the bars."""
    judged = verdicts(scores)
    print("\n".join([f"\n{title}", *(f"  {verdict}" for verdict in judged)]), flush=True)
    return judged


def rounded(scores: Scores) -> dict[str, dict[str, dict[str, Any]]]:
    """As JSON, four decimals."""
    return {
        encoder: {
            task: {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(score).items()}
            for task, score in of_tasks.items()
        }
        for encoder, of_tasks in scores.items()
    }


def look_at_sealed(encoders: list[Encoder], graph: Path) -> Scores:
    """The evaluation-only corpora, 4 classes; the look is recorded in docs/sealed_looks.jsonl."""
    scores = measure(encoders, [read_task(name) for name in EVALUATION_CORPORA], *JUDGED)
    figures = {
        corpus: {f"linear probe on {name}": {"score": round(scores[name][corpus].value, 4)} for name in scores}
        for corpus in EVALUATION_CORPORA
    }
    record_look(figures, graph)
    return scores


def open_encoders(graph: Path, checkpoint: Path | None) -> list[Encoder]:
    whole = [] if checkpoint is None else [whole_clip(checkpoint)]
    return [mel_statistics(), random_weights(graph), streamed(graph), *whole, yamnet(), whisper()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tagging", description=__doc__)
    parser.add_argument("--encoder", type=Path, default=PACK_FILE, help="the spectral graph (default: the default pack's)")
    parser.add_argument("--whole-clip", type=Path, metavar="CHECKPOINT", help="its checkpoint, to hear whole clips both ways")
    parser.add_argument("--bars-only", action="store_true", help="clean audio and the mean over time, which the bars are about")
    parser.add_argument("--sealed", action="store_true", help="also open the sealed corpora, and log that")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw a map of the embeddings (needs matplotlib)")
    args = parser.parse_args()
    for path in (args.encoder, args.whole_clip):
        if path is not None and not path.is_file():
            raise SystemExit(f"there is no file {path}")
    if args.picture is not None and (args.picture.suffix != ".png" or not args.picture.parent.is_dir()):
        raise SystemExit(f"--picture takes a .png in a folder that exists, not {args.picture}")
    if args.picture is not None and importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("--picture needs matplotlib: pip install 'streamser[benchmark]'")
    import torch

    torch.set_num_threads(1)
    files = {name: path for name, path in ((STREAMED, args.encoder), (WHOLE, args.whole_clip)) if path is not None}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    tasks = [read_task(name) for name in TASKS]
    print(f"at most {CAP} clips a corpus, by the hash of their names and even over speakers; emotion corpora: speakers held out")
    for task in tasks:
        counts = f"{len(set(task.labels.tolist())):2d} classes, {len(set(task.groups.tolist())):3d} groups"
        print(f"  {task.name:17} {len(task.clips):4d} of {task.available:4d} clips, {counts}")
    encoders = open_encoders(args.encoder, args.whole_clip)
    if args.whole_clip is None:
        print(f"{WHOLE}: not measured, as no checkpoint was named with --whole-clip")
    scores = {" ".join(JUDGED): measure(encoders, tasks, *JUDGED)}
    judged = judge("the bars", scores[" ".join(JUDGED)])
    if args.picture is not None:
        drawn = [task for task in tasks if task.name in (SOUNDS, VOICES)]
        wanted = [encoder for encoder in encoders if encoder.name in (RANDOM, STREAMED, YAMNET)]
        draw(drawn, {encoder.name: [embeddings(encoder, task, "clean") for task in drawn] for encoder in wanted}, args.picture)
        print(f"wrote {args.picture}", flush=True)
    if not args.bars_only:
        scores |= {" ".join(key): measure(encoders, tasks, *key) for key in BESIDE}
        judge("no bar, but the same questions of telephone speech", scores["telephone mean"])
    report = {name: rounded(table) for name, table in scores.items()}
    if args.sealed:
        report["sealed"] = rounded(look_at_sealed(encoders, args.encoder))
    line = {
        "benchmark": "tagging",
        "machine": machine_card(),
        "files": hashes,
        "cap": CAP,
        "clips": {task.name: len(task.clips) for task in tasks},
        "scores": report,
        "verdicts": [{**asdict(verdict), "reached": verdict.reached} for verdict in judged],
    }
    print(json.dumps(line))
    return 0
