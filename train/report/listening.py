"""Audio through the runtime's own features and the report's graph: what a fresh stream, without words, would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamser.ensemble import Decision
from streamser.feature_stream import Features
from streamser.packs.resolve import find_pack
from streamser.timeline import Timeline
from train.features import GRAPHS, STEP, WINDOW, load_features, stream_inputs
from train.report.context import Context, Outputs, joined
from train.training_streams import Stream

DELAY = 16_000  # samples: how long a new label lasts before it is the stable one, as in the default pack


@dataclass(frozen=True)
class Heard:
    """The speech steps of one fresh stream: their ends in samples, seconds heard, what the graph says; `steps`: all of them."""

    ends: np.ndarray
    heard: np.ndarray
    outputs: Outputs | None
    steps: int


class Listener:
    """Hears audio with the networks of the context's pack, or the training's own where it has none."""

    def __init__(self, context: Context, features: Features | None = None) -> None:
        """features: instead of those networks."""
        self.context = context
        self.features = features or (Features.load(find_pack(context.pack)) if context.pack else load_features(*GRAPHS))

    def hear(self, samples: np.ndarray) -> Heard:
        """A fresh stream of samples float32 [n] at 16 kHz, silence up to the end of its last step."""
        padded = np.pad(samples.astype(np.float32, copy=False), (0, -len(samples) % STEP))
        found = list(stream_inputs(self.features, Stream((0,), padded, WINDOW), None, 0))
        return Heard(
            ends=np.array([end for end, _ in found], np.int64),
            heard=np.array([inputs.heard for _, inputs in found], np.float32),
            outputs=joined([self.context.run(inputs.as_batch()) for _, inputs in found]) if found else None,
            steps=len(padded) // STEP,
        )


def together(clips: Sequence[Heard]) -> tuple[Outputs, np.ndarray, np.ndarray] | None:
    """The rows of clips that were heard, their seconds heard and clips, as `Context.decided` takes them; None without speech."""
    spoken = [entry.outputs for entry in clips if entry.outputs is not None]
    if not spoken:
        return None
    clip = np.repeat(np.arange(len(clips)), [len(entry.ends) for entry in clips])
    return joined(spoken), np.concatenate([entry.heard for entry in clips]), clip


def all_known(outputs: Outputs) -> Outputs:
    """The same, as if all of it were speech with an emotion."""
    return replace(outputs, known=np.ones_like(outputs.known))


def step_decisions(context: Context, outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Log posteriors float64 [rows, labels] and confidences float64 [rows] of steps, as the runtime gives them without words."""
    members = outputs.members.astype(np.float64) + context.prior
    mean = (members - np.logaddexp.reduce(members, axis=-1, keepdims=True)).mean(0)
    posterior = mean - np.logaddexp.reduce(mean, axis=1, keepdims=True)
    return posterior, np.exp(mean.max(1)) * outputs.known


def seconds_by_label(context: Context, heard: Heard) -> dict[str, float]:
    """How long the stable label of one fresh stream is which, `uncertain` and `no_speech` among them."""
    timeline = Timeline(context.labels, float(context.told["step_uncertain_below"]), DELAY)
    decided: dict[int, Decision] = {}
    if heard.outputs is not None:
        posterior, confidence = step_decisions(context, heard.outputs)
        decided = {
            int(end): Decision(row, float(sure), float("nan"))
            for end, row, sure in zip(heard.ends, posterior, confidence, strict=True)
        }
    for start in range(0, heard.steps * STEP, STEP):
        decision = decided.get(start + STEP)
        if decision is None:
            timeline.silence(start, start + STEP)
        else:
            timeline.speech(start, start + STEP, decision)
    return timeline.seconds
