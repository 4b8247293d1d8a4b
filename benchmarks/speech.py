"""What benchmarks listen to: speech that goes on and on, and the quiet of a room. The same seed gives the same samples."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np

from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.features.voice_activity import FRAME, VoiceActivityDetector

CORPUS = "ravdess"  # English, so that the words have something to do
GAPS = (0.1, 0.4)  # seconds between clips: less than ends an utterance
BREATH, BREATHS = 0.8, 6  # seconds of a pause that does end one, and after how many clips it comes
QUIET = -60.0  # dB of full scale: the noise of a quiet room, RMS
MOST_CLIPS = 300  # ten minutes of speech; they come again after that


def clip_paths() -> tuple[str, list[Path]]:
    """What the clips are, in words, and where: a corpus's test clips, or the samples of pytest-audioeval where none is at hand.

    Raises:
        SystemExit: neither is there.
    """
    if (Path(os.environ.get("STREAMSER_DATA", "../shared")) / "corpora" / CORPUS / "manifest.csv").is_file():
        from train.corpora import read_split

        return f"test clips of {CORPUS}", [clip.path for clip in read_split(CORPUS, "test")]
    found = importlib.util.find_spec("pytest_audioeval")
    if found is None or not found.submodule_search_locations:
        raise SystemExit(
            f"no speech to listen to: set STREAMSER_DATA to the folder that holds corpora/{CORPUS}, or install '.[test]'"
        )
    folder = Path(found.submodule_search_locations[0]) / "samples" / "audio" / "en"
    return "English samples of pytest-audioeval", sorted(folder.glob("*.wav"))


def trimmed(path: Path, detector: VoiceActivityDetector) -> np.ndarray:
    """A clip from its first to its last frame of speech, float32 [n] at 16 kHz; n = 0 without any."""
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])
    speech = np.flatnonzero(detector.stream().feed(samples).probability >= 0.5)
    return samples[max(speech[0] - 1, 0) * FRAME : (speech[-1] + 2) * FRAME] if len(speech) else samples[:0]


def continuous_speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Clips in random order with short gaps between them, and now and then a breath; float32 [n] at 16 kHz."""
    rng = np.random.default_rng(seed)
    detector = VoiceActivityDetector.load()
    paths = clip_paths()[1]
    order = rng.permutation(len(paths))[:MOST_CLIPS]
    known: dict[int, np.ndarray] = {}
    parts: list[np.ndarray] = []
    left, said = to_samples(seconds), 0
    while left > 0:
        place = int(order[said % len(order)])
        if place not in known:
            known[place] = trimmed(paths[place], detector)
        said += 1
        pause = BREATH if said % BREATHS == 0 else rng.uniform(*GAPS)
        piece = np.concatenate([known[place], room(pause, int(rng.integers(2**31)))])
        parts.append(piece[:left])
        left -= len(piece)
    return np.concatenate(parts)


def room(seconds: float, seed: int = 0) -> np.ndarray:
    """Nobody speaks: white noise at QUIET, float32 [n] at 16 kHz."""
    noise = np.random.default_rng(seed).standard_normal(to_samples(seconds))
    return (10 ** (QUIET / 20) * noise).astype(np.float32)


def repeated(samples: np.ndarray, start: int, length: int) -> np.ndarray:
    """`length` samples from `start` on of the same speech said over and over."""
    return np.take(samples, np.arange(start, start + length), mode="wrap")


def described() -> str:
    """What `continuous_speech` is made of, for a benchmark's head."""
    name, paths = clip_paths()
    return (
        f"{min(len(paths), MOST_CLIPS)} {name}, trimmed to their speech, {GAPS[0]:g} to {GAPS[1]:g} s apart, "
        f"a pause of {BREATH:g} s after every {BREATHS}; {SAMPLE_RATE // 1000} kHz"
    )
