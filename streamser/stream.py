"""One channel of audio on its way: blocks in, events out, all state of the stream in one place."""

from __future__ import annotations

import math
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamser.agreement import Text
from streamser.audio.level import Level
from streamser.clock import SAMPLE_RATE, to_samples, to_seconds
from streamser.ensemble import Decision, Ensemble
from streamser.events import (
    DegradedEvent,
    EmotionEvent,
    Event,
    GapEvent,
    GapReason,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
)
from streamser.feature_stream import Features, FeatureStream
from streamser.features.text import TextFeatures
from streamser.features.whisper import Encoding
from streamser.judge import Judge
from streamser.latency import LatencyMeter
from streamser.segmenter import Utterance
from streamser.shedding import Shedding
from streamser.timeline import UNCERTAIN, Timeline, UtteranceDecision
from streamser.transcript import FinalText, Transcript

SHORT_GAP = to_samples(2.0)  # lost audio up to here is heard as silence; after more, the networks start afresh


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is judged. Times in samples; `subset` holds the indices of the labels to choose from."""

    step: int
    window: int
    delay: int
    transcript_step: int
    text_lag: int
    language: str | None
    transcript: bool
    words: bool
    subset: np.ndarray


class Stream:
    """State of one channel of audio. `feed` and `gap` take audio and return the events that are due; `finish` ends it."""

    def __init__(
        self,
        features: Features,
        ensemble: Ensemble,
        pool: Executor,
        settings: StreamSettings,
        source: str,
        channel: int,
        judge: Judge | None = None,
    ) -> None:
        """judge: one that has not heard anything yet; None makes one."""
        self.source = source
        self.channel = channel
        self.settings = settings
        self._ensemble = ensemble
        self._judge = judge or Judge(ensemble, settings.subset)
        self._labels = tuple(ensemble.labels[i] for i in settings.subset)
        self._features = FeatureStream(features, settings.step, settings.window)
        self._timeline = Timeline(self._labels, ensemble.uncertain_below["step"], settings.delay)
        self._transcript: Transcript | None = None
        if settings.transcript:
            self._transcript = Transcript(
                features.whisper, pool, settings.language, settings.transcript_step, settings.text_lag, settings.words
            )
        self._pending: list[np.ndarray] = []
        self._pending_length = 0
        self._utterances: dict[int, UtteranceDecision] = {}
        self._last_decision: Decision | None = None
        self._text_features: tuple[tuple[str, str | None], TextFeatures] | None = None
        self._latency = LatencyMeter()
        self._level = Level()
        self._live = False
        self._shedding = Shedding(settings.transcript, settings.window // settings.step)
        self._shed_told = self._shedding.level.shed
        self._passed_over = False  # whether the last step waits to be judged with the next
        self._finished = False
        self._busy = 0.0
        self._seq = 0
        self._utterance_count = 0
        self._gaps = 0
        self._lost = 0
        self._total = 0  # samples, gaps included

    def feed(self, samples: np.ndarray, captured_at: float | None = None) -> list[Event]:
        """Hear float32 [n], mono, 16 kHz, any n.

        Args:
            samples: between -1 and 1; must be finite.
            captured_at: live only: `time.monotonic()` of the moment the last sample was captured.

        Raises:
            ValueError: not a finite one-dimensional float array, or the stream has been finished.
        """
        self._check_open()
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise ValueError(f"feed takes one-dimensional float samples, not {samples.dtype} {samples.shape}")
        if not np.isfinite(samples).all():
            raise ValueError("the samples hold NaN or infinite values")
        begun = time.perf_counter()
        if captured_at is not None:
            self._live = True
        events = self._hear(samples.astype(np.float32), captured_at)
        self._busy += time.perf_counter() - begun
        return events

    def gap(self, seconds: float, reason: GapReason) -> list[Event]:
        """Note audio that was lost; the time line goes on after it."""
        self._check_open()
        if not np.isfinite(seconds) or seconds < 0:
            raise ValueError(f"a gap of {seconds} seconds")
        begun = time.perf_counter()
        lost = to_samples(seconds)
        start = self._total
        self._gaps += 1
        self._lost += lost
        events: list[Event] = [
            GapEvent(**self._stamp(start, start + lost), reason=reason, lost_seconds=to_seconds(lost)),
        ]
        if lost > SHORT_GAP:
            step = self.settings.step
            filling = -self._pending_length % step
            events += self._hear(np.zeros(filling, np.float32), None)
            events += self._catch_up()
            lost -= filling
            features = self._features
            events += self._end_utterances(features.close(features.now))
            self._judge.clear()
            features.jump(features.now + lost // step * step)
            self._total += lost // step * step
            lost %= step
        events += self._hear(np.zeros(lost, np.float32), None)
        self._busy += time.perf_counter() - begun
        return events

    def finish(self) -> list[Event]:
        """Judge what is left, wait for the transcript, and end with the summary."""
        self._check_open()
        begun = time.perf_counter()
        self._finished = True
        events: list[Event] = []
        end = self._total
        if self._pending_length:
            filled = np.pad(np.concatenate(self._pending), (0, self.settings.step - self._pending_length))
            self._pending, self._pending_length = [], 0
            events += self._step(filled, end, None)
        events += self._catch_up()
        events += self._end_utterances(self._features.close(end))
        if self._transcript is not None:
            events += self._utterance_events(self._transcript.finish())
        self._busy += time.perf_counter() - begun
        heard = (end - self._lost) / SAMPLE_RATE
        seconds = {label: round(value, 3) for label, value in self._timeline.seconds.items()}
        events.append(
            SummaryEvent(
                **self._stamp(0, end),
                seconds=seconds,
                utterances=self._utterance_count,
                gaps=self._gaps,
                lost_seconds=to_seconds(self._lost),
                real_time_factor=round(self._busy / heard, 4) if heard else None,
                latency=self._latency.summary(),
            )
        )
        return events

    def _hear(self, samples: np.ndarray, captured_at: float | None) -> list[Event]:
        self._total += len(samples)
        self._pending.append(samples)
        self._pending_length += len(samples)
        step = self.settings.step
        if self._pending_length < step:
            return []
        if captured_at is not None:
            behind = time.monotonic() - captured_at
            late = self._transcript is not None and self._transcript.take_late()
            self._shedding.update(behind, self._pending_length // step * step / SAMPLE_RATE, late)
        pending = np.concatenate(self._pending)
        events: list[Event] = []
        done = 0
        while len(pending) - done >= step:
            block = pending[done : done + step]
            done += step
            after = len(pending) - done
            captured = None if captured_at is None else captured_at - after / SAMPLE_RATE
            events += self._step(block, self._features.now + step, captured)
        self._pending, self._pending_length = [pending[done:]], len(pending) - done
        return events

    def _step(self, block: np.ndarray, end: int, captured_at: float | None) -> list[Event]:
        """Hear one step of audio and judge it; `end` is before the step's own end where the audio stops within it."""
        features, transcript, shedding = self._features, self._transcript, self._shedding.level
        closed = features.advance(block, join=self._passed_over)
        self._level.add(block[: len(block) - (features.now - end)])
        due = features.now % (shedding.stride * self.settings.step) == 0
        self._passed_over = not due and captured_at is not None and not closed and features.goes_on()
        encoding = features.encode_window() if features.in_speech() and not self._passed_over else None
        finals: list[FinalText] = []
        text = Text()
        if transcript is not None:
            finals = transcript.collect(features.now, self._live)  # first: it may move where the next decoding begins
            window = (features.window_start(), encoding) if encoding is not None else None
            open_one = features.segmenter.utterance
            transcript.schedule(features.now, features.ring, open_one, closed, window, self._live, shedding.decoding)
            text = transcript.current(features.utterance)
        events = [] if self._passed_over else self._judged(end, encoding, text, captured_at)
        self._judge.end(utterance.number for utterance in closed)
        if transcript is None:
            finals = [FinalText(utterance) for utterance in closed]
        return events + self._utterance_events(finals) + self._degraded_events(end)

    def _catch_up(self) -> list[Event]:
        """Judge steps that were passed over, where no step comes after them."""
        if not self._passed_over:
            return []
        self._passed_over = False
        text = self._transcript.current(self._features.utterance) if self._transcript is not None else Text()
        return self._judged(self._features.now, None, text, None)

    def _judged(self, end: int, encoding: Encoding | None, text: Text, captured_at: float | None) -> list[Event]:
        """The decision on what was heard since the last one, and its events."""
        features = self._features
        words = self._encode_text(text.counted_part(), text.language)
        inputs = features.fusion_input(words if self._ensemble.late_fusion.in_fusion else None, text.heard_until, encoding)
        decision = recent = None
        if inputs is not None and features.utterance is not None:
            number = features.utterance.number
            self._last_decision = sound = self._judge.step(inputs, number, features.new_speech())
            steps = (features.now - features.since) // self.settings.step
            self._utterances.setdefault(number, UtteranceDecision()).add(sound, inputs.heard, steps)
            decision = self._join(sound, words)
            recent = self._join(self._judge.recent(inputs, sound), words)
        return self._emotion_events(end, decision, recent, text, words, captured_at) if end > features.since else []

    def _emotion_events(
        self,
        end: int,
        decision: Decision | None,
        recent: Decision | None,
        text: Text,
        words: TextFeatures | None,
        captured_at: float | None,
    ) -> list[Event]:
        features = self._features
        start = features.since
        change = None
        judged: dict[str, Any] = dict.fromkeys(("label", "stable_label", "confidence", "probabilities", "arousal", "pitch_hz"))
        if decision is None:
            self._timeline.silence(start, end)
            window_start = start
        else:
            stable = self._timeline.speech(start, end, decision, recent)
            change = stable.change
            window_start = features.window_start()
            judged = {
                "label": self._timeline.name(decision.winner, decision.confidence),
                "stable_label": stable.label,
                "confidence": round(decision.confidence, 4),
                "probabilities": self._probabilities(decision),
                "arousal": None if math.isnan(decision.arousal) else round(decision.arousal, 4),
                "pitch_hz": features.pitch_hz(),
            }
        said = None if decision is None or words is None else words.probabilities
        latency = self._latency.measure(captured_at)
        events: list[Event] = [
            EmotionEvent(
                **self._stamp(start, end),
                window_start=to_seconds(window_start),
                state="no_speech" if decision is None else "speech",
                **judged,
                text_probabilities=None if said is None else self._named(said, self._features.features.text.labels),
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

    def _degraded_events(self, end: int) -> list[Event]:
        """One event when something else is shed than before, not one a step."""
        shed, before = self._shedding.level.shed, self._shed_told
        self._shed_told = shed
        return [DegradedEvent(**self._stamp(end, end), shed=shed)] if shed != before else []

    def _end_utterances(self, closed: list[Utterance]) -> list[Event]:
        """Utterances that end because the audio does."""
        self._judge.end(utterance.number for utterance in closed)
        if self._transcript is None:
            return self._utterance_events([FinalText(utterance) for utterance in closed])
        self._transcript.schedule(self._features.now, self._features.ring, None, closed, None, self._live)
        return []

    def _utterance_events(self, finals: list[FinalText]) -> list[Event]:
        events: list[Event] = []
        for final in finals:
            utterance = final.utterance
            own = self._utterances.pop(utterance.number, None)
            sound = own.decide() if own else self._last_decision
            if sound is None or utterance.end is None:
                continue
            decision = self._join(sound, self._encode_text(final.counted, final.language))
            self._utterance_count += 1
            events.append(
                UtteranceEvent(
                    **self._stamp(utterance.start, min(utterance.end, self._total)),
                    label=self._utterance_label(decision),
                    confidence=round(decision.confidence, 4),
                    probabilities=self._probabilities(decision),
                    text=final.text,
                    language=final.language,
                    words=final.words,
                )
            )
        return events

    def _utterance_label(self, decision: Decision) -> str:
        sure = decision.confidence >= self._ensemble.uncertain_below["utterance"]
        return self._labels[decision.winner] if sure else UNCERTAIN

    def _join(self, sound: Decision, words: TextFeatures | None) -> Decision:
        return self._ensemble.late_fusion.join(sound, words.probabilities if words else None, self.settings.subset)

    def _encode_text(self, words: str, language: str | None) -> TextFeatures | None:
        if not words:
            return None
        said = (words, language)
        if self._text_features is None or self._text_features[0] != said:
            self._text_features = (said, self._features.features.text.encode(*said))
        return self._text_features[1]

    def _probabilities(self, decision: Decision) -> dict[str, float]:
        return self._named(np.exp(decision.log_posterior), self._labels)

    @staticmethod
    def _named(probabilities: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
        return {label: round(float(value), 4) for label, value in zip(labels, probabilities, strict=True)}

    def _stamp(self, start: int, end: int) -> dict[str, Any]:
        seq, self._seq = self._seq, self._seq + 1
        return {
            "source": self.source,
            "channel": self.channel,
            "seq": seq,
            "start": to_seconds(start),
            "end": to_seconds(end),
        }

    def _check_open(self) -> None:
        if self._finished:
            raise ValueError("the stream has been finished: open another")
