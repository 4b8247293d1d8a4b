"""Encoders of which a part may learn, and what is kept of the clips below that part: for the `end-to-end` experiment.

What is frozen is run once: Whisper's blocks under its last two, CED's mel front end, and all of an encoder that does not learn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from streamser.features.spectral_mel import COLUMN_SAMPLES, LOOK_AHEAD, columns_decibels
from train.augmentation.waveform import EFFECTS, augment
from train.checkpoints import read_checkpoint
from train.corpora import LABELS, Clip, cache_root, clips_of, read_audio
from train.encoders.whisper_wheels import WheelWhisper, WhisperEncoder, load_whisper_encoder
from train.encodings import build_encodings, load_encodings
from train.experiments.cells import experiment_folder
from train.spectral.model import SIZES, SpectralEncoder, Student
from train.spectral.train import HEADS, fill

CORPORA = ("ravdess", "banglaser")
WHISPER = "whisper-tiny"
TOP = 2  # blocks of Whisper that may be tuned
EFFECT_SHARE = 0.5  # how often each effect is applied to an augmented view
NORMALISING_CLIPS = 300
VIEWS_RECIPE = 1  # part of the files' names: raise it when clips are trimmed, changed or kept in another way


@dataclass(frozen=True)
class Heard:
    """One split of the corpora as one front end hears it.

    clips: for each view (0: as recorded; from 1 on: with effects) the frames of every clip, float16 [frames, ...].
    labels: int64 [clips]. speakers, corpora: str [clips].
    """

    clips: list[list[np.ndarray]]
    labels: np.ndarray
    speakers: np.ndarray
    corpora: np.ndarray


class WhisperTop(nn.Module):
    """Whisper's last two blocks and its final normalisation: the mean over time of the last layer. The last `tuned` may learn."""

    def __init__(self, encoder: WhisperEncoder, tuned: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(list(encoder.blocks)[-TOP:])
        self.norm = encoder.norm
        self.width = encoder.width
        self.requires_grad_(False)
        for module in [*self.blocks[TOP - tuned :], *([self.norm] if tuned else [])]:
            module.requires_grad_(True)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """What the block below said, float [B, T, width], of the frames that the mask [B, T] has -> float [B, width]."""
        for block in self.blocks:
            frames = block(frames, mask[:, None, None])
        return masked_mean(self.norm(frames), mask)


class CedWhole(nn.Module):
    """This project's CED from its mels on: the mean over time of its columns. All of it learns."""

    def __init__(self, encoder: SpectralEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = encoder.size.width

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """float [B, columns, 16, 64] decibels and bool [B, columns] -> float [B, width]."""
        return masked_mean(self.encoder(mel), mask)


class Frozen(nn.Module):
    """An encoder that does not learn: what is kept of a clip is the mean already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, means: Tensor, mask: Tensor) -> Tensor:
        """float [B, 1, width] -> float [B, width]."""
        return masked_mean(means, mask)


Network = WhisperTop | CedWhole | Frozen


def masked_mean(frames: Tensor, mask: Tensor) -> Tensor:
    """The mean over the frames that the mask has: float [B, T, width], bool [B, T] -> float32 [B, width]."""
    weight = mask.float()[..., None]
    return (frames.float() * weight).sum(1) / weight.sum(1)


def whisper_top(tuned: int) -> WhisperTop:
    """A fresh copy of Whisper's upper blocks."""
    return WhisperTop(load_whisper_encoder(WHISPER), tuned)


def ced_pretrained() -> CedWhole:
    """The encoder that `python -m train spectral` left in the cache, without the last map, as further training wants it.

    Raises:
        SystemExit: there is no such checkpoint.
    """
    path = cache_root() / "spectral" / "half" / "checkpoint.pt"
    kept = read_checkpoint(path, "spectral", "student")
    student = Student(SIZES[kept["size"]], HEADS)
    fill(student, kept, path)
    student.encoder.plain_output()
    return CedWhole(student.encoder)


def ced_random(mels: list[np.ndarray]) -> CedWhole:
    """The same network untaught, as `python -m train spectral` begins: normalised by some training mels [columns, 16, 64]."""
    encoder = SpectralEncoder(SIZES["half"])
    shortest = max(1, min(len(mel) for mel in mels))
    encoder.start_from(torch.from_numpy(np.stack([mel[:shortest] for mel in mels]).astype(np.float32)))
    return CedWhole(encoder)


@cache
def heard(front_end: str, split: str, views: int) -> Heard:
    """The clips of a split at the input of the part that may learn, made once and kept in the cache.

    Args:
        front_end: `whisper` (the layer under the last two blocks) or `ced` (mel columns).
        views: 1, or more for views with effects on the waveform.
    """
    clips = [clip for corpus in CORPORA for clip in clips_of(corpus, split)]
    parts = np.concatenate([_speech(corpus, split) for corpus in CORPORA])
    encode: Callable[[np.ndarray], np.ndarray] | None = None
    key = hashlib.sha256("\n".join(f"{clip.corpus}/{clip.path.name}" for clip in clips).encode()).hexdigest()[:8]
    found = []
    for view in range(views):
        path = experiment_folder("end-to-end") / "views" / f"{front_end}-{split}-{view}-{VIEWS_RECIPE}-{key}.npz"
        if not path.exists():
            encode = encode or _front_end(front_end)
            _make_view(path, encode, clips, parts, view)
        with np.load(path) as kept:
            found.append(np.split(kept["values"], kept["ends"][:-1]))
    return Heard(
        found,
        np.array([LABELS.index(clip.label) for clip in clips]),
        np.array([clip.speaker for clip in clips]),
        np.array([clip.corpus for clip in clips]),
    )


def _speech(corpus: str, split: str) -> np.ndarray:
    """Where the speech of every clip is, int64 [clips, 2] samples; the same for all encoders of this project."""
    build_encodings("speech", corpus, split)
    return np.asarray(load_encodings("speech", corpus, split).values)


def _front_end(name: str) -> Callable[[np.ndarray], np.ndarray]:
    if name == "whisper":
        encoder = WheelWhisper(WHISPER, torch.device("cpu"))
        return lambda samples: encoder.encode(samples)[:, -TOP - 1]
    # Silence after the end, so that the last samples are in a column.
    return lambda samples: columns_decibels(np.pad(samples, (0, -len(samples) % COLUMN_SAMPLES + LOOK_AHEAD)))


def _make_view(path: Path, encode: Callable[[np.ndarray], np.ndarray], clips: list[Clip], parts: np.ndarray, view: int) -> None:
    values = []
    for number, (clip, (start, end)) in enumerate(zip(tqdm(clips, desc=path.stem), parts, strict=True)):
        samples = read_audio(clip.path)[start:end]
        if view > 0:
            samples = augment(samples, EFFECTS, np.random.default_rng([view, number]), EFFECT_SHARE)
        values.append(encode(samples).astype(np.float16))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, values=np.concatenate(values), ends=np.cumsum([len(value) for value in values]))
    partial.replace(path)


def means_of(network: WhisperTop | CedWhole | None, material: Heard) -> Heard:
    """What an encoder that will not learn says of every clip: a single frame float32 [1, width], its mean over time.

    network: None for the mean of what is kept.
    """
    views = []
    for clips in material.clips:
        if network is None:
            views.append([clip.astype(np.float32).mean(0, keepdims=True) for clip in clips])
        else:
            views.append(list(means(network.eval(), clips).numpy()[:, None]))
    return replace(material, clips=views)


def forward(network: Network, clips: list[np.ndarray]) -> Tensor:
    """Clips [frames, ...] -> the encoder's means float32 [clips, width], in bfloat16 where it is quicker."""
    frames, mask = padded(clips)
    with torch.autocast("cpu", torch.bfloat16):
        found: Tensor = network(frames, mask)
    return found.float()


@torch.no_grad()
def means(network: Network, clips: list[np.ndarray]) -> Tensor:
    """The encoder's means of any number of clips, float32 [clips, width], in their order."""
    order = np.argsort([len(clip) for clip in clips], kind="stable")
    parts = np.array_split(order, math.ceil(len(clips) / 32))
    found = torch.cat([forward(network, [clips[row] for row in part]) for part in parts])
    return found[torch.from_numpy(np.argsort(order))]


def padded(clips: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Clips [frames, ...] as one batch: float32 [B, T, ...] and bool [B, T], the frames that are there.

    A clip is repeated up to the longest one's length, so that CED's batch norms hear voices alone; the mask leaves that out.
    """
    longest = max(len(clip) for clip in clips)
    frames = np.stack([clip[np.arange(longest) % len(clip)] for clip in clips]).astype(np.float32)
    mask = np.arange(longest) < np.array([len(clip) for clip in clips])[:, None]
    return torch.from_numpy(frames), torch.from_numpy(mask)
