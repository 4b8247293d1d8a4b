"""From the posteriors of steps to the decision about a clip, as the time line decides about an utterance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streamser.timeline import step_weights
from train.metrics import UNDECIDED

LEAST = 1e-30  # of weights that are divided by: there was no step


@dataclass(frozen=True)
class Decisions:
    """The mean log-posteriors of clips, float32 [clips, 7]; `found` is False where no step held speech."""

    log_posteriors: np.ndarray
    found: np.ndarray

    def labels(self, allowed: Iterable[int] | None = None) -> np.ndarray:
        """The label of every clip, int64 [clips], among all or the allowed ones; UNDECIDED where there was no speech."""
        columns = np.arange(self.log_posteriors.shape[1]) if allowed is None else np.array(sorted(allowed))
        return np.where(self.found, columns[self.log_posteriors[:, columns].argmax(1)], UNDECIDED)

    def probabilities(self) -> np.ndarray:
        """The mean log-posteriors, normalised: float32 [clips, 7]."""
        shares = np.exp(self.log_posteriors - self.log_posteriors.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


def decide(log_posteriors: np.ndarray, heard: np.ndarray, clip: np.ndarray, clips: int) -> Decisions:
    """Mean of the steps' log-posteriors, each weighted by the seconds heard as the time line does it.

    Args:
        log_posteriors: float32 [steps, 7].
        heard: float32 [steps].
        clip: int64 [steps], which clip a step belongs to.
        clips: how many clips there are, some perhaps without any step.
    """
    weights = step_weights(heard)
    sums, totals = np.zeros((clips, log_posteriors.shape[1]), np.float64), np.zeros(clips)
    np.add.at(sums, clip, log_posteriors * weights[:, None])
    np.add.at(totals, clip, weights)
    return Decisions((sums / np.maximum(totals, LEAST)[:, None]).astype(np.float32), totals > 0)


def ensemble_posteriors(log_probabilities: np.ndarray) -> np.ndarray:
    """The decision of the members: their mean log-posterior, normalised; float32 [batch, 7]."""
    mean = log_probabilities.mean(0)
    return (mean - np.logaddexp.reduce(mean, axis=-1, keepdims=True)).astype(np.float32)


def clip_confidence(confidence: np.ndarray, heard: np.ndarray, clip: np.ndarray, clips: int) -> np.ndarray:
    """The confidence of every clip, float [clips]: the mean of its steps', weighted as the time line does it; 0 without speech."""
    weights = step_weights(heard)
    totals = np.bincount(clip, weights, clips)
    return np.bincount(clip, weights * confidence, clips) / np.maximum(totals, LEAST)


@dataclass(frozen=True)
class EmittedDecisions:
    """What a stream would emit for every clip: `uncertain`, which is wrong in every score, below the pack's threshold.

    members: float32 [members, steps, labels], calibrated log-posteriors. heard, clip: of the steps. uncertain_below: of an
    utterance. known: float32 [steps], the probability that it is speech with an emotion; it lowers the confidence. prior: float
    [labels], log offsets for how common the labels are.
    """

    members: np.ndarray
    heard: np.ndarray
    clip: np.ndarray
    clips: int
    uncertain_below: float
    known: np.ndarray | None = None
    prior: np.ndarray | None = None

    @property
    def found(self) -> np.ndarray:
        """bool [clips]: which have a step of speech."""
        return np.bincount(self.clip, minlength=self.clips) > 0

    def among(self, allowed: Iterable[int] | None) -> tuple[np.ndarray, Decisions, np.ndarray]:
        """The labels to choose from, the decisions about clips in their terms, and the confidence of every clip, float [clips]."""
        columns = np.arange(self.members.shape[2]) if allowed is None else np.array(sorted(allowed))
        members = self.members[:, :, columns] + (0 if self.prior is None else self.prior[columns].astype(np.float32))
        members = members - np.logaddexp.reduce(members, axis=-1, keepdims=True)
        sure = np.exp(members.mean(0).max(-1)) * (1.0 if self.known is None else self.known)
        decided = decide(ensemble_posteriors(members), self.heard, self.clip, self.clips)
        return columns, decided, clip_confidence(sure, self.heard, self.clip, self.clips)

    def confidence(self, allowed: Iterable[int] | None = None) -> np.ndarray:
        """float [clips]."""
        return self.among(allowed)[2]

    def labels(self, allowed: Iterable[int] | None = None) -> np.ndarray:
        """The label of every clip, int64 [clips], as with `--labels`; UNDECIDED where it is `uncertain` or there was no speech."""
        columns, decided, confidence = self.among(allowed)
        sure = confidence >= self.uncertain_below
        return np.where(decided.found & sure, columns[decided.log_posteriors.argmax(1)], UNDECIDED)
