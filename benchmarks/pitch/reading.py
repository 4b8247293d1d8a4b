"""A tracker's tracks over all the speech, with the two things fitted to it: a time shift and a voicing threshold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.pitch.material import CONDITIONS, Audio, Utterance, fda_ue, in_condition, resynthesised
from benchmarks.pitch.scores import (
    FRAMES,
    RIGHT,
    RIGHT_AND_CALLED,
    SILENT_RIGHT,
    VOICED,
    Counts,
    Flags,
    Float32,
    Sampled,
    sample,
    tally,
)
from benchmarks.pitch.trackers import Track, Tracker
from benchmarks.pitch.tracks import tracks
from train.pitch.noise import recorded_noise

log = logging.getLogger(__name__)
FDA, SYNTHETIC = "FDA-UE", "resynthesised"
SHIFTS = tuple(sorted((step / 1000 for step in range(-20, 21)), key=abs))  # of equals the smallest wins


@dataclass(frozen=True)
class Speech:
    """The utterances of both sets and how they sound in each condition, in the same order."""

    sets: dict[str, list[Utterance]]
    heard: dict[tuple[str, str], list[Audio]]

    @classmethod
    def load(cls, limit: int | None) -> Speech:
        """Everything, or the first `limit` utterances of FDA-UE and half as many of the other set."""
        noises = recorded_noise(held_out=True)
        sets = {FDA: fda_ue(limit), SYNTHETIC: resynthesised(limit and limit // 2)}
        heard = {
            (name, condition): [in_condition(utterance, condition, noises) for utterance in utterances]
            for name, utterances in sets.items()
            for condition in CONDITIONS
        }
        return cls(sets, heard)

    def scored(self, name: str) -> list[int]:
        """Which utterances count: FDA-UE's odd files (the even ones fit thresholds), all of the resynthesised set."""
        return [index for index, utterance in enumerate(self.sets[name]) if name != FDA or utterance.number % 2 == 1]

    def fitting(self) -> list[int]:
        """FDA-UE's even files."""
        return [index for index, utterance in enumerate(self.sets[FDA]) if utterance.number % 2 == 0]


@dataclass(frozen=True)
class Reading:
    """One tracker on all speech: `sampled` holds an entry an utterance for each set and condition."""

    tracker: Tracker
    shift: float
    level: int
    sampled: dict[tuple[str, str], list[Sampled]]

    def decided(self, name: str, condition: str, index: int) -> tuple[Float32, Flags]:
        """Hz and voicing of one utterance at the times of its truth."""
        return self.sampled[name, condition][index].decided(self.tracker.thresholds, self.level)

    def tallies(
        self, speech: Speech, name: str, condition: str, masks: dict[int, Flags] | None = None
    ) -> tuple[Counts, NDArray[np.float64]]:
        """Counts i64[u, 8] of the scored utterances and their right frames' errors; with masks, of those frames alone."""
        rows = []
        for index in speech.scored(name):
            hz, called = self.decided(name, condition, index)
            keep = slice(None) if masks is None else masks[index]
            rows.append(tally(hz[keep], called[keep], speech.sets[name][index].truth[keep]))
        return np.stack([row[0] for row in rows]), np.concatenate([row[1] for row in rows])


def fit_shift(runs: Sequence[tuple[Track, ...]], utterances: Sequence[Utterance]) -> float:
    """Seconds added to the truth's times, between -20 and 20 ms, for the best raw pitch accuracy."""

    def accuracy(shift: float) -> float:
        total = np.zeros(8, dtype=np.int64)
        for found, utterance in zip(runs, utterances, strict=True):
            # The most permissive run: raw pitch accuracy ignores voicing, but some guess only where they say voiced.
            hz, confidence = sample(found[0], len(utterance.truth), utterance.period, shift)
            total += tally(hz, confidence > 0, utterance.truth)[0]
        return float(total[RIGHT] / total[VOICED])

    return max(SHIFTS, key=accuracy)


def fit_level(sampled: dict[tuple[str, str], list[Sampled]], thresholds: Sequence[float], speech: Speech) -> int:
    """The index of the threshold with the best overall accuracy on FDA-UE's even files, all conditions together."""

    def accuracy(level: int) -> float:
        total = np.zeros(8, dtype=np.int64)
        for condition in CONDITIONS:
            for index in speech.fitting():
                hz, called = sampled[FDA, condition][index].decided(thresholds, level)
                total += tally(hz, called, speech.sets[FDA][index].truth)[0]
        return float((total[RIGHT_AND_CALLED] + total[SILENT_RIGHT]) / total[FRAMES])

    return max(range(len(thresholds)), key=accuracy)


def read(tracker: Tracker, speech: Speech) -> Reading:
    """Track everything (or take it from the cache), fit the shift on the clean resynthesised set, then the threshold."""
    found: dict[tuple[str, str], list[tuple[Track, ...]]] = {}
    for (name, condition), audios in speech.heard.items():
        pairs = zip(speech.sets[name], audios, strict=True)
        found[name, condition] = [tracks(tracker, utterance, condition, audio) for utterance, audio in pairs]
        log.info("%s: %s, %s", tracker.name, name, condition)
    shift = fit_shift(found[SYNTHETIC, "clean"], speech.sets[SYNTHETIC])
    sampled = {}
    for (name, condition), each in found.items():
        rows = [
            [sample(run, len(utterance.truth), utterance.period, shift) for run in runs]
            for runs, utterance in zip(each, speech.sets[name], strict=True)
        ]
        sampled[name, condition] = [
            Sampled(np.stack([row[0] for row in runs]), np.stack([row[1] for row in runs])) for runs in rows
        ]
    return Reading(tracker, shift, fit_level(sampled, tracker.thresholds, speech), sampled)
