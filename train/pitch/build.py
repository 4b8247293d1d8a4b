"""Generate the training data once: shards of audio with F0 per 10 ms frame, written to the cache as npz."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from train.corpora import TRAINING_CORPORA, Clip, read_audio, read_split
from train.pitch.consensus import UNKNOWN, consensus
from train.pitch.synthesis import HOP, SAMPLE_RATE, harmonic_sound, resynthesise

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

log = logging.getLogger(__name__)
MARGIN = 30  # frames kept on both sides of the voiced part: the corpora are half silence
SHORTEST = 8000  # samples: anything less is not worth WORLD's time
HARMONIC_PART = 0.08
VALIDATION_PART = 0.06
Example = tuple[NDArray[np.float32], NDArray[np.float32]]
Maker = Callable[[Clip, np.random.Generator, "SwiftF0"], Example | None]


def _trim(audio: NDArray[np.float32], f0: NDArray[np.float32]) -> Example | None:
    """Keep the voiced part and a margin, at peak 0.5."""
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) < 15:
        return None
    first, last = max(0, voiced[0] - MARGIN), min(len(f0) - 1, voiced[-1] + MARGIN)
    audio = audio[first * HOP : last * HOP + 1]
    peak = float(np.abs(audio).max())
    return (0.5 * audio / peak, f0[first : last + 1]) if peak > 1e-3 else None


def _read(clip: Clip, generator: np.random.Generator) -> NDArray[np.float64]:
    samples = read_audio(clip.path).astype(np.float64)
    return samples + 1e-6 * generator.standard_normal(len(samples))  # WORLD dislikes digital silence


def _natural(clip: Clip, generator: np.random.Generator, swift: SwiftF0) -> Example | None:
    samples = _read(clip, generator)
    return _trim(samples.astype(np.float32), consensus(samples, swift)) if len(samples) >= SHORTEST else None


def _made(clip: Clip, generator: np.random.Generator, swift: SwiftF0) -> Example | None:
    samples = _read(clip, generator)
    made = resynthesise(samples, generator) if len(samples) >= SHORTEST else None
    if made is None or not made[1].any():  # a whisper has nothing to be trimmed to
        return made
    return _trim(*made)


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


def _gather(clips: list[Clip], seconds: float, make: Maker, generator: np.random.Generator, swift: SwiftF0) -> list[Example]:
    """Examples of clips in random order until there is enough audio."""
    examples: list[Example] = []
    kept = 0.0
    for index in generator.permutation(len(clips)):
        if kept >= seconds:
            break
        example = make(clips[index], generator, swift)
        if example is not None:
            examples.append(example)
            kept += len(example[0]) / SAMPLE_RATE
    return examples


def build(folder: Path, seconds: float, seed: int) -> None:
    """Write `<split>-<corpus>-<kind>.npz` and `train-harmonic.npz` under `folder`; files there are kept.

    Half of the speech is natural with labels by consensus, half is resynthesised with a contour that is known exactly.

    Args:
        folder: where the shards go.
        seconds: of training audio wanted from speech, spread evenly over the corpora.
        seed: of contours and choices.
    """
    from swift_f0 import SwiftF0

    swift = SwiftF0(threads=1)
    kinds: dict[str, Maker] = {"natural": _natural, "world": _made}
    for number, corpus in enumerate(TRAINING_CORPORA):
        for split, wanted in (("validation", seconds * VALIDATION_PART), ("train", seconds)):
            for kind, make in kinds.items():
                path = folder / f"{split}-{corpus}-{kind}.npz"
                if path.exists():
                    continue
                generator = np.random.default_rng([seed, number, split == "train", kind == "world"])
                share = wanted / len(TRAINING_CORPORA) / len(kinds)
                examples = _gather(read_split(corpus, split), share, make, generator, swift)
                _save(path, examples)
                total = sum(len(f0) for _, f0 in examples) * HOP / SAMPLE_RATE
                masked = np.mean(np.concatenate([f0 for _, f0 in examples]) == UNKNOWN)
                log.info("%s: %d examples, %.0f s, %.1f %% of frames masked", path.stem, len(examples), total, 100 * masked)
    path = folder / "train-harmonic.npz"
    if not path.exists():
        generator = np.random.default_rng([seed, len(TRAINING_CORPORA)])
        _save(path, [harmonic_sound(3.0, generator) for _ in range(int(seconds * HARMONIC_PART / 3))])
    log.info("data is ready in %s", folder)
