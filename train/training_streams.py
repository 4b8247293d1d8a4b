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
FRESH_KINDS = ("whisper",)  # that are cached of fresh passes
FRESH_PASSES = (3,)  # every clip as a fresh stream, as tests hear it, of which all steps are kept
CLEAN_PASSES = (0, 3)  # channels are as they were


@dataclass(frozen=True)
class Stream:
    """The audio of one stream: the clips joined in it, all of one speaker and label."""

    clips: tuple[int, ...]
    samples: np.ndarray
    window: int


def fresh_stream(index: int, clip: Clip) -> Stream:
    """A clip as it is, silence up to the end of its last step."""
    return Stream((index,), in_steps(read_audio(clip.path)), WINDOW)


def sessions(clips: list[Clip], number: int) -> np.ndarray:
    """int64 [clips]: which session a clip belongs to in a pass; where channels are as they were, a speaker has one."""
    speakers = {clip.speaker: place for place, clip in enumerate(clips)}
    counts = {speaker: sum(clip.speaker == speaker for clip in clips) for speaker in speakers}
    found = []
    for clip in clips:
        shares = 1 if number in CLEAN_PASSES else max(1, round(counts[clip.speaker] / SESSION))
        found.append(1000 * speakers[clip.speaker] + seed_of(clip.path.name, number) % shares)
    return np.array(found)


def seed_of(name: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{number} {name}".encode()).digest()[:6])


def training_streams(clips: list[Clip], number: int) -> Iterator[tuple[Stream, np.random.Generator | None]]:
    """Streams that each begin with another clip of the list; clean passes leave the channel alone, the others have one a session.

    Yields the stream and the generator that then draws its steps, None where all are kept.
    """
    session = sessions(clips, number)
    if number in FRESH_PASSES:
        for index, clip in enumerate(clips):
            rng = np.random.default_rng(seed_of(clip.path.name, number))
            samples = np.concatenate([room_silence(rng, STEP / SAMPLE_RATE), _audio(clip)])  # steps end at other places of a clip
            yield Stream((index,), in_steps(in_session(samples, clip, number, int(session[index]))), WINDOW), None
        return
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
        samples = in_steps(in_session(samples, clip, number, int(session[index])))
        window = LONG_WINDOW if more and rng.random() < 0.5 else WINDOW
        yield Stream(tuple(map(int, chosen)), samples, window), rng


def in_session(samples: np.ndarray, clip: Clip, number: int, session: int) -> np.ndarray:
    """Samples through the channel of a clip's session in a pass."""
    return samples if number in CLEAN_PASSES else through_channel(samples, [number, seed_of(clip.speaker, number), session % 1000])


def in_steps(samples: np.ndarray) -> np.ndarray:
    """Silence up to the end of the last step."""
    return np.pad(samples, (0, -len(samples) % STEP))


@lru_cache(maxsize=4)
def _audio(clip: Clip) -> np.ndarray:
    return read_audio(clip.path)


def room_silence(rng: np.random.Generator, longest: float) -> np.ndarray:
    """Up to `longest` seconds of faint noise, float32."""
    count = int(rng.uniform(0, longest) * SAMPLE_RATE)
    return (rng.standard_normal(count) * 10 ** rng.uniform(-5, -3)).astype(np.float32)
