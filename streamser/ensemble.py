"""The fusion members and their common decision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnxruntime

from streamser.errors import UsageError
from streamser.fusion_input import FusionInput
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import Pack, WordSettings
from streamser.sessions import open_session


@dataclass(frozen=True)
class Decision:
    """log_posterior: float64 [labels], normalised. confidence: of the winner, see `Ensemble.decide`. arousal: 0 to 1, or nan."""

    log_posterior: np.ndarray
    confidence: float
    arousal: float

    @property
    def winner(self) -> int:
        return int(np.argmax(self.log_posterior))


class Ensemble:
    """All members in one graph, shared and without state."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        labels: tuple[str, ...],
        vote: str,
        uncertain_below: dict[str, float],
        late_fusion: LateFusion | None = None,
        arousal: bool = True,
    ) -> None:
        self.session = session
        self.labels = labels
        self.vote = vote
        self.uncertain_below = uncertain_below
        self.arousal = arousal
        self.late_fusion = late_fusion or LateFusion(WordSettings(), labels, labels)

    @classmethod
    def load(cls, pack: Pack, text_labels: tuple[str, ...], accelerator: str = "cpu") -> Ensemble:
        """Open a pack's members; text_labels: those of its text network, in order."""
        late_fusion = LateFusion(pack.words, pack.labels, text_labels)
        session = open_session(pack.file("fusion"), accelerator)
        return cls(session, pack.labels, pack.vote, pack.uncertain_below, late_fusion, pack.arousal)

    def subset(self, labels: tuple[str, ...]) -> np.ndarray:
        """Indices of the labels asked for.

        Raises:
            UsageError: fewer than two, or one that the pack does not have.
        """
        unknown = [label for label in labels if label not in self.labels]
        if unknown:
            raise UsageError(f"the pack has no label {', '.join(unknown)}: choose from {', '.join(self.labels)}")
        if len(set(labels)) < 2:
            raise UsageError("--labels needs at least two different labels")
        return np.array(sorted({self.labels.index(label) for label in labels}))

    def decide(self, inputs: FusionInput, subset: np.ndarray) -> Decision:
        """One decision of all members on the sound of a step, restricted to a subset of the labels, as `combine` makes it."""
        log_members, arousal = self.session.run(["log_probabilities", "arousal"], inputs.as_batch())
        taught = float(np.mean(arousal)) if self.arousal else math.nan
        return self.combine(np.asarray(log_members)[:, 0], taught, subset)

    def combine(self, log_members: np.ndarray, arousal: float, subset: np.ndarray) -> Decision:
        """The members' common decision.

        With the vote `mean`, the posterior is the renormalised geometric mean of the members' calibrated posteriors. The confidence
        is that mean before it is renormalised, so the members' disagreement lowers it. With `majority`, the most frequent winner
        (ties: the first member's) is moved to the top, its confidence capped by its share of the votes.

        Args:
            log_members: float [members, labels], calibrated log posteriors.
            arousal: 0 to 1, or nan.
            subset: int [n], indices of the labels to choose from.
        """
        members = np.asarray(log_members, np.float64)[:, subset]
        members -= np.log(np.exp(members).sum(axis=1, keepdims=True))
        mean = members.mean(axis=0)
        log_posterior = mean - np.log(np.exp(mean).sum())
        confidence = float(np.exp(mean.max()))
        if self.vote == "majority":
            winners = members.argmax(axis=1)
            counts = np.bincount(winners, minlength=len(subset))
            chosen = next(int(winner) for winner in winners if counts[winner] == counts.max())
            share = counts[chosen] / len(winners)
            confidence = min(float(np.exp(mean[chosen])), share)
            if chosen != log_posterior.argmax():
                order = log_posterior.argmax()
                log_posterior[[chosen, order]] = log_posterior[[order, chosen]]
        return Decision(log_posterior, confidence, arousal)
