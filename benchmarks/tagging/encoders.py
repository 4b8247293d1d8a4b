"""The encoders that the tagging probes compare, all frozen, and the cache of what they make of each corpus.

An encoder turns a clip into a mean over time and a standard deviation over time. It is known by the hash of what it
makes of one fixed sound, so that a changed weight, front end or line of code is another encoder to the cache.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.tagging.clips import Task, task_audio
from streamser.features.spectral import SpectralEncoder
from streamser.features.spectral_mel import COLUMN_SAMPLES, LOOK_AHEAD, MEL_BANDS, columns_decibels
from train.corpora import cache_root

Embed = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
RANDOM, STREAMED, WHOLE = "random", "CED streamed", "CED whole clip"
YAMNET, WHISPER, MELS = "YAMNet", "Whisper base", "mel statistics"
RANDOM_SEEDS = (0, 1, 2)
WHISPER_FRAME, WHISPER_LONGEST = 320, 480_000
YAMNET_HOP = 7680


@dataclass(frozen=True)
class Encoder:
    """A frozen encoder, or several of a kind whose scores are averaged (random weights by seed)."""

    name: str
    embeds: tuple[Embed, ...]

    def fingerprint(self) -> str:
        """A hash of what it makes of 2 s of a fixed sound."""
        sound = 0.1 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
        made = [part.astype(np.float32).tobytes() for embed in self.embeds for part in embed(sound)]
        return hashlib.sha256(b"".join(made)).hexdigest()[:12]


@dataclass(frozen=True)
class Embeddings:
    """What an encoder makes of a task: float32 [members, clips, width] each; `where` names the cached file."""

    mean: np.ndarray
    deviation: np.ndarray
    where: Path


def pooled(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float [columns, width] -> mean and standard deviation over time, each [width]."""
    return columns.mean(axis=0), columns.std(axis=0)


def streamed(path: Path) -> Encoder:
    """The pack's graph, every clip a fresh stream."""
    encoder = SpectralEncoder.load(path)
    return Encoder(STREAMED, (lambda samples: pooled(encoder.stream().feed(samples)),))


def whole_clip(checkpoint: Path) -> Encoder:
    """The network as trained, with every column hearing the columns after it as well as those before."""
    import torch

    from export.spectral import load_encoder

    network = load_encoder(checkpoint)

    def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            return pooled(network(torch.from_numpy(columns_decibels(samples))[None], both_ways=True)[0].numpy())

    return Encoder(WHOLE, (embed,))


def random_weights(path: Path) -> Encoder:
    """The network of the graph at `path` before any training, once a seed; its front end is scaled by rough constants."""
    import torch

    from train.spectral.model import SpectralEncoder as Network
    from train.spectral.model import SpectralSize

    runtime = SpectralEncoder.load(path)
    depth, _, heads, past, _, _ = runtime.past_shape

    def member(seed: int) -> Embed:
        torch.manual_seed(seed)
        network = Network(SpectralSize(width=runtime.width, depth=depth, heads=heads, past=past)).eval()
        network.mean.fill_(-20.0)
        network.deviation.fill_(20.0)

        def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with torch.no_grad():
                return pooled(network(torch.from_numpy(columns_decibels(samples))[None])[0].numpy())

        return embed

    return Encoder(RANDOM, tuple(member(seed) for seed in RANDOM_SEEDS))


def yamnet() -> Encoder:
    """The layer under YAMNet's scores, 1024 numbers every 0.48 s; a clip under 0.975 s is padded with silence."""
    from train.spectral.teachers import PATCH_SAMPLES, Yamnet

    teacher = Yamnet()

    def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        samples = np.pad(samples, (0, max(0, PATCH_SAMPLES - len(samples))))
        begins = range(0, len(samples) - PATCH_SAMPLES + 1, YAMNET_HOP)
        return pooled(np.stack([teacher(samples[begin : begin + PATCH_SAMPLES])[1] for begin in begins]))

    return Encoder(YAMNET, (embed,))


def whisper() -> Encoder:
    """Layers 2 and 4 of Whisper base side by side, 1024 numbers at 50 Hz; the whole clip in one context of at most 30 s."""
    from train.spectral.teachers import WhisperLayers

    layers = WhisperLayers()

    def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        samples = samples[:WHISPER_LONGEST]
        return pooled(layers(np.pad(samples, (0, -len(samples) % WHISPER_FRAME))))

    return Encoder(WHISPER, (embed,))


def mel_statistics() -> Encoder:
    """No network: mean, deviation and mean absolute step of the 64 mel bands. There is no second pooling of these."""

    def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        frames = columns_decibels(samples).reshape(-1, MEL_BANDS)
        statistics = np.concatenate([frames.mean(axis=0), frames.std(axis=0), np.abs(np.diff(frames, axis=0)).mean(axis=0)])
        return statistics, np.zeros(0, np.float32)

    return Encoder(MELS, (embed,))


def embeddings(encoder: Encoder, task: Task, condition: str) -> Embeddings:
    """Every clip of a task, from the cache where it is there; a clip shorter than one column is padded with silence."""
    folder = cache_root() / "benchmarks" / "tagging" / f"{encoder.name.replace(' ', '-')}-{encoder.fingerprint()}"
    path = folder / f"{task.name}-{condition}-{task.key}.npz"
    if not path.exists():
        began = time.monotonic()
        audio = [np.pad(part, (0, max(0, COLUMN_SAMPLES + LOOK_AHEAD - len(part)))) for part in task_audio(task, condition)]
        made = [[embed(samples) for samples in audio] for embed in encoder.embeds]
        mean = np.array([[mean for mean, _ in member] for member in made], np.float32)
        deviation = np.array([[deviation for _, deviation in member] for member in made], np.float32)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, mean=mean, deviation=deviation)
        partial.replace(path)
        spent = f"{time.monotonic() - began:.0f} s for {sum(map(len, audio)) / 16_000:.0f} s of audio"
        print(f"{encoder.name}, {task.name}, {condition}: {len(audio)} clips, {spent}", file=sys.stderr, flush=True)
    with np.load(path) as kept:
        return Embeddings(kept["mean"], kept["deviation"], path)
