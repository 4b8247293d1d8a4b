"""Generate the training data once: shards of audio with F0 per 10 ms frame, written to the cache as npz."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.corpora import TRAINING_CORPORA, Clip, read_audio, read_split
from train.pitch.consensus import UNKNOWN, consensus
from train.pitch.synthesis import HOP, SAMPLE_RATE, harmonic_sound, resynthesise

log = logging.getLogger(__name__)
MARGIN = 30  # frames kept on both sides of the voiced part: the corpora are half silence
NATURAL_PART = 0.4
SHORTEST = 8000  # samples: anything less is not worth WORLD's time
HARMONIC_PART = 0.08
VALIDATION_PART = 0.06
Example = tuple[NDArray[np.float32], NDArray[np.float32]]


def _trim(audio: NDArray[np.float32], f0: NDArray[np.float32]) -> Example | None:
    """Keep the voiced part and a margin, at peak 0.5."""
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) < 15:
        return None
    first, last = max(0, voiced[0] - MARGIN), min(len(f0) - 1, voiced[-1] + MARGIN)
    audio = audio[first * HOP : last * HOP + 1]
    peak = float(np.abs(audio).max())
    return (0.5 * audio / peak, f0[first : last + 1]) if peak > 1e-3 else None


def _examples(clip: Clip, generator: np.random.Generator, swift: object) -> list[Example]:
    samples = read_audio(clip.path).astype(np.float64)
    if len(samples) < SHORTEST:
        return []
    samples = samples + 1e-6 * generator.standard_normal(len(samples))  # WORLD dislikes digital silence
    found: list[Example | None] = []
    made = resynthesise(samples, generator)
    if made is not None:
        found.append(_trim(*made))
    if generator.random() < NATURAL_PART / (1 - NATURAL_PART):
        found.append(_trim(samples.astype(np.float32), consensus(samples, swift)))  # type: ignore[arg-type]
    return [example for example in found if example is not None]


def _save(path: Path, examples: list[Example]) -> None:
    """audio int16[total], f0 f32[total frames], and where each example ends in both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        audio=np.concatenate([np.round(audio * 32767).astype(np.int16) for audio, _ in examples]),
        f0=np.concatenate([f0 for _, f0 in examples]),
        audio_ends=np.cumsum([len(audio) for audio, _ in examples]),
        f0_ends=np.cumsum([len(f0) for _, f0 in examples]),
    )


def _gather(clips: list[Clip], seconds: float, generator: np.random.Generator, swift: object) -> list[Example]:
    """Examples of clips in random order until there is enough audio."""
    examples: list[Example] = []
    kept = 0.0
    for index in generator.permutation(len(clips)):
        if kept >= seconds:
            break
        made = _examples(clips[index], generator, swift)
        examples.extend(made)
        kept += sum(len(audio) for audio, _ in made) / SAMPLE_RATE
    return examples


def build(folder: Path, seconds: float, seed: int) -> None:
    """Write `train-<corpus>.npz`, `validation-<corpus>.npz` and `train-harmonic.npz` under `folder`; files there are kept.

    Args:
        folder: where the shards go.
        seconds: of training audio wanted from speech, spread evenly over the corpora.
        seed: of contours and choices.
    """
    from swift_f0 import SwiftF0

    swift = SwiftF0(threads=1)
    for number, corpus in enumerate(TRAINING_CORPORA):
        for split, wanted in (("validation", seconds * VALIDATION_PART), ("train", seconds)):
            path = folder / f"{split}-{corpus}.npz"
            if path.exists():
                continue
            generator = np.random.default_rng([seed, number, split == "train"])
            examples = _gather(read_split(corpus, split), wanted / len(TRAINING_CORPORA), generator, swift)
            _save(path, examples)
            total = sum(len(f0) for _, f0 in examples) * HOP / SAMPLE_RATE
            masked = np.mean(np.concatenate([f0 for _, f0 in examples]) == UNKNOWN)
            log.info("%s: %d examples, %.0f s, %.1f %% of frames masked", path.stem, len(examples), total, 100 * masked)
    path = folder / "train-harmonic.npz"
    if not path.exists():
        generator = np.random.default_rng([seed, len(TRAINING_CORPORA)])
        _save(path, [harmonic_sound(3.0, generator) for _ in range(int(seconds * HARMONIC_PART / 3))])
    log.info("data is ready in %s", folder)
