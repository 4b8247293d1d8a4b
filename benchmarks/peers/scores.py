"""The same clips decided by everyone who has a score: macro-F1 and UAR, and how much streamser is ahead of peer (a)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers.windows import judged, window_of
from benchmarks.peers_accuracy.clips import chosen
from streamser import Recognizer
from streamser.clock import SAMPLE_RATE
from streamser.ensemble import Decision
from streamser.events import UtteranceEvent
from streamser.timeline import UNCERTAIN
from train.corpora import TRAINING_CORPORA, Clip, read_audio
from train.metrics import UNDECIDED, macro_f1, uar
from train.report.paired import Answers, compare

SCORES = {"macro_f1": macro_f1, "uar": uar}
OURS, OURS_WHOLE = "streamser, last step", "streamser, utterance"
TOLD = ("after", "low", "high")


@dataclass(frozen=True)
class Answer:
    """label: the likeliest's number, UNDECIDED where no speech was found. sure: False where `uncertain` is said instead."""

    label: int
    sure: bool = True

    def number(self, uncertain_is_wrong: bool) -> int:
        return UNDECIDED if uncertain_is_wrong and not self.sure else self.label


NOTHING = Answer(UNDECIDED)


def decided(decision: Decision | None, below: float) -> Answer:
    """below: the confidence under which a step is `uncertain`."""
    return NOTHING if decision is None else Answer(decision.winner, decision.confidence >= below)


def test_clips(count: int, labels: Sequence[str]) -> list[Clip]:
    """About so many clips of speakers whom nobody here was trained on, as many of each corpus and of each label in it."""
    return [clip for corpus in TRAINING_CORPORA for clip in chosen(corpus, "test", labels, max(1, count // len(TRAINING_CORPORA)))]


def answers_of(recognizer: Recognizer, clip: Clip, others: dict[str, Callable[[np.ndarray], Answer]]) -> dict[str, Answer]:
    """What everyone says of a clip: streamser in its last step and for its longest utterance, the others of that step's window.

    Where streamser heard no speech the others hear the last window's length of the clip.
    """
    samples = read_audio(clip.path)
    stream = recognizer.stream()
    events = [*stream.feed(samples), *stream.finish()]
    names = recognizer.ensemble.labels

    def told(event: Any) -> Answer:
        return Answer(names.index(max(event.probabilities, key=event.probabilities.get)), event.label != UNCERTAIN)

    steps, utterances = judged(events), [event for event in events if isinstance(event, UtteranceEvent)]
    length = int(recognizer.pack.window * SAMPLE_RATE)
    window = window_of(steps[-1], samples) if steps else np.pad(samples[-length:], (0, -len(samples[-length:]) % 320))
    longest = max(utterances, key=lambda event: event.end - event.start, default=None)
    found = {OURS: told(steps[-1]) if steps else NOTHING, OURS_WHOLE: told(longest) if longest else NOTHING}
    return found | {name: hear(window) for name, hear in others.items()}


def scored(clips: Sequence[Clip], labels: Sequence[str], answers: Sequence[dict[str, Answer]], today: str) -> dict[str, Any]:
    """By reading (`uncertain` wrong, or the likeliest label counted) and score: everyone's, and streamser less peer (a).

    Scores are means over the corpora; intervals of 95 % by redrawing whole speakers within each corpus.
    """
    truth = np.array([labels.index(clip.label) for clip in clips])
    corpora, speakers = (np.array([getattr(clip, name) for clip in clips]) for name in ("corpus", "speaker"))
    nobody = np.full(len(clips), UNDECIDED)

    def compared(before: np.ndarray, after: np.ndarray, score: str) -> dict[str, Any]:
        return compare(Answers(truth, before, after, corpora, speakers), SCORES[score])

    found: dict[str, Any] = {"clips": len(clips), "speakers": len({*zip(corpora.tolist(), speakers.tolist(), strict=True)})}
    for reading, strict in (("uncertain is wrong", True), ("likeliest", False)):
        numbers = {name: np.array([answer[name].number(strict) for answer in answers]) for name in answers[0]}
        systems = {
            name: {score: {key: entry[key] for key in TOLD} for score in SCORES for entry in [compared(nobody, mine, score)]}
            | {"undecided": int((mine == UNDECIDED).sum())}
            for name, mine in numbers.items()
        }
        ahead = {
            name: {
                score: {key: entry[key] for key in ("difference", "low", "high", "p")}
                for score in SCORES
                for entry in [compared(numbers[today], numbers[name], score)]
            }
            for name in (OURS, OURS_WHOLE)
        }
        found[reading] = {"systems": systems, "ahead_of_today": ahead}
    return found
