"""From noisy step decisions to labels a person can trust: what was likely said since the last change, from the past only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from streamser.clock import SAMPLE_RATE, to_samples
from streamser.ensemble import Decision
from streamser.stretches import Stretches, began, followed, label_weights, opened

UNCERTAIN = "uncertain"
NO_SPEECH = "no_speech"
MARGIN = 2.2  # log odds: how much likelier than the stable label another must be
FIRST = to_samples(1.5)  # up to then from the first step on, no margin is asked for
SMOOTHING = 4.0  # seconds, the time constant of the running mean of confidences
PATIENCE = to_samples(6.0)  # how long that mean must be too low before the label is given up for `uncertain`
FORGET_AFTER = to_samples(10.0)  # a pause that long ends the mood: the next speech is judged afresh
HEARD_FLOOR = 0.05  # seconds: the least that a step counts for
HEARD_CAP = 4.0  # seconds of speech from which on a step counts fully towards its utterance
HEARD_POWER = 8  # so that the windows that heard most decide, not what was guessed from their beginnings


def step_weight(heard: float) -> float:
    """How much a step counts towards its utterance, 0 to 1, by the seconds of speech in its window."""
    return float((max(min(heard, HEARD_CAP), HEARD_FLOOR) / HEARD_CAP) ** HEARD_POWER)


def step_weights(heard: np.ndarray) -> np.ndarray:
    """`step_weight` of many steps, float64 [n]."""
    return (np.clip(np.asarray(heard, np.float64), HEARD_FLOOR, HEARD_CAP) / HEARD_CAP) ** HEARD_POWER


@dataclass
class StableLabel:
    """The stable label after a step, and the change that the step decided, if any: (since when, from, to)."""

    label: str | None
    change: tuple[int, str | None, str] | None = None


@dataclass
class Timeline:
    """State of one stream: numbers and arrays alone, so that it can be kept."""

    labels: tuple[str, ...]
    uncertain_below: float  # step confidence
    delay: int  # samples: how far back, from the end of the step that decides it, a change may be dated
    _weight: np.ndarray | None = None  # what is possible, see Stretches; None before any speech
    _total: np.ndarray | None = None
    _steps: np.ndarray | None = None
    _begin: np.ndarray | None = None
    _label: int = 0  # the stable one's index, whether or not it is sure enough
    _opened: int = 0  # where speech began that is judged afresh
    _confidence: float = 0.0
    _doubted: bool = True  # whether no step was sure since speech began that is judged afresh
    _unsure_since: int | None = None
    _stable: str | None = None
    _changed: int = -1  # where the last change was dated
    _last_speech: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def name(self, winner: int, confidence: float) -> str:
        """The label of a decision, or `uncertain`."""
        return self.labels[winner] if confidence >= self.uncertain_below else UNCERTAIN

    def speech(self, start: int, end: int, decision: Decision, recent: Decision | None = None) -> StableLabel:
        """Take in a step [start, end) with speech.

        Args:
            decision: on its whole window; how sure it is counts.
            recent: on the last part of the window alone, by which a change shows earlier; None takes the decision.
        """
        if start - self._last_speech >= FORGET_AFTER:
            self._weight = None
        self._last_speech = end
        fresh, since = self._weight is None, self._follow(start, end, (recent or decision).log_posterior)
        sure = self._sure(start, end, decision.confidence, fresh)
        shown = self.labels[self._label] if sure else UNCERTAIN
        change = None
        if shown != self._stable:
            since = min(max(since, end - self.delay), start) if sure and not fresh else start
            since = since if since > self._changed else start
            change = (since, self._stable, shown)
            self._stable, self._changed = shown, since
        self._count_seconds(shown, start, end)
        return StableLabel(shown, change)

    def silence(self, start: int, end: int) -> None:
        """Take in a step [start, end) without speech."""
        self._count_seconds(NO_SPEECH, start, end)

    def _follow(self, start: int, end: int, log_posterior: np.ndarray) -> int:
        """Move the label where another has become likely enough; returns where the present one began."""
        seconds = (end - start) / SAMPLE_RATE
        fresh = self._weight is None
        possible = opened(start, seconds, log_posterior) if fresh else followed(self._stretches(), start, seconds, log_posterior)
        self._weight, self._total, self._steps, self._begin = possible
        odds = label_weights(possible)
        likeliest = int(np.argmax(odds))
        if fresh:
            self._opened = start
        if end - self._opened <= FIRST or odds[likeliest] - odds[self._label] >= MARGIN:
            self._label = likeliest
        return began(possible, self._label)

    def _stretches(self) -> Stretches:
        assert self._weight is not None
        assert self._total is not None
        assert self._steps is not None
        assert self._begin is not None
        return Stretches(self._weight, self._total, self._steps, self._begin)

    def _sure(self, start: int, end: int, confidence: float, fresh: bool) -> bool:
        """Whether the confidence is high enough, or has not been too low for long. Before it was first, every step stands alone."""
        self._doubted = self._doubted or fresh
        weight = 1.0 if self._doubted else 1.0 - math.exp(-(end - start) / SAMPLE_RATE / SMOOTHING)
        self._confidence += weight * (confidence - self._confidence)
        if self._confidence >= self.uncertain_below:
            self._doubted, self._unsure_since = False, None
            return True
        if self._unsure_since is None:
            self._unsure_since = start
        return not self._doubted and end - self._unsure_since < PATIENCE

    def _count_seconds(self, label: str, start: int, end: int) -> None:
        self.seconds[label] = self.seconds.get(label, 0.0) + (end - start) / SAMPLE_RATE


@dataclass
class UtteranceDecision:
    """The decision on a whole utterance: the mean of its steps' log posteriors, weighted by how much speech each had heard."""

    _sum: np.ndarray | None = None
    _confidence: float = 0.0
    _weight: float = 0.0

    def add(self, decision: Decision, heard: float, steps: int = 1) -> None:
        """heard: seconds of speech in the decision's window; steps: how many it stands for."""
        weight = steps * step_weight(heard)
        weighted = weight * decision.log_posterior
        self._sum = weighted if self._sum is None else self._sum + weighted
        self._confidence += weight * decision.confidence
        self._weight += weight

    def decide(self) -> Decision | None:
        """None when no step of the utterance was long enough to be judged."""
        if self._sum is None:
            return None
        mean = self._sum / self._weight
        return Decision(mean - np.log(np.exp(mean).sum()), self._confidence / self._weight, math.nan)
