"""The fusion members and their common decision."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from streamser.errors import PackError, UsageError
from streamser.fusion_input import FusionInput
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import HistorySettings, Pack, WordSettings
from streamser.sessions import Session, open_session

if TYPE_CHECKING:
    from streamser.speaker_history import SpeakerStatistics

OUTPUTS = ("log_probabilities", "arousal")
NEWER_OUTPUTS = ("known", "statistics", "voice")  # which graphs of older packs lack, as they lack the inputs
HISTORY_INPUTS = ("history_mean", "history_square", "history_seconds")


@dataclass(frozen=True)
class Decision:
    """log_posterior: float64 [labels], normalised. confidence: of the winner, see `Ensemble.combine`. arousal: 0 to 1, or nan."""

    log_posterior: np.ndarray
    confidence: float
    arousal: float

    @property
    def winner(self) -> int:
        return int(np.argmax(self.log_posterior))


@dataclass(frozen=True)
class Judgement:
    """All that the graph says of one step.

    decision: among the labels asked for, `known` in its confidence. log_posterior: float64 [labels], among all, normalised.
    known: probability that what is heard is speech with an emotion that the pack can know; 1 from a graph that does not tell.
    statistics: float32 [D], voice: float32 [V], of this step alone; without columns from a graph that has none.
    """

    decision: Decision
    log_posterior: np.ndarray
    known: float
    statistics: np.ndarray
    voice: np.ndarray


class Ensemble:
    """All members in one graph, shared and without state.

    history: how voices are remembered; None where they are not. history_width, voice_width: columns of `statistics` and `voice`,
    0 of a graph that has none.
    """

    def __init__(
        self,
        session: Session,
        labels: tuple[str, ...],
        vote: str,
        uncertain_below: dict[str, float],
        late_fusion: LateFusion | None = None,
        arousal: bool = True,
        history: HistorySettings | None = None,
        prior: dict[str, float] | None = None,
    ) -> None:
        """Raises PackError where the graph's inputs and outputs do not fit each other or `history`."""
        self.session = session
        self.labels = labels
        self.vote = vote
        self.uncertain_below = uncertain_below
        self.arousal = arousal
        self.late_fusion = late_fusion or LateFusion(WordSettings(), labels, labels)
        self.history = history
        self.prior = np.array([(prior or {}).get(label, 0.0) for label in labels])
        inputs = {entry.name: entry.shape for entry in session.get_inputs()}
        outputs = {entry.name: entry.shape for entry in session.get_outputs()}
        self._outputs = [name for name in (*OUTPUTS, *NEWER_OUTPUTS) if name in outputs]
        self.history_width = self.voice_width = 0
        if any(name in inputs for name in HISTORY_INPUTS):
            widths = (inputs.get("history_mean", [None])[-1], outputs.get("voice", [None])[-1])
            whole = {*HISTORY_INPUTS} <= set(inputs) and {*NEWER_OUTPUTS} <= set(outputs)
            if not whole or not all(isinstance(width, int) for width in widths):
                raise PackError("the pack's fusion graph has only some of the inputs and outputs of a history: export it again")
            self.history_width, self.voice_width = widths
        if history is not None and not self.history_width:
            raise PackError("the pack has `history` settings, but its fusion graph hears none: take them out or export it again")

    @classmethod
    def load(cls, pack: Pack, text_labels: tuple[str, ...], accelerator: str = "cpu") -> Ensemble:
        """Open a pack's members; text_labels: those of its text network, in order."""
        late_fusion = LateFusion(pack.words, pack.labels, text_labels)
        session = open_session(pack.file("fusion"), accelerator, shapes="masked")
        return cls(session, pack.labels, pack.vote, pack.uncertain_below, late_fusion, pack.arousal, pack.history, pack.prior)

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

    def judge(self, inputs: FusionInput, subset: np.ndarray, history: SpeakerStatistics | None = None) -> Judgement:
        """What all members say of the sound of a step, beside the history of its voice if it has any."""
        return self.judgement(self.hear(inputs, history), subset)

    def hear(self, inputs: FusionInput, history: SpeakerStatistics | None = None) -> dict[str, np.ndarray]:
        """The graph's outputs by name for one step, without the batch's axis: log_probabilities [members, labels] and so on."""
        found = self.session.run(self._outputs, inputs.as_batch(history, self.history_width))
        named = {name: np.asarray(values) for name, values in zip(self._outputs, found, strict=True)}
        return {name: values[:, 0] if name in OUTPUTS else values[0] for name, values in named.items()}

    def judgement(self, heard: dict[str, np.ndarray], subset: np.ndarray) -> Judgement:
        """What `hear` heard, judged among a subset of the labels as `combine` does it."""
        taught = float(np.mean(heard["arousal"])) if self.arousal else math.nan
        log_members = heard["log_probabilities"]
        known = float(heard.get("known", 1.0))
        decision = self.combine(log_members, taught, subset)
        everything = decision
        if len(subset) < len(self.labels):
            everything = self.combine(log_members, taught, np.arange(len(self.labels)))
        nothing = np.zeros(0, np.float32)
        return Judgement(
            replace(decision, confidence=decision.confidence * known),
            everything.log_posterior,
            known,
            heard.get("statistics", nothing),
            heard.get("voice", nothing),
        )

    def combine(self, log_members: np.ndarray, arousal: float, subset: np.ndarray) -> Decision:
        """The members' common decision.

        With the vote `mean`, the posterior is the renormalised geometric mean of the members' calibrated posteriors. The confidence
        is that mean before it is renormalised, so the members' disagreement lowers it. With `majority`, the most frequent winner
        (ties: the first member's) is moved to the top, its confidence capped by its share of the votes.

        The pack's prior is added to every member's log posterior first: the common posterior is what it would be with the prior
        added to their joint one, and the confidence stays a probability.

        Args:
            log_members: float [members, labels], calibrated log posteriors.
            arousal: 0 to 1, or nan.
            subset: int [n], indices of the labels to choose from.
        """
        members = np.asarray(log_members, np.float64)[:, subset] + self.prior[subset]
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
