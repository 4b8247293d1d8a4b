"""Spoken sentences through the whole stream, keeping what its decisions were made of; kept in the cache, a clip a file."""

from __future__ import annotations

import hashlib
import pickle
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.text.evidence import Heard, Utterance
from benchmarks.text.sentences import Script
from benchmarks.text.voices import PROSODIES, SYNTHESISERS, speak, with_prosody
from streamser import Recognizer, Stream
from streamser.clock import to_seconds
from streamser.ensemble import Decision, Ensemble, Judgement
from streamser.events import UtteranceEvent
from streamser.fusion_input import FusionInput
from streamser.judge import Judge
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings
from streamser.speaker_history import SpeakerStatistics
from train.corpora import LABELS, cache_root

STEP_JOINS = 2  # of a step: what its window says with the words, and the same of the last part of the window
RECIPE = b"2"  # raise it when voices, doubts or what is kept change


@dataclass
class Notes:
    """What one stream decided from: its steps (start of the utterance, seconds heard, members without and with words), and the
    words that each utterance was joined with."""

    steps: list[tuple[float, float, np.ndarray, np.ndarray]] = field(default_factory=list)
    finals: list[np.ndarray | None] = field(default_factory=list)
    joins: int = 0  # that are still to come of the present step


class NotingEnsemble(Ensemble):
    """Judges without words and without the past, and notes what the members say with and without words."""

    def __init__(self, shared: Ensemble, notes: Notes, late_fusion: LateFusion) -> None:
        super().__init__(shared.session, shared.labels, shared.vote, shared.uncertain_below, late_fusion)
        self.notes = notes
        self.stream: Stream | None = None

    def judge(self, inputs: FusionInput, subset: np.ndarray, history: SpeakerStatistics | None = None) -> Judgement:
        without = self.hear(replace(inputs, text=inputs.text[:0], text_age=inputs.text_age[:0]))
        assert self.stream is not None
        utterance = self.stream._features.utterance
        assert utterance is not None
        members = self.hear(inputs) if len(inputs.text) else without
        told = (without["log_probabilities"], members["log_probabilities"])
        self.notes.steps.append((to_seconds(utterance.start), inputs.heard, *told))
        self.notes.joins = STEP_JOINS
        return self.judgement(without, subset)


class NotingFusion(LateFusion):
    """Joins nothing, and notes the words of whole utterances."""

    def __init__(self, labels: tuple[str, ...], text_labels: tuple[str, ...], notes: Notes) -> None:
        super().__init__(WordSettings(in_fusion=True), labels, text_labels)
        self.notes = notes

    def join(self, sound: Decision, words: np.ndarray | None, subset: np.ndarray) -> Decision:
        if self.notes.joins:
            self.notes.joins -= 1
        else:
            self.notes.finals.append(words)
        return sound


class WholeWindows(Judge):
    """Judges windows alone: the last part of one, which tells changes, decides about no utterance."""

    def recent(self, inputs: FusionInput, decision: Decision) -> Decision:
        return decision


def listen(recognizer: Recognizer, samples: np.ndarray, label: int, speaker: str) -> Heard:
    """One stream over float32 [n] at 16 kHz, in the pack's steps; the language is detected."""
    notes = Notes()
    late = NotingFusion(recognizer.ensemble.labels, recognizer.features.text.labels, notes)
    ensemble = NotingEnsemble(recognizer.ensemble, notes, late)
    settings = recognizer.settings()
    judge = WholeWindows(ensemble, settings.subset)
    stream = Stream(recognizer.features, ensemble, recognizer.pool, settings, "text", 0, judge)
    ensemble.stream = stream
    events = [event for event in stream.feed(samples) + stream.finish() if isinstance(event, UtteranceEvent)]
    utterances = []
    for event, words in zip(events, notes.finals, strict=True):
        steps = [entry for entry in notes.steps if entry[0] == event.start]
        if steps:
            _, heard, without, members = zip(*steps, strict=True)
            utterances.append(Utterance(np.array(without), np.array(members), np.array(heard, np.float32), words))
    language = next((event.language for event in events if event.language), None)
    return Heard(label, speaker, " ".join(event.text for event in events).strip(), language, tuple(utterances))


def voice_number(name: str, index: int) -> int:
    """Whose turn a sentence of a set is: both voices speak every label, and one voice every prosody of a sentence."""
    return index // len(PROSODIES) if name == "conflict" else index // len(LABELS) + index


def spoken(script: Script, number: int) -> tuple[str, np.ndarray]:
    """The synthesiser of a sentence and its sound."""
    synthesiser = list(SYNTHESISERS)[number % len(SYNTHESISERS)]
    return synthesiser, with_prosody(speak(script.text, synthesiser), PROSODIES[script.prosody])


def cache_folder(recognizer: Recognizer) -> Path:
    """Of the pack's networks: what was heard with others is not taken for theirs."""
    hashes = [recognizer.pack.components[name].sha256 for name in sorted(recognizer.pack.components)]
    key = hashlib.sha256(RECIPE + "".join([*hashes, recognizer.pack.whisper.sha256]).encode()).hexdigest()[:10]
    return cache_root() / "text_benchmark" / key


def kept(path: Path, make: Any) -> Any:
    """What a file of the cache holds, made first where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(make()))
        partial.replace(path)
    return pickle.loads(path.read_bytes())


def listen_to(recognizer: Recognizer, name: str, scripts: list[Script]) -> list[Heard]:
    """What the stream makes of each sentence, from the cache where it has been heard before."""
    found = []
    for index, script in enumerate(scripts):
        number = voice_number(name, index)

        def hear(script: Script = script, number: int = number) -> Heard:
            synthesiser, samples = spoken(script, number)
            return listen(recognizer, samples, script.label, synthesiser)

        digest = hashlib.sha256(f"{script} {number % 2}".encode()).hexdigest()[:16]
        found.append(kept(cache_folder(recognizer) / "spoken" / f"{digest}.pickle", hear))
        if (index + 1) % 50 == 0:
            print(f"{name}: {index + 1} of {len(scripts)} sentences heard", file=sys.stderr, flush=True)
    return found
