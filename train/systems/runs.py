"""The folder of one training: all that it was made from and all that came of it, enough to repeat it.

config.json: the whole configuration. origin.json: commit, whether the tree was changed, versions, machine. data.json: hashes of
clips and encodings, the encoders' widths. log.jsonl: a line an epoch. tensorboard/. best.safetensors: the weights chosen on
validation. state.pt: the last epoch, to go on from; gone when the training is over. metrics.json, predictions.npz: the result.
`python -m train fit FOLDER/config.json --output OTHER` trains it again.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from train.systems.config import SystemConfig, changed, read_config
from train.systems.scores import Predictions
from train.systems.system import System, Widths

CONFIG, ORIGIN, DATA, LOG = "config.json", "origin.json", "data.json", "log.jsonl"
WEIGHTS, STATE, METRICS, PREDICTIONS, TENSORBOARD = "best.safetensors", "state.pt", "metrics.json", "predictions.npz", "tensorboard"
EVALUATED = ("validation", "test")
RECORDED = ("torch", "numpy", "accelerate", "transformers", "onnxruntime")  # packages whose versions a run notes


@dataclass(frozen=True)
class Run:
    """A finished training. metrics: as metrics.json has them (see `train.systems.fit`)."""

    folder: Path
    config: SystemConfig
    metrics: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Run:
        """What a training left in its folder.

        Raises:
            SystemExit: the folder holds no finished run.
        """
        folder = Path(folder)
        if not (folder / METRICS).is_file():
            begun = (folder / CONFIG).is_file()
            raise SystemExit(f"{folder} holds {'a run that is not over: go on with --resume' if begun else 'no run'}")
        return cls(folder, read_any_config(folder / CONFIG), json.loads((folder / METRICS).read_text(encoding="utf-8")))

    @property
    def reads(self) -> bool:
        """Whether the system takes words."""
        return bool(self.config.features.text)

    def predictions(self, split: str, words: bool = True) -> Predictions:
        """What the system says of `validation` or `test`; without words where it takes none or none are asked for."""
        with np.load(self.folder / PREDICTIONS) as file:
            mode = "words" if words and self.reads else "none"
            named = {name: file[f"{split}_{name}"] for name in ("labels", "speakers", "corpora")}
            return Predictions(file[f"{split}_{mode}"], **named)

    def system(self) -> System:
        """The network with its chosen weights, ready to evaluate."""
        widths = json.loads((self.folder / DATA).read_text(encoding="utf-8"))["widths"]
        system = System(self.config, Widths(**widths), pretrained=False)
        system.load_state_dict(load_file(self.folder / WEIGHTS))
        return system.eval()


def read_any_config(path: str | Path) -> SystemConfig:
    """A configuration from a TOML file, a row's name, or the config.json of a run.

    Raises:
        SystemExit: no such file, damaged, or an unknown setting.
    """
    path = Path(path)
    if path.suffix != ".json":
        return read_config(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise SystemExit(f"{path} is not the configuration of a run")
    return changed(SystemConfig(values["name"]), values, str(path))


def write_json(path: Path, values: Any) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def begin(folder: Path, config: SystemConfig, described: dict[str, Any], widths: Widths) -> None:
    """Make the folder of a new training; what an earlier one left in it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LOG, WEIGHTS, STATE, METRICS, PREDICTIONS):
        (folder / name).unlink(missing_ok=True)
    for file in (folder / TENSORBOARD).glob("events.*"):
        file.unlink()
    write_json(folder / CONFIG, config.as_dict())
    write_json(folder / ORIGIN, {**origin(), "command": sys.argv})
    write_json(folder / DATA, {"widths": {"audio": widths.audio, "text": widths.text}, "sources": described})


@functools.cache
def origin() -> dict[str, Any]:
    """The commit and whether the files differ from it, None outside a checkout; versions of packages; the machine."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed": None if (status := _git("status", "--porcelain")) is None else bool(status),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in RECORDED}},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
