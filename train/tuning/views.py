"""What the tuned blocks hear: the frozen blocks' states of clips trimmed to their speech, in several views, cached.

View 0 is the clip as it is; in the others it comes through another channel, which the clips of a session share. The cache
holds all labelled clips of a corpus: which of them train is a question of speakers (`View.spoken_by`).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from streamser.clock import to_samples
from streamser.features.voice_activity import FRAME as VOICE_FRAME
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.segmenter import OFFSET
from train.augmentation.channel import through_channel
from train.corpora import LABELS, OTHER_LABELS, cache_root, clips_of, read_audio, read_corpus
from train.encoders import FRAME
from train.encoders.whisper_wheels import WhisperEncoder, load_whisper_encoder, log_mel

FROZEN = 2  # blocks below the tuned ones
VIEWS = (0, 1)
MARGIN = to_samples(0.3)  # around the speech
LONGEST = to_samples(6.0)
SESSIONS = 8  # of a speaker, in a view
RECIPE = 1  # part of the cache's name: raise it when views are made in another way


@dataclass(frozen=True)
class View:
    """One view of the clips of a corpus. frames: float16 [all, 512], a mapped file; clip c has `counts[c]` of them from
    `starts[c]` on. labels, speakers, names: str [clips]."""

    frames: np.ndarray
    counts: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray
    names: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        return np.cumsum(self.counts) - self.counts

    def clip(self, index: int, first: int = 0, count: int | None = None) -> np.ndarray:
        """float32 [count, 512]: the frames of a clip from `first` on, all by default."""
        count = int(self.counts[index]) - first if count is None else count
        start = int(self.starts[index]) + first
        return np.asarray(self.frames[start : start + count], np.float32)

    def spoken_by(self, corpus: str, split: str, labels: tuple[str, ...]) -> np.ndarray:
        """int64 [n]: the clips of a corpus's (or fold's) split that carry one of the labels."""
        wanted = {clip.path.name for clip in clips_of(corpus, split, labels)}
        return np.flatnonzero([name in wanted for name in self.names.tolist()])


def load_view(corpus: str, number: int) -> View:
    """A view of a corpus at hand; made and cached where it is missing."""
    folder = cache_root() / "tuning_views" / f"{corpus}-{number}-{RECIPE}"
    records: dict[str, Any]
    if not (folder / "records.npz").exists():
        frames, records = make_view(corpus, number)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "frames.npy", frames)
        np.savez(folder / "records.npz", **records)
    with np.load(folder / "records.npz") as file:
        records = dict(file)
    return View(np.load(folder / "frames.npy", mmap_mode="r"), **records)


def make_view(corpus: str, number: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The frames of all clips with speech, float16 [all, 512], and the other fields of `View`."""
    encoder, detector = load_whisper_encoder("whisper-base"), VoiceActivityDetector.load()
    clips = [clip for clip in read_corpus(corpus, (*LABELS, *OTHER_LABELS)) if clip.label]
    frames, kept = [], []
    began = time.monotonic()
    for place, clip in enumerate(clips):
        samples = trimmed(read_audio(clip.path), detector)
        if len(samples):
            seen = altered(samples, clip.speaker, clip.path.name, number) if number else samples
            frames.append(frozen_states(encoder, seen[:LONGEST]))
            kept.append(clip)
        if place % 500 == 0:
            print(f"view {number} of {corpus}: {place}/{len(clips)} clips, {time.monotonic() - began:.0f} s", flush=True)
    return np.concatenate(frames), {
        "counts": np.array([len(entry) for entry in frames]),
        "labels": np.array([clip.label for clip in kept]),
        "speakers": np.array([clip.speaker for clip in kept]),
        "names": np.array([clip.path.name for clip in kept]),
    }


def trimmed(samples: np.ndarray, detector: VoiceActivityDetector) -> np.ndarray:
    """From a little before the first speech to a little after the last, float32; nothing where there is none."""
    padded = np.pad(samples, (0, VOICE_FRAME))
    speech = np.flatnonzero(detector.stream().feed(padded).probability > OFFSET)
    if len(speech) < 2:
        return samples[:0]
    return samples[max(0, speech[0] * VOICE_FRAME - MARGIN) : (speech[-1] + 1) * VOICE_FRAME + MARGIN]


def altered(samples: np.ndarray, speaker: str, name: str, number: int) -> np.ndarray:
    """A clip float32 [n] in a view after 0: float32 [n]. Speed is not changed: it is part of what is expressed (decision 84)."""
    session = _seed(name, number) % SESSIONS
    return through_channel(samples, [number, _seed(speaker, session)])


def _seed(name: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"view {number} {name}".encode()).digest()[:6])


@torch.inference_mode()
def frozen_states(encoder: WhisperEncoder, samples: np.ndarray) -> np.ndarray:
    """Samples float32 [n] -> what the last frozen block says, float16 [ceil(n / 320), 512]."""
    mel = torch.from_numpy(log_mel(np.pad(samples, (0, -len(samples) % FRAME)), encoder.mels))[None]
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
    x = x + encoder.positions[: x.shape[1]]
    for block in list(encoder.blocks)[:FROZEN]:
        x = block(x, None)
    return x[0].numpy().astype(np.float16)
