"""The fusion members and their common decision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime

from streamser.errors import UsageError
from streamser.fusion_input import FusionInput
from streamser.packs.manifest import Pack
from streamser.sessions import open_session


@dataclass(frozen=True)
class Decision:
    """log_posterior: float64 [labels], normalised. confidence: of the winner, see `Ensemble.decide`. arousal: 0 to 1."""

    log_posterior: np.ndarray
    confidence: float
    arousal: float

    @property
    def winner(self) -> int:
        return int(np.argmax(self.log_posterior))


class Ensemble:
    """All members in one graph, shared and without state."""

    def __init__(
        self, session: onnxruntime.InferenceSession, labels: tuple[str, ...], vote: str, uncertain_below: dict[str, float]
    ) -> None:
        self.session = session
        self.labels = labels
        self.vote = vote
        self.uncertain_below = uncertain_below

    @classmethod
    def load(cls, pack: Pack, accelerator: str = "cpu") -> Ensemble:
        return cls(open_session(pack.file("fusion"), accelerator), pack.labels, pack.vote, pack.uncertain_below)

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
        """One decision of all members, restricted to a subset of the labels.

        With the vote `mean`, the posterior is the renormalised geometric mean of the members' calibrated posteriors. The confidence
        is that mean before it is renormalised, so the members' disagreement lowers it. With `majority`, the most frequent winner
        (ties: the first member's) is moved to the top, its confidence capped by its share of the votes.
        """
        log_members, arousal = self.session.run(["log_probabilities", "arousal"], inputs.as_batch())
        members = np.asarray(log_members, np.float64)[:, 0, subset]
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
        return Decision(log_posterior, confidence, float(np.mean(arousal)))
