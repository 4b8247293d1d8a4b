"""What the real recogniser says of a stream before any time line, step by step; run once, then read from the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmarks.timeline.plans import Plan, as_json
from benchmarks.timeline.render import render
from streamser.clock import SAMPLE_RATE
from streamser.ensemble import Decision
from streamser.events import EmotionEvent, UtteranceEvent
from streamser.fusion_input import FusionInput
from streamser.judge import Judge
from streamser.recognizer import Recognizer
from streamser.stream import Stream
from train.corpora import cache_root

LAYOUT = 2  # of the cached files and of what is rendered: raise it when either changes


@dataclass(frozen=True)
class Posteriors:
    """A stream's n steps and m utterances.

    start, end: int64 [n], samples. speech: bool [n]. utterance: int64 [n], its number, -1 in silence. heard: float64 [n], seconds
    of speech in the window. confidence: float64 [n]. log_posterior: float64 [n, labels], and recent, of the last part of the window
    alone. Zeros in silence. utterances: int64 [m, 2], first and last sample. labels: of the columns. uncertain_below,
    utterance_below: the pack's thresholds.
    """

    start: np.ndarray
    end: np.ndarray
    speech: np.ndarray
    utterance: np.ndarray
    heard: np.ndarray
    confidence: np.ndarray
    log_posterior: np.ndarray
    recent: np.ndarray
    utterances: np.ndarray
    labels: np.ndarray
    uncertain_below: np.ndarray
    utterance_below: np.ndarray


class Listener(Judge):
    """A judge that keeps its last decisions, with what they were about."""

    last: tuple[int, float, float, np.ndarray, np.ndarray] | None = None

    def step(self, inputs: FusionInput, utterance: int, new: float) -> Decision:
        decision = super().step(inputs, utterance, new)
        self._about = utterance, inputs.heard, decision.confidence, decision.log_posterior
        return decision

    def recent(self, inputs: FusionInput, decision: Decision) -> Decision:
        found = super().recent(inputs, decision)
        self.last = (*self._about, found.log_posterior)
        return found


def posteriors(plan: Plan, recognizer: Recognizer) -> Posteriors:
    """From the cache, or by running the recogniser over the stream without a transcript."""
    file = _file(plan, recognizer)
    if file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            return Posteriors(**{field.name: arrays[field.name] for field in fields(Posteriors)})
    found = listen(render(plan), recognizer)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as opened:
        np.savez(opened, **{field.name: getattr(found, field.name) for field in fields(Posteriors)})
    part.replace(file)
    return found


def listen(samples: np.ndarray, recognizer: Recognizer) -> Posteriors:
    """Run the recogniser over float32 [n] as over any stream, a step at a time."""
    settings = recognizer.settings(transcript=False)
    listener = Listener(recognizer.ensemble, settings.subset)
    stream = Stream(recognizer.features, recognizer.ensemble, recognizer.pool, settings, "timeline", 0, listener)
    nothing = np.zeros(len(recognizer.ensemble.labels))
    rows, utterances = [], []
    for first in range(0, len(samples) + 1, settings.step):
        listener.last = None
        block = samples[first : first + settings.step]
        events = stream.feed(block) if len(block) == settings.step else [*stream.feed(block), *stream.finish()]
        for event in events:
            if isinstance(event, EmotionEvent):
                rows.append((event.start, event.end, event.state == "speech", *(listener.last or (-1, 0.0, 0.0, nothing, nothing))))
            elif isinstance(event, UtteranceEvent):
                utterances.append((event.start, event.end))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    below = recognizer.ensemble.uncertain_below
    start, end, speech, number, heard, confidence, log_posterior, recent = columns
    return Posteriors(
        start=_samples(start),
        end=_samples(end),
        speech=speech,
        utterance=number,
        heard=heard,
        confidence=confidence,
        log_posterior=log_posterior,
        recent=recent,
        utterances=_samples(np.array(utterances).reshape(-1, 2)),
        labels=np.array(recognizer.ensemble.labels),
        uncertain_below=np.array(below["step"]),
        utterance_below=np.array(below["utterance"]),
    )


def _samples(seconds: np.ndarray) -> np.ndarray:
    return np.round(seconds * SAMPLE_RATE).astype(np.int64)


def _file(plan: Plan, recognizer: Recognizer) -> Path:
    """Named by all that the posteriors depend on: the plan, and what of the pack comes before the time line."""
    manifest = json.loads((recognizer.pack.folder / "pack.json").read_text())
    heard = {name: value for name, value in manifest.items() if name not in ("delay", "training", "metrics")}
    said = json.dumps([LAYOUT, heard, as_json(plan)], sort_keys=True)
    return cache_root() / "timeline" / f"{hashlib.sha256(said.encode()).hexdigest()[:24]}.npz"
