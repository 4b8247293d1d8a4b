"""What is made of the same posteriors: our time line, as it is shown and as it is dated; argmax; whole utterances."""

from __future__ import annotations

import numpy as np

from benchmarks.timeline.posteriors import Posteriors
from benchmarks.timeline.scores import Line
from streamser.ensemble import Decision
from streamser.segmenter import PAUSE
from streamser.timeline import UNCERTAIN, Timeline, UtteranceDecision

SYSTEMS = ("time line", "time line, dated", "argmax", "argmax, `uncertain`", "utterances")


def all_lines(heard: Posteriors, delay: int) -> dict[str, Line]:
    """By system. delay: the time line's, in samples."""
    live, dated = time_line(heard, delay)
    winners = [str(heard.labels[winner]) for winner in heard.log_posterior[heard.speech].argmax(axis=1)]
    sure = heard.confidence[heard.speech] >= heard.uncertain_below
    emitted = [label if certain else UNCERTAIN for label, certain in zip(winners, sure, strict=True)]
    found = (live, dated, _of_steps(heard, winners), _of_steps(heard, emitted), utterances(heard))
    return dict(zip(SYSTEMS, found, strict=True))


def time_line(heard: Posteriors, delay: int) -> tuple[Line, Line]:
    """The stable label of every step as it is emitted, and with every transition put where it is dated."""
    line = Timeline(tuple(map(str, heard.labels)), float(heard.uncertain_below), delay)
    labels: list[str] = []
    dated: list[str] = []
    known: list[int] = []
    starts = heard.start[heard.speech]
    for row in range(len(heard.start)):
        start, end = int(heard.start[row]), int(heard.end[row])
        if not heard.speech[row]:
            line.silence(start, end)
            continue
        recent = Decision(heard.recent[row], 0.0, np.nan)
        stable = line.speech(start, end, Decision(heard.log_posterior[row], float(heard.confidence[row]), np.nan), recent)
        assert stable.label is not None
        labels.append(stable.label)
        dated.append(stable.label)
        known.append(end)
        if stable.change is not None:
            first = int(np.searchsorted(starts[: len(dated)], stable.change[0]))
            dated[first:] = [stable.label] * (len(dated) - first)
            known[first:] = [end] * (len(dated) - first)
    live = _of_steps(heard, labels)
    return live, Line(live.start, live.end, tuple(dated), np.array(known, np.int64))


def utterances(heard: Posteriors) -> Line:
    """Each utterance with its own label, known when the pause after it was long enough to end it."""
    decisions: dict[int, UtteranceDecision] = {}
    for row in np.flatnonzero(heard.speech):
        decision = Decision(heard.log_posterior[row], float(heard.confidence[row]), np.nan)
        decisions.setdefault(int(heard.utterance[row]), UtteranceDecision()).add(decision, float(heard.heard[row]))
    rows = []
    for number, (start, end) in enumerate(heard.utterances.tolist()):
        decided = decisions[number].decide() if number in decisions else None
        if decided is not None:
            sure = decided.confidence >= heard.utterance_below
            rows.append((start, end, str(heard.labels[decided.winner]) if sure else UNCERTAIN))
    starts, ends = (np.array([row[column] for row in rows], np.int64) for column in (0, 1))
    return Line(starts, ends, tuple(row[2] for row in rows), ends + PAUSE)


def _of_steps(heard: Posteriors, labels: list[str]) -> Line:
    """A label for each step with speech, known at its end."""
    ends = heard.end[heard.speech]
    return Line(heard.start[heard.speech], ends, tuple(labels), ends)
