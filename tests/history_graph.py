"""A small fusion graph of random weights that hears a voice's history, on the nodes of the default pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.toy_graph import MEAN_OF_WHISPER, STATISTICS, TWO_MEMBERS, UNUSUAL, Step, write_toy

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
VOICE = 4


def write_history_graph(path: Path, known: float = 1.0, leave_out: str = "") -> Path:
    """Judges how the mean of Whisper's nodes differs from the history's, by as much as there is of it.

    known: what it always says of that. leave_out: an output that it shall lack.
    """
    rng = np.random.default_rng(5)
    constants = {
        "least": np.array(1e-6, np.float32),
        "half_way": np.array(3.0, np.float32),
        "weights": rng.normal(size=(STATISTICS, len(LABELS))).astype(np.float32) / 10,
        "voices": rng.normal(size=(STATISTICS, VOICE)).astype(np.float32) / 10,
        "always": np.array(known, np.float32),
        "nothing": np.array(0.0, np.float32),
        "unsure": np.array(0.5, np.float32),
    }
    steps: list[Step] = [
        *MEAN_OF_WHISPER,
        ("Abs", ["mean"], "size", {}),
        ("Concat", ["mean", "size"], "statistics", {"axis": 1}),
        ("MatMul", ["statistics", "voices"], "voice", {}),
        ("Mul", ["heard", "nothing"], "naught", {}),
        ("Add", ["naught", "always"], "column", {}),
        ("Squeeze", ["column", "one"], "known", {}),
        *UNUSUAL,
        ("MatMul", ["unusual", "weights"], "logits", {}),
        *TWO_MEMBERS,
    ]
    outputs: dict[str, list[Any]] = {"log_probabilities": [2, "batch", len(LABELS)], "arousal": [2, "batch"]}
    outputs |= {"statistics": ["batch", STATISTICS], "voice": ["batch", VOICE], "known": ["batch"]}
    outputs.pop(leave_out, None)
    return write_toy(path, steps, constants, outputs)
