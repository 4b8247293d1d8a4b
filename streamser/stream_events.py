"""The events of one stream, numbered: what was heard, judged and lost, in the words of the contract (docs/events.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamser.agreement import Text
from streamser.audio.level import Level
from streamser.clock import SAMPLE_RATE, to_seconds
from streamser.ensemble import Decision
from streamser.events import (
    DegradedEvent,
    EmotionEvent,
    Event,
    GapEvent,
    GapReason,
    Shed,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
)
from streamser.features.text import TextFeatures
from streamser.heard import Heard
from streamser.latency import LatencyMeter
from streamser.timeline import UNCERTAIN, Timeline
from streamser.transcript import FinalText


@dataclass(frozen=True)
class Verdict:
    """On a step with speech. decision: on its whole window; recent: on the last part of it alone; both joined with the words."""

    decision: Decision
    recent: Decision


class StreamEvents:
    """Makes the events; keeps what they count and the time line. All times that it takes are sample indices."""

    def __init__(
        self,
        source: str,
        channel: int,
        labels: tuple[str, ...],
        text_labels: tuple[str, ...],
        uncertain_below: dict[str, float],
        delay: int,
    ) -> None:
        """labels: those to choose from. text_labels: the text network's. uncertain_below: confidence of a step, an utterance."""
        self.source = source
        self.channel = channel
        self._labels = labels
        self._text_labels = text_labels
        self._utterance_uncertain_below = uncertain_below["utterance"]
        self._timeline = Timeline(labels, uncertain_below["step"], delay)
        self._latency = LatencyMeter()
        self._level = Level()
        self._shed: Shed = "nothing"  # as it was told last
        self._seq = 0
        self._utterances = 0
        self._gaps = 0
        self._lost = 0

    def snapshot(self) -> dict[str, Any]:
        """All that a recording's events count."""
        return {
            "timeline": self._timeline,
            "seq": self._seq,
            "utterances": self._utterances,
            "gaps": self._gaps,
            "lost": self._lost,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back a snapshot."""
        self._timeline, self._seq, self._utterances = state["timeline"], state["seq"], state["utterances"]
        self._gaps, self._lost = state["gaps"], state["lost"]

    def hear(self, samples: np.ndarray) -> None:
        """float32 [n]: what the next emotion event's level is of."""
        self._level.add(samples)

    def emotion(
        self, heard: Heard, verdict: Verdict | None, text: Text, words: TextFeatures | None, captured_at: float | None
    ) -> list[Event]:
        """The event of a step, and the transition that it decides.

        Args:
            verdict: None without speech.
            text, words: what was said so far, and its features.
            captured_at: `time.monotonic()` of the last sample's capture; None where the audio is not live.
        """
        start, end, window = heard.since, heard.end, heard.window
        change = None
        judged: dict[str, Any] = dict.fromkeys(("label", "stable_label", "confidence", "probabilities", "arousal", "pitch_hz"))
        if verdict is None or window is None:
            self._timeline.silence(start, end)
        else:
            decision = verdict.decision
            stable = self._timeline.speech(start, end, decision, verdict.recent)
            change = stable.change
            judged = {
                "label": self._timeline.name(decision.winner, decision.confidence),
                "stable_label": stable.label,
                "confidence": round(decision.confidence, 4),
                "probabilities": self._probabilities(decision),
                "arousal": None if math.isnan(decision.arousal) else round(decision.arousal, 4),
                "pitch_hz": window.pitch_hz(),
            }
        said = None if verdict is None or words is None else words.probabilities
        latency = self._latency.measure(captured_at)
        events: list[Event] = [
            EmotionEvent(
                **self._stamp(start, end),
                window_start=to_seconds(start if window is None else window.start),
                state="no_speech" if verdict is None else "speech",
                **judged,
                text_probabilities=None if said is None else named(said, self._text_labels),
                text=text.final_part(),
                text_pending=text.open_part(),
                level_db=self._level.take(),
                latency=latency,
            )
        ]
        if change is not None:
            since, before, after = change
            events.append(TransitionEvent(**self._stamp(since, since), from_label=before, to_label=after))
        return events

    def utterance(self, start: int, end: int, decision: Decision, final: FinalText) -> Event:
        """The event of an utterance that ended."""
        self._utterances += 1
        sure = decision.confidence >= self._utterance_uncertain_below
        return UtteranceEvent(
            **self._stamp(start, end),
            label=self._labels[decision.winner] if sure else UNCERTAIN,
            confidence=round(decision.confidence, 4),
            probabilities=self._probabilities(decision),
            text=final.text,
            language=final.language,
            words=final.words,
        )

    def gap(self, start: int, lost: int, reason: GapReason) -> Event:
        """Of audio that was lost."""
        self._gaps += 1
        self._lost += lost
        return GapEvent(**self._stamp(start, start + lost), reason=reason, lost_seconds=to_seconds(lost))

    def degraded(self, at: int, shed: Shed) -> list[Event]:
        """One event when something else is shed than before, not one a step."""
        before, self._shed = self._shed, shed
        return [DegradedEvent(**self._stamp(at, at), shed=shed)] if shed != before else []

    def summary(self, end: int, busy: float) -> Event:
        """The last one; busy: seconds that the stream took."""
        heard = (end - self._lost) / SAMPLE_RATE
        return SummaryEvent(
            **self._stamp(0, end),
            seconds={label: round(value, 3) for label, value in self._timeline.seconds.items()},
            utterances=self._utterances,
            gaps=self._gaps,
            lost_seconds=to_seconds(self._lost),
            real_time_factor=round(busy / heard, 4) if heard else None,
            latency=self._latency.summary(),
        )

    def _probabilities(self, decision: Decision) -> dict[str, float]:
        return named(np.exp(decision.log_posterior), self._labels)

    def _stamp(self, start: int, end: int) -> dict[str, Any]:
        seq, self._seq = self._seq, self._seq + 1
        return {
            "source": self.source,
            "channel": self.channel,
            "seq": seq,
            "start": to_seconds(start),
            "end": to_seconds(end),
        }


def named(probabilities: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    """Probabilities, float [n], by their labels."""
    return {label: round(float(value), 4) for label, value in zip(labels, probabilities, strict=True)}
