"""`python -m train encode`: what each frozen encoder says of whole clips, once, so that systems learn from it quickly.

A kind is `audio:ENCODER@50` (frames of 20 ms), `audio:ENCODER@12.5` (means over 80 ms), `text:ENCODER`, `f0` or `spectral`
(the runtime's). Every clip is first trimmed to its speech, for all kinds alike.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from streamser.features.pitch import PitchTracker
from streamser.features.spectral import SpectralEncoder
from streamser.features.spectral_mel import COLUMN_SAMPLES
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.packs.whisper import file_sha256
from train.corpora import LABELS, TRAINING_CORPORA, Clip, cache_root, clips_of, read_audio
from train.encoders import FRAME
from train.encoders.registry import fingerprint, load_audio_encoder, load_text_encoder
from train.encoders.speech_part import speech_part
from train.whisper import PACK

RECIPE = "1"  # part of the keys: raise it when clips are trimmed or encoded in another way
SPEECH = "speech"  # where each clip's speech is: what all other kinds hear of it
SPLITS = ("train", "validation", "test")
FRAME_RATE = 50.0
F0_PER_FRAME = 2  # the pitch network has a value every 10 ms
GREATEST = 65_504  # of float16
_VALUES, _META, _OFFSETS, _KEYS = "values.bin", "meta.json", "offsets.npy", "clips.json"
_AUDIO = re.compile(r"audio:(?P<encoder>.+)@(?P<rate>50|12\.5)")


@dataclass(frozen=True)
class Encodings:
    """What one encoder says of the clips of one corpus and split, in the order of `clips_of(corpus, split)`.

    values: memory-mapped; float16 [frames, layers, width] (audio), float16 [tokens, width] (text), float16 [columns, 192]
    (spectral), float32 [frames] in Hz, 0 unvoiced (f0). offsets: int64 [clips + 1], where each clip begins.
    rate: frames a second; 0.0 for tokens.
    """

    values: np.ndarray
    offsets: np.ndarray
    rate: float

    def clip(self, index: int) -> np.ndarray:
        """The values of one clip; none where it has no words."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class Maker:
    """Encodes a clip, given its samples. shape: of one frame. hears: the clip's speech, all of it, or only reads its words."""

    encode: Callable[[np.ndarray, Clip], np.ndarray]
    shape: tuple[int, ...]
    dtype: str
    rate: float
    hears: Literal["speech", "everything", "words"] = "speech"


def _pooled(frames: np.ndarray, count: int) -> np.ndarray:
    """Means of `count` frames, float32 [ceil(frames / count), layers, width]; the last of as many as there are."""
    begins = np.arange(0, len(frames), count)
    sizes = np.diff(begins, append=len(frames))
    return np.add.reduceat(frames, begins, axis=0) / sizes[:, None, None].astype(np.float32)


def track_f0(samples: np.ndarray, tracker: PitchTracker) -> np.ndarray:
    """F0 of a clip in Hz on the encoders' grid of 20 ms, float32 [ceil(n / 320)], 0 where unvoiced; frame i is at sample 320 i."""
    frames = -(-len(samples) // FRAME)
    flushed = np.pad(samples, (0, frames * FRAME - len(samples) + tracker.look_ahead))
    return tracker.stream().feed(flushed).f0_hz[: F0_PER_FRAME * frames : F0_PER_FRAME]


def stream_columns(samples: np.ndarray, encoder: SpectralEncoder) -> np.ndarray:
    """The runtime's spectral columns of a clip heard from its start, float32 [ceil(n / 2560), 192]."""
    columns = -(-len(samples) // COLUMN_SAMPLES)
    flushed = np.pad(samples, (0, columns * COLUMN_SAMPLES - len(samples) + encoder.look_ahead))
    return encoder.stream().feed(flushed)[:columns]


def make(kind: str) -> Maker:
    """The encoder of a kind, loaded.

    Raises:
        SystemExit: there is no such kind, or its weights are not there.
    """
    if kind == SPEECH:
        detector = VoiceActivityDetector.load()
        return Maker(lambda samples, _: np.array([speech_part(samples, detector)]), (2,), "int64", 0.0, "everything")
    if kind == "f0":
        tracker = PitchTracker.load(PACK / "pitch.onnx")
        return Maker(lambda samples, _: track_f0(samples, tracker), (), "float32", FRAME_RATE)
    if kind == "spectral":
        spectral = SpectralEncoder.load(PACK / "spectral.onnx")
        return Maker(lambda samples, _: stream_columns(samples, spectral), (spectral.width,), "float16", 16_000 / COLUMN_SAMPLES)
    if kind.startswith("text:"):
        words = load_text_encoder(kind.removeprefix("text:"))
        return Maker(lambda _, clip: words.encode(clip.text, clip.language), (words.width,), "float16", 0.0, "words")
    name, rate = _audio(kind)
    encoder = load_audio_encoder(name)
    count = round(FRAME_RATE / rate)
    shape = (encoder.depth, encoder.width)
    return Maker(lambda samples, _: _pooled(encoder.encode(samples), count), shape, "float16", rate)


def _audio(kind: str) -> tuple[str, float]:
    found = _AUDIO.fullmatch(kind)
    if found is None:
        raise SystemExit(f"no kind {kind!r}: it is f0, spectral, text:ENCODER, audio:ENCODER@12.5 or audio:ENCODER@50")
    return found["encoder"], float(found["rate"])


def _weights(kind: str) -> str:
    """Names the weights behind a kind."""
    if kind == SPEECH:
        return ""  # the detector comes with faster-whisper
    if kind in ("f0", "spectral"):
        return file_sha256(PACK / ("pitch.onnx" if kind == "f0" else "spectral.onnx"))
    return fingerprint(kind.removeprefix("text:") if kind.startswith("text:") else _audio(kind)[0])


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]


def _plain(name: str) -> str:
    """A name that may stand in a file's name, of an encoder, or of a corpus or the path of its manifest."""
    path = Path(name)
    return re.sub(r"[^\w.@-]+", "-", path.parent.name if path.suffix == ".csv" else path.name if path.is_absolute() else name)


def _clip_keys(kind: str, clips: Sequence[Clip]) -> list[str]:
    """What a clip's encoding depends on: the file as it is now, or its words."""
    if kind.startswith("text:"):
        return [json.dumps([clip.language, clip.text]) for clip in clips]
    return [json.dumps([str(clip.path.resolve()), *_state(clip.path)]) for clip in clips]


def _state(path: Path) -> tuple[int, int]:
    if not path.is_file():
        return 0, 0
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=64)
def _kind_folder(kind: str) -> str:
    label = kind
    if kind.startswith("audio:"):
        name, rate = _audio(kind)
        label = f"audio:{_plain(name)}@{rate:g}"
    elif kind.startswith("text:"):
        label = f"text:{_plain(kind.removeprefix('text:'))}"
    return f"{label.replace(':', '-')}-{_hash(RECIPE, _weights(kind))}"


def _folder(kind: str, corpus: str, split: str, clips: Sequence[Clip]) -> Path:
    name = f"{_plain(corpus)}-{split}-{_hash(*_clip_keys(kind, clips), *(clip.label for clip in clips))}"
    return cache_root() / "encodings" / _kind_folder(kind) / name


def _read(folder: Path) -> Encodings:
    meta = json.loads((folder / _META).read_text())
    offsets = np.load(folder / _OFFSETS)
    shape = (int(offsets[-1]), *meta["shape"])
    values: np.ndarray = np.zeros(shape, meta["dtype"])
    if shape[0]:
        values = np.memmap(folder / _VALUES, meta["dtype"], "r", shape=shape)
    return Encodings(values, offsets, meta["rate"])


def _encoded_before(folder: Path) -> dict[str, tuple[Encodings, int]]:
    """Clips of this kind that stand in other folders (a fold's are in the corpus's), by key: encodings and place."""
    found: dict[str, tuple[Encodings, int]] = {}
    for other in folder.parent.glob(f"[!.]*/{_KEYS}"):  # a name with a dot is one that is being made
        encodings = _read(other.parent)
        found |= {key: (encodings, place) for place, key in enumerate(json.loads(other.read_text()))}
    return found


def load_encodings(kind: str, corpus: str, split: str, labels: Sequence[str] = LABELS) -> Encodings:
    """The encodings of a corpus (a name, or the path of a manifest) and split.

    Raises:
        SystemExit: they have not been made; the line says which command makes them.
    """
    folder = _folder(kind, corpus, split, clips_of(corpus, split, labels))
    if not folder.is_dir():
        wanted = f" --labels {' '.join(labels)}" if tuple(labels) != LABELS else ""
        command = f"python -m train encode --kinds {kind} --corpora {corpus} --splits {split}{wanted}"
        raise SystemExit(f"{kind} of {corpus} {split} is not in the cache {cache_root()}: run `{command}`")
    return _read(folder)


def build_encodings(kind: str, corpus: str, split: str, labels: Sequence[str] = LABELS, maker: Maker | None = None) -> Path:
    """Make the encodings of a corpus and split unless they exist, and return their folder.

    Args:
        maker: the kind's encoder where it has been loaded already.
    """
    clips = clips_of(corpus, split, labels)
    folder = _folder(kind, corpus, split, clips)
    if folder.is_dir():
        return folder
    maker = maker or make(kind)
    speech = _read(build_encodings(SPEECH, corpus, split, labels)) if maker.hears == "speech" else None
    folder.parent.mkdir(parents=True, exist_ok=True)
    keys, before = _clip_keys(kind, clips), _encoded_before(folder)
    work = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        counts = [0]
        with (work / _VALUES).open("wb") as file:
            for index, clip in enumerate(tqdm(clips, f"{kind} of {_plain(corpus)} {split}", unit="clip", mininterval=2)):
                if keys[index] in before:
                    encodings, place = before[keys[index]]
                    values = encodings.clip(place)
                else:
                    samples = np.zeros(0, np.float32) if maker.hears == "words" else read_audio(clip.path)
                    if speech is not None:
                        start, end = speech.clip(index)[0]
                        samples = samples[start:end]
                    values = maker.encode(samples, clip)
                    if maker.dtype == "float16":
                        values = np.clip(values, -GREATEST, GREATEST)
                file.write(np.ascontiguousarray(values, maker.dtype).tobytes())
                counts.append(len(values))
        np.save(work / _OFFSETS, np.cumsum(counts, dtype=np.int64))
        meta = {"kind": kind, "dtype": maker.dtype, "shape": maker.shape, "rate": maker.rate}
        (work / _META).write_text(json.dumps(meta))
        (work / _KEYS).write_text(json.dumps(keys))
        try:
            work.replace(folder)
        except OSError:
            if not folder.is_dir():  # another process may have been first
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--kinds", nargs="+", default=["audio:whisper-base@12.5", "f0", "spectral"], metavar="KIND")
    parser.add_argument(
        "--corpora", nargs="+", default=list(TRAINING_CORPORA), metavar="CORPUS", help="names, or paths of manifests"
    )
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--labels", nargs="+", default=list(LABELS), metavar="LABEL")


def run(args: argparse.Namespace) -> int:
    for kind in args.kinds:
        maker = make(kind)
        for corpus in args.corpora:
            for split in args.splits:
                print(build_encodings(kind, corpus, split, tuple(args.labels), maker), flush=True)
    return 0
