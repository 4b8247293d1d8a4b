"""Streams of one speaker and one label, joined from clips, and what Whisper says of their beginnings: for `windows`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from train.corpora import LABELS, TRAINING_CORPORA, Clip, clips_of, read_audio
from train.encoders.registry import load_audio_encoder
from train.encodings import SPEECH, load_encodings
from train.experiments.cells import experiment_folder
from train.experiments.pooled import Truth

SAMPLE_RATE = 16_000
WINDOWS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)  # seconds of speech heard
LONGEST = WINDOWS[-1]
ENCODER, LAYERS, POOLED = "whisper-base", (1, 3, 5), 4  # layers 2, 4 and the last, means of 80 ms: what the default pack hears
STREAMS = {"validation": 20, "test": 60}  # a corpus; there are fewer where speakers said little
PREFIXES = 360  # of random length, a corpus, to learn from
SHORTEST = 0.4
RECIPE = 1


@dataclass(frozen=True)
class Stream:
    """Clips of one speaker and one label, heard one after the other without their silence."""

    corpus: str
    speaker: str
    label: str
    clips: tuple[int, ...]  # their places in `clips_of`


@dataclass(frozen=True)
class Prefixes:
    """Encoded beginnings of streams.

    values: float16 [frames, layers, width]; offsets: int64 [n + 1], where each begins. seconds: float32 [n], what was heard.
    """

    values: np.ndarray
    offsets: np.ndarray
    seconds: np.ndarray
    truth: Truth

    def __len__(self) -> int:
        return len(self.seconds)

    def nodes(self, index: int) -> np.ndarray:
        """float16 [n, layers, width] of one beginning."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def of(self, rows: np.ndarray) -> Truth:
        """What is known of some rows, int64 or bool."""
        return Truth(self.truth.labels[rows], self.truth.corpora[rows], self.truth.speakers[rows])


def streams_of(clips: list[Clip], seconds: np.ndarray, count: int, rng: np.random.Generator) -> list[Stream]:
    """At most `count` streams of at least LONGEST seconds, evenly over those speakers and labels that have as much.

    No two streams begin with the same clip; later clips are shared where a speaker has few.

    Args:
        seconds: float [clips], speech of each clip.
    """
    orders = {key: rng.permutation(rows) for key, rows in sorted(groups_of(clips).items()) if seconds[rows].sum() >= LONGEST}
    streams: list[Stream] = []
    for turn in range(max(map(len, orders.values()), default=0)):
        for (speaker, label), order in orders.items():
            if turn < len(order) and len(streams) < count:
                streams.append(Stream(clips[0].corpus, speaker, label, _enough(np.roll(order, -turn), seconds, LONGEST)))
    return streams


def prefix_to_learn(clips: list[Clip], seconds: np.ndarray, rng: np.random.Generator) -> tuple[Stream, float]:
    """A stream and how long it is heard: short lengths as likely as long ones, in octaves."""
    groups = groups_of(clips)
    length = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    (speaker, label), rows = sorted(groups.items())[rng.integers(len(groups))]
    return Stream(clips[0].corpus, speaker, label, _enough(rng.permutation(rows), seconds, length)), length


def groups_of(clips: list[Clip]) -> dict[tuple[str, str], list[int]]:
    """Places of clips by speaker and label."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(clips):
        groups.setdefault((clip.speaker, clip.label), []).append(index)
    return groups


def _enough(rows: np.ndarray, seconds: np.ndarray, wanted: float) -> tuple[int, ...]:
    """As many clips as fill the seconds, or all."""
    return tuple(int(row) for row in rows[: int(np.searchsorted(np.cumsum(seconds[rows]), wanted)) + 1])


def prefixes_of(split: str) -> Prefixes:
    """The encoded beginnings of the streams of one split of the four corpora; made once, in some minutes."""
    settings = json.dumps([RECIPE, WINDOWS, ENCODER, LAYERS, POOLED, STREAMS, PREFIXES, SHORTEST])
    path = experiment_folder("windows") / f"{split}-{hashlib.sha256(settings.encode()).hexdigest()[:10]}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        found: dict[str, Any] = _encode(split)
        np.savez(partial, **found)
        partial.replace(path)
    with np.load(path) as file:
        truth = Truth(file["labels"], file["corpora"], file["speakers"])
        return Prefixes(file["values"], file["offsets"], file["seconds"], truth)


def _encode(split: str) -> dict[str, np.ndarray]:
    encoder, rng = load_audio_encoder(ENCODER), np.random.default_rng(0)
    values, heard, streams = [], [], []
    for corpus in TRAINING_CORPORA:
        clips, speech = clips_of(corpus, split), load_encodings(SPEECH, corpus, split)
        bounds = np.concatenate([speech.clip(index) for index in range(len(clips))])
        seconds = (bounds[:, 1] - bounds[:, 0]) / SAMPLE_RATE
        if split == "train":
            learned = (prefix_to_learn(clips, seconds, rng) for _ in range(PREFIXES))
            wanted: list[tuple[Stream, tuple[float, ...]]] = [(stream, (length,)) for stream, length in learned]
        else:
            wanted = [(stream, WINDOWS) for stream in streams_of(clips, seconds, STREAMS[split], rng)]
        for stream, lengths in tqdm(wanted, f"prefixes of {corpus} {split}", unit="stream", mininterval=5):
            audio = np.concatenate([read_audio(clips[row].path)[slice(*bounds[row])] for row in stream.clips])
            for length in lengths:
                frames = encoder.encode(audio[: round(length * SAMPLE_RATE)])[:, LAYERS]
                begins = np.arange(0, len(frames), POOLED)
                sizes = np.diff(begins, append=len(frames))[:, None, None]
                values.append((np.add.reduceat(frames, begins, axis=0) / sizes).astype(np.float16))
                heard.append(min(length, len(audio) / SAMPLE_RATE))
                streams.append(stream)
    return {
        "values": np.concatenate(values),
        "offsets": np.concatenate([[0], np.cumsum([len(nodes) for nodes in values])]),
        "seconds": np.array(heard, np.float32),
        "labels": np.array([LABELS.index(stream.label) for stream in streams], np.int64),
        "corpora": np.array([stream.corpus for stream in streams]),
        "speakers": np.array([stream.speaker for stream in streams]),
    }
