"""`python -m train fit CONFIG`: train one system, choose the epoch on validation speakers, calibrate it, score it on test.

AdamW, a linear warm-up and a half cosine, clipped gradients. The seed fixes the result on one machine, and a training that was
cut off goes on as if it had not been: every epoch draws from generators of its own. `accelerate launch -m train fit CONFIG` uses
several GPUs, each with its share of every batch.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from safetensors.torch import load_file, save_file
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train.corpora import cache_root
from train.systems import runs
from train.systems.batches import Data, Encoded, Part
from train.systems.collate import TrainingBatches
from train.systems.config import SystemConfig, TrainingConfig, changed
from train.systems.losses import Loss
from train.systems.runs import EVALUATED, Run, read_any_config
from train.systems.scores import logits_of, macro_f1_by_corpus, predictions_of, scores_of, temperature_of
from train.systems.system import System, Widths, parameter_count

EPSILON, BETAS = 1e-8, (0.9, 0.98)
STANDARDISED_FRAMES = 4000  # of every corpus, evenly spaced
LEAST_DEVIATION = 1e-4


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """The rate of one step: linear from the least to the greatest, then half a cosine back to the least at the last step."""
    span = config.learning_rate - config.least_learning_rate
    if step < config.warm_up:
        return config.least_learning_rate + span * step / config.warm_up
    part = (step - config.warm_up) / max(1, steps - 1 - config.warm_up)
    return config.least_learning_rate + span * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))


def standardisation(parts: Sequence[Part]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of the audio features of the training clips, float32 [layers, width]; corpora count the same."""
    means, squares = [], []
    for part in parts:
        nodes = part.nodes["audio"]
        assert isinstance(nodes, Encoded)
        values = nodes.values[:: max(1, len(nodes.values) // STANDARDISED_FRAMES)]
        frames = np.asarray(values if nodes.layers is None else values[:, list(nodes.layers)], np.float64)
        means.append(frames.mean(0))
        squares.append((frames**2).mean(0))
    mean = np.mean(means, 0)
    deviation = np.sqrt(np.maximum(np.mean(squares, 0) - mean**2, LEAST_DEVIATION**2))
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


class Training:
    """A training under way: the network, its optimiser, and the best epoch so far."""

    def __init__(self, config: SystemConfig, folder: Path, data: Data, accelerator: Accelerator) -> None:
        self.config, self.folder, self.accelerator = config, folder, accelerator
        self.settings = config.training
        parts = data.parts(config, "train")
        self.batches = TrainingBatches(config, parts, data.bank(config, "train"))
        self.validation = data.parts(config, "validation")
        torch.manual_seed(self.settings.seed)
        self.system = System(config, Widths(*data.widths(config)))
        if "audio" in parts[0].nodes:
            self.system.standardise(*standardisation(parts))
        learned = [value for value in self.system.parameters() if value.requires_grad]
        optimiser = torch.optim.AdamW(
            learned, self.settings.learning_rate, betas=BETAS, eps=EPSILON, weight_decay=self.settings.weight_decay
        )
        self.wrapped, self.optimiser = accelerator.prepare(self.system, optimiser)
        self.loss = Loss(self.batches.class_counts(), self.settings).to(accelerator.device)
        self.epoch, self.best, self.best_epoch, self.seconds = 0, -1.0, -1, 0.0

    def train_epoch(self, progress: tqdm) -> dict[str, float]:
        """One epoch; returns its mean loss and the macro-F1 of its own rows, as they were trained (with dropout and the like)."""
        accelerator, steps = self.accelerator, len(self.batches) * self.settings.epochs
        process, processes = accelerator.process_index, accelerator.num_processes
        torch.manual_seed(self.settings.seed * 1_000_003 + self.epoch * 1009 + process)
        self.system.train()
        losses, answers = [], []
        for number, (batch, targets) in enumerate(self.batches.epoch(self.epoch, process, processes)):
            rate = learning_rate(self.epoch * len(self.batches) + number, steps, self.settings)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            logits = self.wrapped({name: values.to(accelerator.device) for name, values in batch.items()})
            loss = self.loss(logits, targets.to(accelerator.device))
            self.optimiser.zero_grad()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(self.system.parameters(), self.settings.clip_norm)
            self.optimiser.step()
            losses.append(loss.detach())
            answers.append((logits.detach().argmax(1), targets.labels, targets.corpora))
            progress.update()
        decided, labels, corpora = (torch.cat([entry[place].cpu() for entry in answers]).numpy() for place in range(3))
        scores = macro_f1_by_corpus(labels, decided, corpora)
        return {"loss": float(torch.stack(losses).mean()), "train": float(np.mean(list(scores.values()))), "rate": rate}

    def validate(self) -> dict[str, float]:
        """Macro-F1 of every corpus on validation."""
        found = predictions_of(logits_of(self.system, self.validation, self.accelerator.device), self.validation)
        return macro_f1_by_corpus(found.labels, found.decided(), found.corpora)

    def save(self) -> None:
        """The state after an epoch, whole or not at all."""
        scaler = self.accelerator.scaler
        state = {
            "system": self.system.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            **{name: getattr(self, name) for name in ("epoch", "best", "best_epoch", "seconds")},
        }
        partial = self.folder / f"{runs.STATE}.partial"
        torch.save(state, partial)
        partial.replace(self.folder / runs.STATE)

    def load(self) -> None:
        """Go on from the saved epoch; the log forgets an epoch that was not saved."""
        state = torch.load(self.folder / runs.STATE, weights_only=True, map_location="cpu")
        self.system.load_state_dict(state["system"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best, self.best_epoch, self.seconds = (state[name] for name in ("epoch", "best", "best_epoch", "seconds"))
        log = self.folder / runs.LOG
        log.write_text("".join(log.read_text().splitlines(keepends=True)[: self.epoch]))

    def run(self, report: Callable[[str], None] | None) -> None:
        """All epochs that are left."""
        main = self.accelerator.is_main_process
        board = SummaryWriter(self.folder / runs.TENSORBOARD, purge_step=self.epoch) if main else None
        with tqdm(
            total=len(self.batches) * self.settings.epochs,
            initial=len(self.batches) * self.epoch,
            desc=f"{self.config.name}-{self.settings.seed}",
            unit="batch",
            disable=None if main else True,
        ) as progress:
            while self.epoch < self.settings.epochs:
                began = time.monotonic()
                learned, scores = self.train_epoch(progress), self.validate()
                line = {"epoch": self.epoch, **learned, "validation": float(np.mean(list(scores.values()))), **scores}
                self.seconds += time.monotonic() - began
                if main:
                    self._keep({**line, "seconds": time.monotonic() - began}, board, report)
                elif line["validation"] > self.best:
                    self.best, self.best_epoch = line["validation"], self.epoch
                self.epoch += 1
                if main:
                    self.save()
        if board is not None:
            board.close()

    def _keep(self, line: dict[str, float], board: SummaryWriter | None, report: Callable[[str], None] | None) -> None:
        line = {name: value if isinstance(value, int) else float(f"{value:.5g}") for name, value in line.items()}
        with (self.folder / runs.LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if board is not None and name != "epoch":
                board.add_scalar(name, value, line["epoch"])
        if report is not None:
            report(json.dumps(line))
        if line["validation"] > self.best:
            self.best, self.best_epoch = line["validation"], self.epoch
            save_file(self.system.state_dict(), self.folder / runs.WEIGHTS)


def fit(
    config: SystemConfig,
    folder: Path,
    resume: bool = False,
    data: Data | None = None,
    report: Callable[[str], None] | None = None,
) -> Run:
    """Train a system into a run folder.

    Args:
        config: the system.
        folder: of the run (see `train.systems.runs`); without `resume` a run that lies there is trained anew.
        resume: go on from its last whole epoch, or from the start where there is none; a finished run is returned as it is.
        data: read before, shared by several trainings.
        report: is told the log line of every epoch.

    Raises:
        SystemExit: encodings are missing, settings that do not go together, or a run of another configuration to resume.
    """
    folder = Path(folder)
    if resume and (folder / runs.CONFIG).is_file():
        if read_any_config(folder / runs.CONFIG) != config:
            raise SystemExit(f"{folder} holds a run of another configuration: name another folder, or train without --resume")
        if (folder / runs.METRICS).is_file():
            return Run.load(folder)
    data = data or Data.load(config)
    accelerator = Accelerator(
        mixed_precision=config.training.precision,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    training = Training(config, folder, data, accelerator)
    if resume and (folder / runs.STATE).is_file():
        training.load()
    elif accelerator.is_main_process:
        runs.begin(folder, config, data.described(config), Widths(*data.widths(config)))
    accelerator.wait_for_everyone()
    training.run(report)
    if accelerator.is_main_process:
        finish(training, data)
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return Run.load(folder)


def finish(training: Training, data: Data) -> None:
    """Calibrate the chosen weights on validation, score them, write the predictions and the metrics."""
    config, folder, device = training.config, training.folder, training.accelerator.device
    training.system.load_state_dict(load_file(folder / runs.WEIGHTS))
    modes = {"words": True, "none": False} if config.features.text else {"none": False}
    temperatures: dict[str, float] = {}
    scores: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for split in EVALUATED:
        parts = data.parts(config, split)
        scores[split] = {}
        for mode, words in modes.items():
            logits = logits_of(training.system, parts, device, words)
            if split == "validation":
                temperatures[mode] = round(temperature_of(logits, parts), 4)
            found = predictions_of(logits, parts, temperatures[mode])
            scores[split][mode] = scores_of(found)
            arrays |= {f"{split}_{mode}": found.log_posteriors}
            arrays |= {f"{split}_{name}": getattr(found, name) for name in ("labels", "speakers", "corpora")}
    np.savez(folder / runs.PREDICTIONS, allow_pickle=False, **arrays)
    metrics = {
        "name": config.name,
        "seed": config.training.seed,
        "epochs": config.training.epochs,
        "best_epoch": training.best_epoch,
        "parameters": parameter_count(training.system),
        "seconds": round(training.seconds, 1),
        "temperature": temperatures,
        **scores,
    }
    runs.write_json(folder / runs.METRICS, metrics)
    (folder / runs.STATE).unlink(missing_ok=True)


def with_settings(config: SystemConfig, settings: Sequence[str]) -> SystemConfig:
    """A configuration with some values replaced, each given as `table.key=value` in TOML, or a bare word for a string.

    Raises:
        SystemExit: not of that form, or an unknown setting or value.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise SystemExit(f"--set {setting}: give table.key=value")
        try:
            values = tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            try:
                values = tomllib.loads(f"{key} = {json.dumps(value)}")
            except tomllib.TOMLDecodeError as error:
                raise SystemExit(f"--set {setting}: {error}") from None
        config = changed(config, values, f"--set {setting}")
    return config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("config", help="a .toml file, a row of the paper (train/systems/configs), or the config.json of a run")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="TABLE.KEY=VALUE", help="settings to replace")
    parser.add_argument("--output", type=Path, help="the run's folder (default: systems/NAME-SEED in the cache)")
    parser.add_argument("--resume", action="store_true", help="go on from the last epoch of the run in that folder")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    config = with_settings(read_any_config(args.config), args.set)
    folder = args.output or cache_root() / "systems" / f"{config.name}-{config.training.seed}"
    if not args.resume and (folder / runs.LOG).exists():
        raise SystemExit(f"{folder} holds a run: go on with --resume, or name another folder with --output")
    metrics = fit(config, folder, args.resume, report=lambda line: tqdm.write(line)).metrics
    print(f"{folder}: epoch {metrics['best_epoch']}, {metrics['parameters']:,} parameters, {metrics['seconds']:.0f} s")
    for split in EVALUATED:
        for mode, found in metrics[split].items():
            by_corpus = ", ".join(f"{name} {entry['macro_f1']['value']:.3f}" for name, entry in found["corpora"].items())
            print(f"{split}, {mode}: macro-F1 {found['macro_f1']:.3f}, UAR {found['uar']:.3f} ({by_corpus})")
    return 0
