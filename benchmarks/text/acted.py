"""The acted corpora's clips: their cached features for the sound, and the recogniser's last word on every utterance.

Only the last hypothesis of each utterance is decoded, as a stream does when speech has ended. For the graph that reads words,
the text at a step is what of these words had ended one lag before it: close to a growing transcript at a tenth of its price.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.text.evidence import Heard, Utterance
from benchmarks.text.listening import cache_folder, kept
from streamser import Recognizer
from streamser.agreement import counted
from streamser.clock import SAMPLE_RATE
from streamser.feature_stream import FeatureStream
from streamser.features.text import TextFeatures
from streamser.features.whisper import FRAME, Hypothesis
from streamser.transcript import LEAST_LOG_PROBABILITY, SILENT_TAIL, TAIL
from train.corpora import Clip
from train.features import STEP, WINDOW, Collection, fresh_stream, silent_network
from train.fusion.data import collate, without_history
from train.fusion.inputs import Inputs, load_inputs

ROWS = 64  # run at a time


@dataclass(frozen=True)
class Final:
    """One utterance, in samples, and the last hypothesis about it; its words' times in seconds since the clip's start."""

    start: int
    end: int
    hypothesis: Hypothesis

    def counted(self, until: float = np.inf) -> str:
        """The words that count, of those that had ended by a time in seconds."""
        doubted = self.hypothesis.doubted
        return counted(replace(word, doubted=doubted) for word in self.hypothesis.words if word.end <= until)


def finals_of(recognizer: Recognizer, clip: Clip) -> list[Final]:
    """The utterances of a clip, a fresh stream of its own, with the language detected."""
    silent_pitch = silent_network(0, f0_hz=np.zeros(0, np.float32))
    features = replace(recognizer.features, pitch=silent_pitch, spectral=silent_network(192))
    samples = fresh_stream(0, clip).samples
    running = FeatureStream(features, STEP, WINDOW)
    closed = [utterance for start in range(0, len(samples), STEP) for utterance in running.advance(samples[start : start + STEP])]
    closed += running.close(len(samples))
    prior: dict[str, float] = {}
    found = []
    for utterance in closed:
        assert utterance.end is not None
        heard = samples[utterance.anchor : min(utterance.end + TAIL, len(samples))]
        heard = np.pad(heard, (0, SILENT_TAIL))
        encoding = features.whisper.encode(np.pad(heard, (0, -len(heard) % FRAME)))
        hypothesis = features.whisper.decode(encoding, None, prior, LEAST_LOG_PROBABILITY[True])
        if hypothesis.words:
            for code, value in hypothesis.language_log_probabilities.items():
                prior[code] = prior.get(code, 0.0) + value
        offset = utterance.anchor / SAMPLE_RATE
        words = tuple(replace(word, start=word.start + offset, end=word.end + offset) for word in hypothesis.words)
        found.append(Final(utterance.start, utterance.end, replace(hypothesis, words=words)))
    return found


def chosen_clips(collection: Collection, limit: int | None) -> tuple[list[Clip], list[int]]:
    """A collection's clips and the indices of those that are heard: all, or a fixed random part."""
    clips = collection.clips()
    if limit is None or len(clips) <= limit:
        return clips, list(range(len(clips)))
    return clips, sorted(np.random.default_rng(0).permutation(len(clips))[:limit].tolist())


def transcripts(recognizer: Recognizer, collection: Collection, limit: int | None) -> dict[int, list[Final]]:
    """By index of the clip; from the cache where it has been heard before."""
    clips, chosen = chosen_clips(collection, limit)
    folder = cache_folder(recognizer) / "acted" / collection.name
    found = {}
    for done, index in enumerate(chosen, 1):
        found[index] = kept(folder / f"{index}.pickle", lambda clip=clips[index]: finals_of(recognizer, clip))
        if done % 100 == 0:
            print(f"{collection.name}: {done} of {len(chosen)} clips heard", file=sys.stderr, flush=True)
    return found


def heard_of(recognizer: Recognizer, collection: Collection, limit: int | None) -> list[Heard]:
    """What the stream makes of each clip of a collection."""
    said = transcripts(recognizer, collection, limit)
    clips = collection.clips()
    inputs = load_inputs(collection)
    return [_heard(recognizer, inputs, clips[index], index, finals) for index, finals in said.items()]


def _heard(recognizer: Recognizer, inputs: Inputs, clip: Clip, index: int, finals: list[Final]) -> Heard:
    labels = recognizer.ensemble.labels
    encode = recognizer.features.text.encode
    lag = recognizer.pack.text_lag
    rows = np.flatnonzero(inputs.clip == index)
    owner = [max((n for n, final in enumerate(finals) if final.start < inputs.now[row]), default=0) for row in rows]
    texts: list[TextFeatures | None] = []
    for row, number in zip(rows, owner, strict=True):
        counted = finals[number].counted(inputs.now[row] / SAMPLE_RATE - lag) if finals else ""
        texts.append(encode(counted, finals[number].hypothesis.language) if counted else None)
    without = _run(recognizer, inputs, rows, [None] * len(rows))
    with_words = _run(recognizer, inputs, rows, texts)
    utterances = []
    for number, final in enumerate(finals):
        own = [place for place, found in enumerate(owner) if found == number]
        if own:
            words = encode(final.counted(), final.hypothesis.language).probabilities
            utterances.append(Utterance(without[own], with_words[own], inputs.heard[rows[own]], words))
    text = " ".join("".join(word.text for word in final.hypothesis.words).strip() for final in finals).strip()
    language = finals[0].hypothesis.language if finals else None
    return Heard(labels.index(clip.label), clip.speaker, text, language, tuple(utterances))


def _run(recognizer: Recognizer, inputs: Inputs, rows: np.ndarray, texts: list[TextFeatures | None]) -> np.ndarray:
    """The members' log posteriors of some rows, float32 [rows, members, labels]."""
    parts: list[dict[str, Any]] = []
    for row, text in zip(rows, texts, strict=True):
        part: dict[str, Any] = inputs.row(row)
        if text is not None and len(text.tokens):
            part |= {"text": text.tokens, "text_age": np.full(len(text.tokens), recognizer.pack.text_lag, np.float32)}
        parts.append(part)
    if not parts:
        return np.zeros((0, 1, len(recognizer.ensemble.labels)), np.float32)
    found = []
    for start in range(0, len(parts), ROWS):
        batch = collate(parts[start : start + ROWS], inputs.heard[rows[start : start + ROWS]])
        if recognizer.ensemble.history_width:
            batch = without_history(batch, recognizer.ensemble.history_width)
        found.append(recognizer.ensemble.session.run(["log_probabilities"], batch)[0].transpose(1, 0, 2))
    return np.concatenate(found)
