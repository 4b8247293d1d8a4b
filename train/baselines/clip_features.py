"""One vector of every whole clip, untrimmed, kept in one file a corpus and kind: splits and folds only choose rows."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamser.clock import SAMPLE_RATE
from train import own_data
from train.collection import Collection
from train.corpora import Clip, cache_root, read_audio, read_corpus, read_manifest

Extractor = Callable[[np.ndarray], np.ndarray]  # float32 [samples] at 16 kHz -> float [width]

WHISPER = "whisper-base"
LAYERS = (1, 3, 5)  # counted from 0: 2, 4 and 6
LONGEST = 30 * SAMPLE_RATE  # that Whisper has positions for
TOLD_EVERY = 500  # clips


def open_egemaps() -> Extractor:
    return _open_smile("eGeMAPSv02")


def open_compare() -> Extractor:
    return _open_smile("ComParE_2016")


def _open_smile(name: str) -> Extractor:
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)
    return lambda samples: smile.process_signal(samples, SAMPLE_RATE).to_numpy(np.float32)[0]


def open_whisper() -> Extractor:
    """Mean and then deviation over time of each of the three layers, the last as it is before the encoder's final normalisation.

    The encoder hears a context as long as the clip; of a clip over 30 s, one piece of 30 s after another.
    """
    import torch

    from train.encoders import FRAME
    from train.encoders.whisper_wheels import load_whisper_encoder, log_mel

    encoder = load_whisper_encoder(WHISPER)
    encoder.register_module("norm", torch.nn.Identity())

    @torch.inference_mode()
    def extract(samples: np.ndarray) -> np.ndarray:
        samples = np.pad(samples, (0, -len(samples) % FRAME if len(samples) else FRAME))
        pieces = []
        for start in range(0, len(samples), LONGEST):
            layers = encoder(torch.from_numpy(log_mel(samples[start : start + LONGEST], encoder.mels))[None])
            pieces.append(torch.stack([layers[layer][0] for layer in LAYERS], 1))
        frames = torch.cat(pieces).numpy()
        return np.concatenate([frames.mean(0), frames.std(0)], -1).ravel()

    return extract


KINDS: dict[str, tuple[int, Callable[[], Extractor]]] = {  # width of a vector, and what opens its extractor
    "egemaps": (88, open_egemaps),
    "compare": (6373, open_compare),
    "pooled-whisper": (2 * len(LAYERS) * 512, open_whisper),
}


def corpus_clips(corpus: str) -> list[Clip]:
    """All clips of a corpus at hand or of a manifest, whatever their labels."""
    return read_manifest(Path(corpus), None) if own_data.is_manifest(corpus) else read_corpus(corpus, None)


def file_of(corpus: str, kind: str, clips: list[Clip]) -> Path:
    """Where the vectors of a corpus are kept; its name says what the clips are: their places and sizes."""
    top = Path(os.path.commonpath([clip.path.parent for clip in clips]))
    told = "\n".join(f"{os.path.relpath(clip.path, top)}/{clip.path.stat().st_size}" for clip in clips)
    digest = hashlib.sha256(told.encode()).hexdigest()[:10]
    return cache_root() / "baseline_features" / f"{kind}-{own_data.title_of(corpus)}-{digest}.npy"


def build(path: Path, kind: str, clips: list[Clip]) -> None:
    """Write the vectors of all clips to `path`; goes on where it was stopped. What is not finite becomes 0."""
    width, open_extractor = KINDS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    if not part.exists():
        started = path.with_suffix(".new")
        np.lib.format.open_memmap(started, "w+", np.float32, (len(clips), width))[:] = np.nan
        started.rename(part)
    rows = np.lib.format.open_memmap(part, "r+")
    missing = np.flatnonzero(np.isnan(rows[:, 0]))
    extract, began = open_extractor(), time.monotonic()
    for number, row in enumerate(missing.tolist()):
        if number % TOLD_EVERY == 0:
            print(f"{path.stem}: {number}/{len(missing)} clips, {time.monotonic() - began:.0f} s", flush=True)
        rows[row] = np.nan_to_num(extract(read_audio(clips[row].path)), nan=0.0, posinf=0.0, neginf=0.0)
    rows.flush()
    part.rename(path)


def whole_clips(collection: Collection, kind: str) -> np.ndarray:
    """The vectors of a collection's clips, float32 [clips, width], in their order; made first where the corpus has none yet.

    Raises:
        SystemExit: a clip cannot be read.
    """
    clips = corpus_clips(collection.base)
    path = file_of(collection.base, kind, clips)
    if not path.exists():
        build(path, kind, clips)
    row_of = {clip.path: row for row, clip in enumerate(clips)}
    rows = [row_of[clip.path] for clip in collection.clips()]
    return np.asarray(np.load(path, mmap_mode="r")[rows])
