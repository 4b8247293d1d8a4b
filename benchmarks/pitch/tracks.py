"""Tracks of every tracker over the speech, the peers' kept in the cache; and what a tracker costs."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.pitch.material import Audio, Utterance
from benchmarks.pitch.trackers import Track, Tracker
from streamser.clock import SAMPLE_RATE
from train.corpora import cache_root

log = logging.getLogger(__name__)


def tracks(tracker: Tracker, utterance: Utterance, condition: str, audio: Audio) -> tuple[Track, ...]:
    """One track for each of the tracker's runs. The cache is keyed by tracker, condition, file and the audio itself."""
    if not tracker.key:
        return tuple(run(audio) for run in tracker.runs)
    content = hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()[:12]
    folder = cache_root() / "benchmarks" / "pitch" / tracker.key / condition.replace(" ", "")
    path = folder / f"{utterance.name}-{content}.npz"
    if not path.exists():
        made = [run(audio) for run in tracker.runs]
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")  # replaces the file only when it is whole
        np.savez(
            partial,
            times=made[0].times,
            hz=np.stack([track.hz for track in made]),
            confidence=np.stack([track.confidence for track in made]),
        )
        partial.replace(path)
    with np.load(path) as kept:
        times, hz, confidence = kept["times"], kept["hz"], kept["confidence"]
    return tuple(Track(times, *row) for row in zip(hz, confidence, strict=True))


def costs(trackers: Sequence[Tracker], audios: Sequence[Audio]) -> dict[str, float]:
    """Milliseconds of one core per second of audio: the median over files, the trackers by turns on each file."""
    spent: dict[str, list[float]] = {tracker.name: [] for tracker in trackers}
    for number, audio in enumerate([audios[0], *audios]):
        for tracker in trackers:
            run = tracker.runs[len(tracker.runs) // 2]
            began = time.process_time()
            run(audio)
            if number:  # the first time only warms up
                spent[tracker.name].append(1000 * (time.process_time() - began) / (len(audio) / SAMPLE_RATE))
    return {name: float(np.median(values)) for name, values in spent.items()}
