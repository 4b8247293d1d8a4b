"""What a line of labels is worth beside the truth; every measure is defined in docs/metrics.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.timeline.truth import Truth
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.late_fusion import NEUTRAL
from streamser.timeline import UNCERTAIN
from train.metrics import UNDECIDED, macro_f1

FRAME = to_samples(0.1)


@dataclass(frozen=True)
class Line:
    """What a system says: label i from start[i] to end[i], known at known[i] (int64 [n], samples). Between them: no speech."""

    start: np.ndarray
    end: np.ndarray
    label: tuple[str, ...]
    known: np.ndarray

    def at(self, times: np.ndarray) -> list[str | None]:
        """The label at each time, None where no speech is heard."""
        row = np.searchsorted(self.start, times, side="right") - 1
        held = (row >= 0) & (times < self.end[np.maximum(row, 0)]) if len(self.start) else np.zeros(len(times), bool)
        return [self.label[index] if inside else None for index, inside in zip(row, held, strict=True)]


@dataclass(frozen=True)
class Counts:
    """What was counted of one stream, to be added up. Times in seconds.

    first: seconds of speech until the first correct label. delays: of each true change. detected: how many of them were no misses.
    """

    truth: np.ndarray
    decided: np.ndarray
    flips: int
    changes: int
    minutes: float
    first: float
    delays: tuple[float, ...]
    detected: int
    eder: float
    eder_speech: float


def count(line: Line, truth: Truth, labels: Sequence[str]) -> Counts:
    """labels: the indices that `truth` and `decided` are made of; `uncertain` and no speech are UNDECIDED."""
    index = {label: number for number, label in enumerate(labels)}
    middles = np.arange(FRAME // 2, truth.length, FRAME)
    place = np.searchsorted(truth.clips[:, 0], middles, side="right") - 1
    spoken = (place >= 0) & (middles < truth.clips[np.maximum(place, 0), 1])
    heard = line.at(middles[spoken])
    delays, detected = [], 0
    for stretch in truth.stretches[1:]:
        known = shown_at(line, stretch.start, stretch.end, stretch.label)
        detected += known is not None
        delays.append(((known if known is not None else stretch.end) - stretch.start) / SAMPLE_RATE)
    beginning = truth.stretches[0]
    shown = shown_at(line, beginning.start, beginning.end, beginning.label)
    return Counts(
        truth=np.array([index[truth.labels[number]] for number in place[spoken]]),
        decided=np.array([UNDECIDED if label is None else index.get(label, UNDECIDED) for label in heard]),
        flips=flips(line),
        changes=truth.changes,
        minutes=truth.length / SAMPLE_RATE / 60,
        first=truth.spoken(beginning.start, beginning.end if shown is None else shown) / SAMPLE_RATE,
        delays=tuple(delays),
        detected=detected,
        eder=eder(line, truth),
        eder_speech=eder_speech(line, truth),
    )


def flips(line: Line) -> int:
    """How often the label changes from one stretch of speech to the next; `uncertain` is a label like any other."""
    return sum(label != before for before, label in zip(line.label, line.label[1:], strict=False))


def shown_at(line: Line, start: int, end: int, label: str) -> int | None:
    """When the line first says `label` of something after `start`: a sample after `start`, at most `end`."""
    known = [
        int(moment)
        for moment, until, said in zip(line.known, line.end, line.label, strict=True)
        if said == label and until > start and start < moment <= end
    ]
    return min(known, default=None)


def eder(line: Line, truth: Truth) -> float:
    """The emotion diarization error rate as SpeechBrain's recipe has it: 1 - time with the right label / duration of the stream.

    What is no emotional speech is neutral there, in the reference as in the decision.
    """
    reference = _filled(truth.without_silences(), truth.length)
    said = _filled(list(zip(line.start.tolist(), line.end.tolist(), line.label, strict=True)), truth.length)
    return 1 - _agreement(reference, said) / truth.length


def eder_speech(line: Line, truth: Truth) -> float:
    """The same within clips alone; where no speech is heard, that is wrong."""
    reference = [(int(start), int(end), label) for (start, end), label in zip(truth.clips, truth.labels, strict=True)]
    said = list(zip(line.start.tolist(), line.end.tolist(), line.label, strict=True))
    return 1 - _agreement(reference, said) / truth.spoken(0, truth.length)


def _filled(parts: list[tuple[int, int, str]], length: int) -> list[tuple[int, int, str]]:
    """With neutral wherever nothing is said, cut off at the stream's end."""
    found, at = [], 0
    for start, end, label in parts:
        if start > at:
            found.append((at, start, NEUTRAL))
        found.append((start, min(end, length), label))
        at = end
    return [*found, (at, length, NEUTRAL)] if at < length else found


def _agreement(one: list[tuple[int, int, str]], other: list[tuple[int, int, str]]) -> int:
    """Samples with the same label in both."""
    return sum(
        max(0, min(end, until) - max(start, since))
        for start, end, label in one
        for since, until, said in other
        if said == label and label != UNCERTAIN
    )


def summary(counts: Sequence[tuple[str, Counts]]) -> dict[str, float]:
    """Streams together, each with its corpus: macro-F1 is a mean over corpora, EDER over streams, the rest is pooled."""
    corpora = sorted({corpus for corpus, _ in counts})
    every = [each for _, each in counts]
    scores = []
    for corpus in corpora:
        mine = [each for name, each in counts if name == corpus]
        scores.append(macro_f1(np.concatenate([each.truth for each in mine]), np.concatenate([each.decided for each in mine])))
    minutes = sum(each.minutes for each in every)
    changes, turned = sum(each.changes for each in every), sum(each.flips for each in every)
    delays = [delay for each in every for delay in each.delays]
    return {
        "macro_f1": float(np.mean(scores)),
        "eder": float(np.mean([each.eder for each in every])),
        "eder_speech": float(np.mean([each.eder_speech for each in every])),
        "flips_per_minute": turned / minutes,
        "changes_per_minute": changes / minutes,
        "flips_per_change": turned / changes,
        "first_correct": float(np.median([each.first for each in every])),
        "delay": float(np.median(delays)),
        "missed": 1 - sum(each.detected for each in every) / changes,
    }
