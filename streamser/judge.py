"""From a step's nodes to its decision, beside how the voice that is heard has sounded before: state of one stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from streamser.ensemble import Decision, Ensemble
from streamser.errors import UsageError
from streamser.fusion_input import FusionInput
from streamser.late_fusion import NEUTRAL
from streamser.packs.manifest import HistorySettings
from streamser.speaker_history import SpeakerStatistics, SpokenUtterance, Voices

RECENT = 1.5  # seconds: the part of the window that tells a change from what was said before it


class Judge:
    """Judges the steps of one stream. With a pack that remembers no voices, each step stands alone."""

    def __init__(
        self,
        ensemble: Ensemble,
        subset: np.ndarray,
        enrolment: SpeakerStatistics | None = None,
        history: HistorySettings | None = None,
    ) -> None:
        """subset: int [n], indices of the labels to choose from. history: other settings than the pack's, if it has any.
        enrolment: made with this very pack.

        Raises:
            UsageError: an enrolment, where the pack remembers no voices.
        """
        self._ensemble = ensemble
        self._subset = subset
        self._history = (history or ensemble.history) if ensemble.history is not None else None
        self.voices = Voices(self._history.voice_threshold if self._history is not None else 0.0)
        self._open: dict[int, SpokenUtterance] = {}
        self._heard: SpeakerStatistics | None = None  # the history beside which the last step was judged
        self._neutral = ensemble.labels.index(NEUTRAL) if NEUTRAL in ensemble.labels else None
        self._enrolment = enrolment
        if enrolment is not None:
            if self._history is None:
                raise UsageError(
                    "the pack remembers no voices, so an enrolment has no use with it: leave it out or take another pack"
                )
            self.voices.histories.append(enrolment)

    def step(self, inputs: FusionInput, utterance: int, new: float) -> Decision:
        """The decision on one step.

        The graph first hears the step alone, which tells whose voice it is, and again beside that voice's history where there is
        one: from a voice's second utterance on, a step costs two runs of the fusion graph (a few ms each).

        Args:
            inputs: what is heard.
            utterance: its number.
            new: seconds of speech heard since the utterance's step before.
        """
        judged = self._ensemble.judge(inputs, self._subset)
        if self._history is None:
            return judged.decision
        self._heard = history = self.voices.match(judged.voice)
        if history is not None:
            judged = self._ensemble.judge(inputs, self._subset, history)
        spoken = self._open.setdefault(utterance, SpokenUtterance())
        spoken.add(judged.statistics, judged.voice, judged.log_posterior, judged.known, inputs.heard, new)
        return judged.decision

    def recent(self, inputs: FusionInput, decision: Decision) -> Decision:
        """What the last RECENT seconds alone say, beside the same history as the step; it costs one run of the fusion graph.

        Args:
            inputs: those of the step that was judged last.
            decision: on that step; it stands where nothing of the window is older, or all of it.
        """
        part = inputs.recent(RECENT)
        if len(part.whisper) in (0, len(inputs.whisper)):
            return decision
        return self._ensemble.judge(part, self._subset, self._heard).decision

    def end(self, utterances: Iterable[int]) -> None:
        """Utterances, by number, that ended: they join the histories of their voices."""
        for number in utterances:
            spoken = self._open.pop(number, None)
            if spoken is not None and self._history is not None:
                spoken.join(self.voices, self._history.floor, self._neutral)

    def clear(self) -> None:
        """Forget all voices but the one that was enrolled: what comes next may be somebody else."""
        self._open.clear()
        self.voices.clear()
        if self._enrolment is not None:
            self.voices.histories.append(self._enrolment)

    def evidence(self) -> float:
        """Seconds of speech that count for any voice, those of utterances that have not ended included."""
        return sum(voice.seconds for voice in self.voices.histories) + sum(spoken.evidence for spoken in self._open.values())

    def snapshot(self) -> dict[str, Any]:
        """The voices, of which nothing is audio."""
        return {"histories": self.voices.histories, "open": self._open}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back a snapshot of a judge with the same enrolment."""
        self.voices.histories, self._open = state["histories"], state["open"]
