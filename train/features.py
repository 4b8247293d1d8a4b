"""`python -m train features`: what the runtime's own FeatureStream makes of the training corpora, cached for the fusion.

The corpora at hand, or with --manifest a user's own. A cache for each network, joined later, so that one is made again when
its network changes and the others are not; one walk makes all that are missing. Training passes are streams with silence,
joined clips and random channels, of which random speech steps are kept; everything else is each clip as a fresh stream, of
which every speech step is kept. A collection may be a part of a larger cache (`Collection.pool`).
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from streamser.feature_stream import Features, FeatureStream
from streamser.features.pitch import PitchTracker
from streamser.features.quantised_f0 import DEFAULT_PACK_F0
from streamser.features.spectral import SpectralEncoder
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.features.whisper import Encoding
from streamser.fusion_input import WHISPER_LAYERS, FusionInput
from train import own_data
from train.collection import (
    MEETINGS,
    OTHER_PASSES,
    OTHER_SOUNDS,
    Collection,
    sealed_collection,
    training_collections,
)
from train.corpora import AUXILIARY_CORPORA, SPLITS, cache_root
from train.training_streams import FRESH_KINDS, FRESH_PASSES, STEP, WINDOW, Stream, fresh_stream, sessions, training_streams
from train.whisper import PACK, load_whisper

GRAPHS = {"whisper": "whisper_encoder.onnx", "pitch": "pitch.onnx", "spectral": "spectral.onnx"}  # by kind of cache
STORED = {"whisper": np.float16, "spectral": np.float16, "pitch": np.int16}
KEPT_STEPS = {0: 1.9, 1: 1.7}  # speech steps kept of a training stream, on average, by pass
KEPT_OF_MEETINGS = 40.0  # of 60
RECIPE = b"2"  # part of the key: raise it when the streams or what is kept of them change

__all__ = [
    "GRAPHS",
    "PACK",
    "STEP",
    "WINDOW",
    "Collection",
    "build",
    "folder_of",
    "fresh_stream",
    "load_features",
    "sealed_collection",
    "training_collections",
]


def silent_network(width: int, **result: np.ndarray) -> Any:
    """Stands in for a running network whose features are not wanted: a stream that yields nothing."""
    nothing: Any = SimpleNamespace(**result) if result else np.zeros((0, width), np.float32)
    return SimpleNamespace(width=width, stream=lambda: SimpleNamespace(feed=lambda samples: nothing))


def load_features(*kinds: str) -> Features:
    """The runtime's networks for some kinds of cache; the others are silent."""
    whisper: Any = load_whisper() if "whisper" in kinds else None
    pitch = silent_network(0, f0_hz=np.zeros(0, np.float32))
    spectral = silent_network(192)
    if "pitch" in kinds:
        pitch = PitchTracker.load(PACK / GRAPHS["pitch"])
    if "spectral" in kinds:
        spectral = SpectralEncoder.load(PACK / GRAPHS["spectral"])
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
    silent = None if features.whisper else Encoding(np.zeros((WHISPER_LAYERS, 4, 512), np.float32))
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
    """Where the cache lies that holds a collection's rows."""
    return cache_root() / "fusion_features" / f"{kind}-{key(kind)}" / collection.pool.name


def streams_of(collection: Collection) -> Iterator[tuple[Stream, np.random.Generator | None]]:
    """The streams of a whole cache."""
    clips = collection.clips()
    if collection.training:
        yield from training_streams(clips, collection.number)
    else:
        for index, clip in enumerate(clips):
            yield fresh_stream(index, clip), None


def build(collection: Collection, kinds: list[str], features: Features) -> None:
    """Make the caches of the kinds, all of which `features` has, unless they exist; arrays as .npy, so that they can be mapped."""
    pool = collection.pool
    kinds = [kind for kind in kinds if not (folder_of(pool, kind) / "records.npz").exists()]
    if not kinds:
        return
    clips = pool.clips()
    kept = KEPT_OF_MEETINGS if pool.corpus == MEETINGS else KEPT_STEPS.get(pool.number, 2.0)
    arrays: dict[str, list[np.ndarray]] = {name: [] for kind in kinds for name in (kind, f"{kind}_age")}
    records: list[tuple[int, int, int, float]] = []
    began = time.monotonic()
    for done, (stream, rng) in enumerate(streams_of(pool)):
        for now, found in stream_inputs(features, stream, rng, kept):
            for name in arrays:
                values = getattr(found, name)
                arrays[name].append(values.astype(STORED.get(name, np.float32)))
            records.append((stream.clips[0], now, stream.window, found.heard))
        if done % 200 == 0:
            print(f"{pool.name} {'+'.join(kinds)}: {done}/{len(clips)} streams, {time.monotonic() - began:.0f} s", flush=True)
    if not records:
        raise SystemExit(f"no speech was found in any of the {len(clips)} clips of {pool.title}, {pool.split}")
    columns = [np.array(column) for column in zip(*records, strict=True)]
    saved: dict[str, Any] = dict(zip(("clip", "now", "window", "heard"), columns, strict=True))
    saved["clip_name"] = np.array([entry.path.name for entry in clips])
    saved["clip_session"] = sessions(clips, pool.number if pool.training else 0)
    for kind in kinds:
        folder = folder_of(pool, kind)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (kind, f"{kind}_age"):
            np.save(folder / f"{name}.npy", np.concatenate(arrays[name]))
        saved[f"{kind}_count"] = np.array([len(value) for value in arrays[kind]])
        np.savez(folder / "records.npz", **saved)
    print(f"{pool.name} {'+'.join(kinds)}: {len(records)} inputs, {time.monotonic() - began:.0f} s", flush=True)


def unlabelled_collections() -> list[Collection]:
    """Meetings, and sounds that are no emotional speech, for the default pack's training."""
    return [
        *(Collection(MEETINGS, "train", number) for number in OTHER_PASSES),
        *(Collection(OTHER_SOUNDS, "train", number) for number in OTHER_PASSES),
        Collection(OTHER_SOUNDS, "validation"),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    own_data.add_arguments(parser)
    parser.add_argument("--kinds", nargs="+", choices=tuple(GRAPHS), default=list(GRAPHS))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))


def run(args: argparse.Namespace) -> int:
    material = own_data.material_of(args)
    collections = [entry for corpus in material.corpora for entry in training_collections(corpus, args.splits, material.labels)]
    own_data.check(material, args.splits)
    if not args.manifest and not args.corpora:
        collections += [entry for entry in unlabelled_collections() if entry.split in args.splits]
        collections += [entry for corpus in AUXILIARY_CORPORA for entry in training_collections(corpus, args.splits)]
    features = load_features(*args.kinds)
    for collection in sorted(collections, key=lambda entry: (entry.split == "test", entry.number)):
        fresh = collection.split == "train" and collection.number in FRESH_PASSES
        build(collection, [kind for kind in args.kinds if not fresh or kind in FRESH_KINDS], features)
    return 0
