"""From noisy step decisions to labels a person can trust: smoothing with the past only, and a change only after it lasted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from streamser.clock import SAMPLE_RATE, to_samples
from streamser.ensemble import Decision

UNCERTAIN = "uncertain"
NO_SPEECH = "no_speech"
SMOOTHING = 0.7  # seconds, the time constant of the running mean of log posteriors
FORGET_AFTER = to_samples(3.0)  # a pause that long ends the mood: the next speech is judged afresh
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
    """State of one stream."""

    labels: tuple[str, ...]
    uncertain_below: float  # step confidence
    delay: int  # samples: how long a new label must last before it is the stable one
    _smooth: np.ndarray | None = None
    _confidence: float = 0.0
    _stable: str | None = None
    _challenged_since: int | None = None
    _last_speech: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def name(self, winner: int, confidence: float) -> str:
        """The label of a decision, or `uncertain`."""
        return self.labels[winner] if confidence >= self.uncertain_below else UNCERTAIN

    def speech(self, start: int, end: int, decision: Decision) -> StableLabel:
        """Take in the decision of a step [start, end) with speech."""
        if start - self._last_speech >= FORGET_AFTER:
            self._smooth, self._challenged_since = None, None
        fresh = self._smooth is None
        if self._smooth is None:
            self._smooth, self._confidence = decision.log_posterior.copy(), decision.confidence
        else:
            weight = 1.0 - math.exp(-(end - start) / SAMPLE_RATE / SMOOTHING)
            self._smooth += weight * (decision.log_posterior - self._smooth)
            self._confidence += weight * (decision.confidence - self._confidence)
        self._last_speech = end
        candidate = self.name(int(np.argmax(self._smooth)), self._confidence)
        change = None
        if candidate == self._stable:
            self._challenged_since = None
        else:
            if self._challenged_since is None:
                self._challenged_since = start
            if fresh or end - self._challenged_since >= self.delay:
                change = (self._challenged_since, self._stable, candidate)
                self._stable, self._challenged_since = candidate, None
        assert self._stable is not None
        self._count(self._stable, start, end)
        return StableLabel(self._stable, change)

    def silence(self, start: int, end: int) -> None:
        """Take in a step [start, end) without speech."""
        self._count(NO_SPEECH, start, end)

    def _count(self, label: str, start: int, end: int) -> None:
        self.seconds[label] = self.seconds.get(label, 0.0) + (end - start) / SAMPLE_RATE


@dataclass
class UtteranceDecision:
    """The decision on a whole utterance: the mean of its steps' log posteriors, weighted by how much speech each had heard."""

    _sum: np.ndarray | None = None
    _confidence: float = 0.0
    _weight: float = 0.0

    def add(self, decision: Decision, heard: float) -> None:
        weight = step_weight(heard)
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
