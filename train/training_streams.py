"""The audio that features are made of: training streams with silences, joined clips and channels, or a clip as a fresh stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streamser.clock import SAMPLE_RATE
from train.augmentation.channel import through_channel
from train.corpora import Clip, read_audio

STEP = 8000
WINDOW, LONG_WINDOW = 64_000, 128_000
SESSION = 20  # clips of a speaker that share a channel, about


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


def sessions(clips: list[Clip], number: int) -> np.ndarray:
    """int64 [clips]: which session a clip belongs to in a pass; in pass 0, where channels are as they were, a speaker has one."""
    speakers = {clip.speaker: place for place, clip in enumerate(clips)}
    counts = {speaker: sum(clip.speaker == speaker for clip in clips) for speaker in speakers}
    found = []
    for clip in clips:
        shares = max(1, round(counts[clip.speaker] / SESSION)) if number else 1
        found.append(1000 * speakers[clip.speaker] + seed_of(clip.path.name, number) % shares)
    return np.array(found)


def seed_of(name: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{number} {name}".encode()).digest()[:6])


def training_streams(clips: list[Clip], number: int) -> Iterator[tuple[Stream, np.random.Generator]]:
    """Streams that each begin with another clip of the list; pass 0 leaves the channel alone, the others have one a session.

    Yields the stream and the generator that then draws its steps.
    """
    session = sessions(clips, number)
    groups: dict[tuple[int, str], list[int]] = {}
    for index, clip in enumerate(clips):
        groups.setdefault((int(session[index]), clip.label), []).append(index)
    for index, clip in enumerate(clips):
        rng = np.random.default_rng(seed_of(clip.path.name, number))
        more = int(rng.choice([0, 1, 2], p=[0.72, 0.18, 0.10])) if clip.label else 0
        chosen = [index, *rng.choice(groups[int(session[index]), clip.label], more).tolist()]
        parts = [room_silence(rng, 0.6)]
        for member in chosen:
            parts += [_audio(clips[member]), room_silence(rng, 0.2)]
        samples = np.concatenate(parts)
        if number > 0:
            samples = through_channel(samples, [number, seed_of(clip.speaker, number), int(session[index]) % 1000])
        samples = np.pad(samples, (0, -len(samples) % STEP))
        window = LONG_WINDOW if more and rng.random() < 0.5 else WINDOW
        yield Stream(tuple(map(int, chosen)), samples, window), rng


@lru_cache(maxsize=4)
def _audio(clip: Clip) -> np.ndarray:
    return read_audio(clip.path)


def room_silence(rng: np.random.Generator, longest: float) -> np.ndarray:
    """Up to `longest` seconds of faint noise, float32."""
    count = int(rng.uniform(0, longest) * SAMPLE_RATE)
    return (rng.standard_normal(count) * 10 ** rng.uniform(-5, -3)).astype(np.float32)
