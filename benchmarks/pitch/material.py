"""The speech of `python -m benchmarks.pitch`: FDA-UE and a resynthesised set of unseen speakers, in several conditions.

FDA-UE (Bagshaw 1993) is recorded speech of two speakers with F0 from a laryngograph every 15 ms. The resynthesised set is
WORLD's: its F0 is exact, but its voicing is WORLD's own and our network has learned from its like; speakers are the test
split's, which nothing was trained or chosen on. It also serves to fit each tracker's constant time shift.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE
from train.corpora import TRAINING_CORPORA, Clip, cache_root, data_root, read_audio, read_split
from train.pitch.synthesis import HOP, resynthesise

CONDITIONS = ("clean", "20 dB", "10 dB", "5 dB", "0 dB", "telephone")
CLIPS_PER_CORPUS = 15
MARGIN = 30  # frames kept before and after the voiced part: the corpora are half silence
SEED = 3
TELEPHONE_HZ = (300.0, 3400.0)

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """Audio f32[n] at 16 kHz and its F0 in Hz f32[m], 0 = unvoiced, `period` seconds apart from time 0 on."""

    name: str
    speaker: str
    number: int
    audio: Audio
    truth: NDArray[np.float32]
    period: float


def fda_ue(limit: int | None) -> list[Utterance]:
    """FDA-UE, the speakers by turns; `number` is the file's own."""
    import soundfile
    import soxr

    found = []
    paths = sorted((data_root() / "pitch" / "fda_ue").glob("*.flac"), key=lambda path: (path.stem[2:], path.stem))
    if not paths:
        raise SystemExit(f"no FDA-UE under {data_root() / 'pitch' / 'fda_ue'}")
    for path in paths[:limit]:
        audio, rate = soundfile.read(path, dtype="float32")
        truth = np.array(path.with_suffix(".f0ref").read_text().split(), dtype=np.float32)
        resampled = np.asarray(soxr.resample(audio, rate, SAMPLE_RATE), np.float32)
        found.append(Utterance(path.stem, path.stem[:2], int(path.stem[2:]), resampled, truth, 0.015))
    return found


def _by_turns(clips: Sequence[Clip], generator: np.random.Generator) -> list[Clip]:
    """Clips in random order, every speaker's first one before anybody's second."""
    voices: dict[str, list[Clip]] = {}
    for index in generator.permutation(len(clips)):
        voices.setdefault(clips[index].speaker, []).append(clips[index])
    return [clip for turn in zip_longest(*voices.values()) for clip in turn if clip is not None]


def _resynthesised(clip: Clip, seed: int) -> tuple[Audio, NDArray[np.float32]] | None:
    """One clip with a new contour, its voiced part and a margin, at peak 0.5."""
    generator = np.random.default_rng([SEED, seed])
    samples = read_audio(clip.path).astype(np.float64)
    made = resynthesise(samples + 1e-6 * generator.standard_normal(len(samples)), generator)  # WORLD dislikes digital silence
    if made is None or not made[1].any():  # whispered
        return None
    audio, truth = made
    voiced = np.flatnonzero(truth)
    first, last = max(0, int(voiced[0]) - MARGIN), min(len(truth) - 1, int(voiced[-1]) + MARGIN)
    audio = audio[first * HOP : last * HOP + 1]
    return 0.5 * audio / np.abs(audio).max(), truth[first : last + 1]


def resynthesised(limit: int | None) -> list[Utterance]:
    """The resynthesised set, or its first clips, the corpora by turns.

    It is kept in the cache, so that two networks are compared on the same clips even if `train.pitch.synthesis` changed between.
    """
    folder = cache_root() / "benchmarks" / "pitch" / "resynthesised"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = CLIPS_PER_CORPUS if limit is None else min(CLIPS_PER_CORPUS, -(-limit // len(TRAINING_CORPORA)))
    rows: list[list[Utterance]] = []
    for number, corpus in enumerate(TRAINING_CORPORA):
        rows.append([])
        for index, clip in enumerate(_by_turns(read_split(corpus, "test"), np.random.default_rng([SEED, number]))):
            if len(rows[-1]) == wanted:
                break
            path = folder / f"{corpus}-{index:03d}.npz"
            if not path.exists():
                made = _resynthesised(clip, 1000 * number + index)
                if made is None:
                    continue
                np.savez(path, audio=np.round(32767 * made[0]).astype(np.int16), truth=made[1])
            with np.load(path) as kept:
                audio, truth = kept["audio"].astype(np.float32) / 32768, kept["truth"]
            rows[-1].append(Utterance(path.stem, f"{corpus} {clip.speaker}", index, audio, truth, HOP / SAMPLE_RATE))
    return [utterance for utterance in chain(*zip_longest(*rows)) if utterance is not None][:limit]


def in_condition(utterance: Utterance, condition: str, noises: list[Audio]) -> Audio:
    """The utterance as heard in one of CONDITIONS.

    Noise is one held-out recording from a place of its own in it, both drawn by the utterance's name, so the same for every
    tracker and level; the level is of mean powers over the whole utterance. The telephone band is filtered without delay.
    """
    audio = utterance.audio
    if condition == "clean":
        return audio
    if condition == "telephone":
        from scipy.signal import butter, sosfiltfilt

        band = butter(6, TELEPHONE_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
        return np.ascontiguousarray(sosfiltfilt(band, audio.astype(np.float64)), np.float32)
    generator = np.random.default_rng([SEED, zlib.crc32(utterance.name.encode())])
    recording = noises[int(generator.integers(len(noises)))]
    noise = np.resize(np.roll(recording, -int(generator.integers(len(recording)))), len(audio))
    decibel = float(condition.split()[0])
    return audio + noise * np.float32(np.sqrt(np.mean(audio**2) / np.mean(noise**2)) * 10 ** (-decibel / 20))
