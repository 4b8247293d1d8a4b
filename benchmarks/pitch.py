"""`python -m benchmarks.pitch`: our pitch beside swift-f0 and WORLD on speech with a laryngograph reference.

Data: ../shared/pitch/fda_ue, 100 utterances of two speakers, F0 every 15 ms; clean and with held-out noise at 10 dB. Raw pitch
accuracy counts voiced reference frames within 50 cents, whatever the tracker says about voicing (WORLD has no guess where
it says unvoiced, so the two others are favoured there); overall accuracy wants both decisions right in every frame.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE
from streamser.features.mel import HOP
from streamser.features.pitch import PitchTracker
from train.corpora import data_root
from train.pitch.measure import Scores, compare
from train.pitch.noise import recorded_noise

GRID_SECONDS = 0.015
BLOCK = 8000
SWIFT_CONFIDENCE = 0.5  # the best of 0.2 to 0.9 on this very data; at 0.8 its voicing F1 is 0.88 clean and 0.65 at 10 dB
Audio = NDArray[np.float32]
Track = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]  # seconds, Hz (0: no guess), voiced


def ours(path: Path) -> Callable[[Audio], Track]:
    """Our tracker, fed as the recogniser feeds it, 0.5 s at a time."""
    tracker = PitchTracker.load(path)
    threshold, tracker.threshold = tracker.threshold, -1.0  # the best guess everywhere; voicing is decided below

    def track(audio: Audio) -> Track:
        stream = tracker.stream()
        padded = np.concatenate([audio, np.zeros(tracker.look_ahead, np.float32)])
        parts = [stream.feed(padded[at : at + BLOCK]) for at in range(0, len(padded), BLOCK)]
        f0 = np.concatenate([part.f0_hz for part in parts])
        salience = np.concatenate([part.salience for part in parts])
        return np.arange(len(f0)) * HOP / SAMPLE_RATE, f0, salience > threshold

    return track


def swift() -> Callable[[Audio], Track]:
    """swift-f0 over the whole utterance."""
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def track(audio: Audio) -> Track:
        result = detector.detect(audio, SAMPLE_RATE)
        pitch = np.asarray(result.pitch_hz, dtype=np.float32)
        return np.asarray(result.timestamps), pitch, np.asarray(result.confidence) > SWIFT_CONFIDENCE

    return track


def world() -> Callable[[Audio], Track]:
    """WORLD's dio and stonemask over the whole utterance."""
    import pyworld

    def track(audio: Audio) -> Track:
        samples = audio.astype(np.float64)
        coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=50.0, f0_ceil=900.0, frame_period=5.0)
        f0 = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE).astype(np.float32)
        return times, f0, f0 > 0

    return track


def on_grid(track: Track, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A track at 0, 15, 30 ... ms: between two frames the geometric mean if they are near, else the nearer frame's."""
    times, f0, voiced = track
    wanted = np.arange(count) * GRID_SECONDS
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    part = np.clip((wanted - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
    nearest = np.where(part < 0.5, after - 1, after)
    low, high = np.maximum(f0[after - 1], 1e-3), np.maximum(f0[after], 1e-3)
    mean = low ** (1 - part) * high**part
    pitch = np.where(np.abs(np.log2(high / low)) < 0.1, mean, f0[nearest])
    pitch = np.where((f0[after - 1] > 0) & (f0[after] > 0), pitch, f0[nearest])
    return pitch.astype(np.float32), voiced[nearest]


def utterances(limit: int | None) -> list[tuple[str, Audio, NDArray[np.float32]]]:
    """(speaker, audio at 16 kHz, reference Hz every 15 ms)."""
    import soundfile
    import soxr

    found = []
    for path in sorted((data_root() / "pitch" / "fda_ue").glob("*.flac"))[:limit]:
        audio, rate = soundfile.read(path, dtype="float32")
        reference = np.array(path.with_suffix(".f0ref").read_text().split(), dtype=np.float32)
        found.append((path.stem[:2], np.asarray(soxr.resample(audio, rate, SAMPLE_RATE), np.float32), reference))
    return found


def with_noise(audio: Audio, noises: list[Audio], decibel: float, generator: np.random.Generator) -> Audio:
    """Audio and a random held-out noise so much below it (both as mean power of the whole utterance)."""
    recording = noises[int(generator.integers(len(noises)))]
    noise = np.resize(np.roll(recording, -int(generator.integers(len(recording)))), len(audio))
    return audio + noise * np.float32(np.sqrt(np.mean(audio**2) / np.mean(noise**2)) * 10 ** (-decibel / 20))


def measure(track: Callable[[Audio], Track], data: list[tuple[str, Audio, NDArray[np.float32]]]) -> tuple[dict[str, Scores], float]:
    """Scores of all frames and of each speaker's, and milliseconds of one core per second of audio."""
    rows: dict[str, list[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]]] = {}
    spent, heard = 0.0, 0.0
    for speaker, audio, reference in data:
        began = time.process_time()
        found = track(audio)
        spent += time.process_time() - began
        heard += len(audio) / SAMPLE_RATE
        for group in ("all", speaker):
            rows.setdefault(group, []).append((*on_grid(found, len(reference)), reference))
    scores = {
        group: compare(
            np.concatenate([row[0] for row in kept]),
            np.concatenate([row[1] for row in kept]),
            np.concatenate([row[2] for row in kept]),
        )
        for group, kept in rows.items()
    }
    return scores, 1000 * spent / heard


def main() -> int:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pitch", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("streamser/packs/default/pitch.onnx"))
    parser.add_argument("--limit", type=int, help="only the first so many utterances")
    args = parser.parse_args()
    clean = utterances(args.limit)
    noises = recorded_noise(held_out=True)
    generator = np.random.default_rng(0)
    noisy = [(speaker, with_noise(audio, noises, 10.0, generator), truth) for speaker, audio, truth in clean]
    report: dict[str, dict[str, float]] = {}
    heads = ("RPA", "RCA", "VP", "VR", "VF1", "OA", "cents", "ms/s")
    print(f"{'tracker':10} {'audio':6} {'who':4} " + " ".join(f"{head:>6}" for head in heads))
    for name, make in (("streamser", lambda: ours(args.model)), ("swift-f0", swift), ("world", world)):
        track = make()
        for condition, data in (("clean", clean), ("10 dB", noisy)):
            scores, cost = measure(track, data)
            for group, found in scores.items():
                cells = (
                    found.pitch_accuracy,
                    found.chroma_accuracy,
                    found.voicing_precision,
                    found.voicing_recall,
                    found.voicing_f1,
                    found.overall_accuracy,
                )
                print(
                    f"{name:10} {condition:6} {group:4} "
                    + " ".join(f"{100 * cell:6.2f}" for cell in cells)
                    + f" {found.median_cents:6.1f} {cost:6.1f}"
                )
            report[f"{name} {condition}"] = {
                "raw_pitch_accuracy": round(scores["all"].pitch_accuracy, 4),
                "voicing_f1": round(scores["all"].voicing_f1, 4),
                "overall_accuracy": round(scores["all"].overall_accuracy, 4),
                "median_cents": round(scores["all"].median_cents, 2),
                "ms_per_second": round(cost, 2),
            }
    print(json.dumps({"benchmark": "pitch", "utterances": len(clean), "results": report}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
