"""`python -m train features`: what the runtime's own FeatureStream makes of the training corpora, cached for the fusion.

The corpora at hand, or with --manifest a user's own. A cache for each network, joined later, so that one is made again when
its network changes and the others are not. All walk the same streams and steps from the same seeds. A collection is one corpus,
split and pass:
training passes are streams with silence, joined clips and channel changes, of which random speech steps are kept; everything
else is each clip as a fresh stream, of which every speech step is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from streamser.clock import SAMPLE_RATE
from streamser.feature_stream import Features, FeatureStream
from streamser.features.pitch import PitchTracker
from streamser.features.quantised_f0 import DEFAULT_PACK_F0
from streamser.features.spectral import SpectralEncoder
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.features.whisper import Encoding
from streamser.fusion_input import FusionInput
from train import own_data
from train.corpora import (
    EVALUATION_CORPORA,
    LABELS,
    OTHER_LABELS,
    SPLITS,
    TRAINING_CORPORA,
    Clip,
    cache_root,
    clips_of,
    read_audio,
    read_corpus,
)
from train.whisper import PACK, load_whisper

STEP = 8000
WINDOW, LONG_WINDOW = 64_000, 128_000
GRAPHS = {"whisper": "whisper_encoder.onnx", "pitch": "pitch.onnx", "spectral": "spectral.onnx"}  # by kind of cache
STORED = {"whisper": np.float16, "spectral": np.float16, "pitch": np.int16}
PASSES = {"ravdess": (0, 1), "nemo": (0,), "banglaser": (0, 1), "indian_emospeech": (0, 1)}  # nemo has clips enough
KEPT_STEPS = {0: 2.2, 1: 1.8}  # speech steps kept of a training stream, on average, by pass
OWN_PASSES = (0, 1)  # of a manifest
RECIPE = b"1"  # part of the key: raise it when the streams or what is kept of them change


@dataclass(frozen=True)
class Collection:
    """One corpus (a name, or the path of a manifest), split and pass; `split` is `all` for an evaluation-only corpus.

    labels: those that count, in the order in which they are numbered.
    """

    corpus: str
    split: str
    number: int = 0
    labels: tuple[str, ...] = LABELS

    @property
    def title(self) -> str:
        """What the corpus is called in tables."""
        return own_data.title_of(self.corpus)

    @cached_property
    def name(self) -> str:
        """Names the cache; of a manifest, or where other labels than the seven count, also by what the clips are."""
        same = set(LABELS) <= set(self.labels) and not set(OTHER_LABELS) & set(self.labels)
        if same and not own_data.is_manifest(self.corpus):
            return f"{self.corpus}-{self.split}-{self.number}"
        clips, root = self.clips(), Path(self.corpus).resolve().parent
        told = [
            "/".join((os.path.relpath(clip.path, root), str(clip.path.stat().st_size), clip.speaker, clip.label)) for clip in clips
        ]
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:10]
        return f"{self.title}-{digest}-{self.split}-{self.number}"

    def clips(self) -> list[Clip]:
        if self.split == "all":
            return [clip for clip in read_corpus(self.corpus, self.labels) if clip.label in self.labels]
        return clips_of(self.corpus, self.split, self.labels)


@dataclass(frozen=True)
class Stream:
    """The audio of one stream: the clips joined in it, all of one speaker and label."""

    clips: tuple[int, ...]
    samples: np.ndarray
    window: int


def fresh_stream(index: int, clip: Clip) -> Stream:
    """A clip as it is, silence up to the end of its last step."""
    samples = read_audio(clip.path)
    return Stream((index,), np.pad(samples, (0, -len(samples) % STEP)), WINDOW)


def channel(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another microphone: a gain, a spectral tilt (first order, both ways) and a noise floor 10 to 45 dB below the clip."""
    tilt = rng.uniform(-0.5, 0.5)
    tilted = samples.copy()
    tilted[1:] += np.float32(tilt) * samples[:-1]
    level = float(np.sqrt(np.mean(tilted**2)) + 1e-6)
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    if rng.random() < 0.5:
        noise = np.convolve(noise, np.full(8, 8**-0.5, np.float32), mode="same")  # most rooms are louder below
    noisy = tilted + noise * np.float32(level * 10 ** (-rng.uniform(10, 45) / 20))
    return np.clip(noisy * np.float32(10 ** (rng.uniform(-12, 4) / 20)), -1, 1).astype(np.float32)


def training_streams(clips: list[Clip], number: int) -> Iterator[tuple[Stream, np.random.Generator]]:
    """Streams that each begin with another clip of the list; pass 0 leaves the channel alone, pass 1 changes it.

    Yields the stream and the generator that then draws its steps.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(clips):
        groups.setdefault((clip.speaker, clip.label), []).append(index)
    for index, clip in enumerate(clips):
        rng = np.random.default_rng([number, int.from_bytes(hashlib.sha256(str(clip.path.name).encode()).digest()[:6])])
        more = int(rng.choice([0, 1, 2], p=[0.72, 0.18, 0.10]))
        chosen = [index, *rng.choice(groups[clip.speaker, clip.label], more).tolist()]
        parts = [room_silence(rng, 0.6)]
        for member in chosen:
            parts += [read_audio(clips[member].path), room_silence(rng, 0.2)]
        samples = np.concatenate(parts)
        if number > 0:
            samples = channel(samples, rng)
        samples = np.pad(samples, (0, -len(samples) % STEP))
        window = LONG_WINDOW if more and rng.random() < 0.5 else WINDOW
        yield Stream(tuple(map(int, chosen)), samples, window), rng


def room_silence(rng: np.random.Generator, longest: float) -> np.ndarray:
    """Up to `longest` seconds of faint noise, float32."""
    count = int(rng.uniform(0, longest) * SAMPLE_RATE)
    return (rng.standard_normal(count) * 10 ** rng.uniform(-5, -3)).astype(np.float32)


def silent_network(width: int, **result: np.ndarray) -> Any:
    """Stands in for a running network whose features are not wanted: a stream that yields nothing."""
    nothing: Any = SimpleNamespace(**result) if result else np.zeros((0, width), np.float32)
    return SimpleNamespace(width=width, stream=lambda: SimpleNamespace(feed=lambda samples: nothing))


def load_features(kind: str) -> Features:
    """The runtime's networks for one kind of cache; the others are silent."""
    whisper: Any = None
    pitch = silent_network(0, f0_hz=np.zeros(0, np.float32))
    spectral = silent_network(192)
    graph = PACK / GRAPHS[kind]
    if kind == "whisper":
        whisper = load_whisper()
    elif kind == "pitch":
        pitch = PitchTracker.load(graph)
    else:
        spectral = SpectralEncoder.load(graph)
    text: Any = SimpleNamespace(width=384)
    return Features(VoiceActivityDetector.load(), whisper, pitch, spectral, text, DEFAULT_PACK_F0)


def stream_inputs(
    features: Features, stream: Stream, rng: np.random.Generator | None, kept: float
) -> Iterator[tuple[int, FusionInput]]:
    """(end of the step, input) for speech steps of a stream: all of them, or without `features.whisper`'s cost a random few.

    Args:
        features: as `load_features` gives them.
        stream: the audio.
        rng: draws the steps to keep; None keeps all.
        kept: the number of steps to keep on average.
    """
    running = FeatureStream(features, STEP, stream.window)
    steps = len(stream.samples) // STEP
    share = 1.0 if rng is None else min(1.0, kept / max(0.5 * steps, 1.0))
    draws = np.zeros(steps) if rng is None else rng.random(steps)
    silent = None if features.whisper else Encoding(np.zeros((3, 4, 512), np.float32))
    for number in range(steps):
        running.advance(stream.samples[number * STEP : (number + 1) * STEP])
        if draws[number] < share:
            found = running.fusion_input(encoding=silent)
            if found is not None:
                yield running.now, found


def key(kind: str) -> str:
    """Names the cache of one kind: a hash of its network and of the recipe."""
    return hashlib.sha256(RECIPE + (PACK / GRAPHS[kind]).read_bytes()).hexdigest()[:10]


def folder_of(collection: Collection, kind: str) -> Path:
    return cache_root() / "fusion_features" / f"{kind}-{key(kind)}" / collection.name


def build(collection: Collection, kind: str, features: Features) -> Path:
    """Make one collection's cache of one kind, unless it exists; arrays as .npy, so that they can be mapped."""
    folder = folder_of(collection, kind)
    if (folder / "records.npz").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    clips = collection.clips()
    training = collection.split == "train"
    streams: Iterator[tuple[Stream, np.random.Generator | None]] = (
        iter(training_streams(clips, collection.number))
        if training
        else ((fresh_stream(index, clip), None) for index, clip in enumerate(clips))
    )
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in (kind, f"{kind}_age")}
    records: list[tuple[int, int, int, float]] = []
    began = time.monotonic()
    for done, (stream, rng) in enumerate(streams):
        for now, found in stream_inputs(features, stream, rng, KEPT_STEPS.get(collection.number, 2.0)):
            for name in arrays:
                values = getattr(found, name)
                arrays[name].append(values.astype(STORED.get(name, np.float32)))
            records.append((stream.clips[0], now, stream.window, found.heard))
        if done % 200 == 0:
            print(f"{collection.name} {kind}: {done}/{len(clips)} streams, {time.monotonic() - began:.0f} s", flush=True)
    if not records:
        raise SystemExit(f"no speech was found in any of the {len(clips)} clips of {collection.title}, {collection.split}")
    saved: dict[str, Any] = {}
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", np.concatenate(values))
        saved[f"{name}_count"] = np.array([len(value) for value in values])
    columns = [np.array(column) for column in zip(*records, strict=True)]
    saved |= dict(zip(("clip", "now", "window", "heard"), columns, strict=True))
    saved["clip_speaker"] = np.array([entry.speaker for entry in clips])
    saved["clip_label"] = np.array([entry.label for entry in clips])
    saved["clip_gender"] = np.array([entry.gender for entry in clips])
    np.savez(folder / "records.npz", **saved)
    print(f"{collection.name} {kind}: {len(records)} inputs, {time.monotonic() - began:.0f} s -> {folder}", flush=True)
    return folder


def training_collections(corpus: str, splits: Iterable[str], labels: tuple[str, ...] = LABELS) -> list[Collection]:
    """The collections of a corpus or manifest that may train.

    Raises:
        SystemExit: the corpus is for evaluation only.
    """
    if corpus not in TRAINING_CORPORA and not own_data.is_manifest(corpus):
        raise SystemExit(f"{corpus!r} is for evaluation only: its features are made by `python -m train evaluate`")
    passes = PASSES.get(corpus, OWN_PASSES)
    return [Collection(corpus, split, number, labels) for split in splits for number in (passes if split == "train" else (0,))]


def sealed_collection(corpus: str, labels: tuple[str, ...] = LABELS) -> Collection:
    """An evaluation-only corpus, for `train.evaluate` alone."""
    if corpus not in EVALUATION_CORPORA:
        raise SystemExit(f"{corpus!r} is not one of {', '.join(EVALUATION_CORPORA)}")
    return Collection(corpus, "all", 0, labels)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    own_data.add_arguments(parser)
    parser.add_argument("--kinds", nargs="+", choices=tuple(GRAPHS), default=list(GRAPHS))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))


def run(args: argparse.Namespace) -> int:
    material = own_data.material_of(args)
    collections = [entry for corpus in material.corpora for entry in training_collections(corpus, args.splits, material.labels)]
    own_data.check(material, args.splits)
    for kind in args.kinds:
        features = load_features(kind)
        for collection in sorted(collections, key=lambda entry: (entry.split == "test", entry.number)):
            build(collection, kind, features)
    return 0
