"""One channel of audio on its way: blocks in, events out, all state of the stream in one place."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from streamser.agreement import Text
from streamser.audio.ring import AudioRing
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.ensemble import Decision, Ensemble
from streamser.events import Event, GapReason
from streamser.feature_stream import Features, FeatureStream
from streamser.features.text import TextFeatures
from streamser.features.whisper import Encoding
from streamser.heard import Heard
from streamser.judge import Judge
from streamser.said import Said
from streamser.segmenter import Utterance
from streamser.shedding import Shedding
from streamser.stream_events import StreamEvents, Verdict
from streamser.timeline import UtteranceDecision
from streamser.transcript import FinalText, Transcript

SHORT_GAP = to_samples(2.0)  # lost audio up to here is heard as silence; after more, the networks start afresh
HISTORY = to_samples(16.0)  # of audio that the transcript may read: more than the longest stretch that it leaves open
AHEAD = 4  # steps of a recording that are heard before an earlier one is judged


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
        """pool: for decodings. judge: one that has not heard anything yet; None makes one."""
        self.source = source
        self.channel = channel
        self.settings = settings
        self._ensemble = ensemble
        self._judge = judge or Judge(ensemble, settings.subset)
        labels = tuple(ensemble.labels[i] for i in settings.subset)
        self._events = StreamEvents(source, channel, labels, features.text.labels, ensemble.uncertain_below, settings.delay)
        self._features = FeatureStream(features, settings.step, settings.window)
        self._said = Said(features.text, features.beside)
        self._ring = AudioRing(HISTORY + settings.step)
        self._transcript: Transcript | None = None
        if settings.transcript:
            self._transcript = Transcript(
                features.whisper, pool, settings.language, settings.transcript_step, settings.text_lag, settings.words
            )
        self._pending: list[np.ndarray] = []
        self._pending_length = 0
        self._utterances: dict[int, UtteranceDecision] = {}
        self._last_decision: Decision | None = None
        self._live = False
        self._shedding = Shedding(settings.transcript, settings.window // settings.step)
        self._passed_over = False  # whether the last step waits to be judged with the next
        self._finished = False
        self._busy = 0.0
        self._total = 0  # samples, gaps included

    def feed(self, samples: np.ndarray, captured_at: float | None = None) -> list[Event]:
        """Hear float32 [n], mono, 16 kHz, any n.

        Args:
            samples: between -1 and 1; must be finite.
            captured_at: live only: `time.monotonic()` of the moment the last sample was captured.

        Raises:
            ValueError: not a finite one-dimensional float array, or the stream has been finished.
        """
        return [event for events in self.steps(samples, captured_at) for event in events]

    def steps(self, samples: np.ndarray, captured_at: float | None = None) -> Iterator[list[Event]]:
        """As `feed`, the events of one step at a time. Must be exhausted before the stream hears more."""
        self._check_open()
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise ValueError(f"feed takes one-dimensional float samples, not {samples.dtype} {samples.shape}")
        if not np.isfinite(samples).all():
            raise ValueError("the samples hold NaN or infinite values")
        if captured_at is not None:
            self._live = True
        return self._timed(self._hear(samples.astype(np.float32), captured_at))

    def gap(self, seconds: float, reason: GapReason) -> list[Event]:
        """Note audio that was lost; the time line goes on after it."""
        self._check_open()
        if not np.isfinite(seconds) or seconds < 0:
            raise ValueError(f"a gap of {seconds} seconds")
        begun = time.perf_counter()
        lost = to_samples(seconds)
        events = [self._events.gap(self._total, lost, reason)]
        if lost > SHORT_GAP:
            step = self.settings.step
            filling = -self._pending_length % step
            events += self._silence(filling)
            events += self._catch_up()
            lost -= filling
            features = self._features
            events += self._end_utterances(features.close(features.now))
            self._judge.clear()
            features.jump(features.now + lost // step * step)
            self._ring.jump(features.now)
            self._total += lost // step * step
            lost %= step
        events += self._silence(lost)
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
            events += self._make(self._listen(filled, end, None), None, None)
        events += self._catch_up()
        events += self._end_utterances(self._features.close(end))
        if self._transcript is not None:
            events += self._utterance_events(self._transcript.finish())
        self._busy += time.perf_counter() - begun
        return [*events, self._events.summary(end, self._busy)]

    def _timed(self, made: Iterator[list[Event]]) -> Iterator[list[Event]]:
        while True:
            begun = time.perf_counter()
            events = next(made, None)
            self._busy += time.perf_counter() - begun
            if events is None:
                return
            yield events

    def _silence(self, length: int) -> list[Event]:
        return [event for events in self._hear(np.zeros(length, np.float32), None) for event in events]

    def _hear(self, samples: np.ndarray, captured_at: float | None) -> Iterator[list[Event]]:
        """Make every step that is complete. Of a recording, the next ones are heard and encoded while one is judged."""
        self._total += len(samples)
        self._pending.append(samples)
        self._pending_length += len(samples)
        step = self.settings.step
        count = self._pending_length // step
        if not count:
            return
        if captured_at is not None:
            behind = time.monotonic() - captured_at
            late = self._transcript is not None and self._transcript.take_late()
            self._shedding.update(behind, count * step / SAMPLE_RATE, late)
        pending = np.concatenate(self._pending)
        ahead = AHEAD if count > 1 and not self._live else 0
        heard: deque[tuple[Heard, Future[Encoding] | None, float | None]] = deque()
        for done in range(step, count * step + 1, step):
            captured = None if captured_at is None else captured_at - (len(pending) - done) / SAMPLE_RATE
            one = self._listen(pending[done - step : done], self._features.now + step, captured)
            heard.append((one, self._begin_encoding(one) if ahead else None, captured))
            if len(heard) > ahead:
                yield self._make(*heard.popleft())
        while heard:
            yield self._make(*heard.popleft())
        self._pending, self._pending_length = [pending[count * step :]], len(pending) - count * step

    def _listen(self, block: np.ndarray, end: int, captured_at: float | None) -> Heard:
        """Let the front ends hear one step of audio; `end` is before the step's own end where the audio stops within it."""
        features = self._features
        closed = features.advance(block, join=self._passed_over)
        due = features.now % (self._shedding.level.stride * self.settings.step) == 0
        self._passed_over = not due and captured_at is not None and not closed and features.goes_on()
        return features.heard(block, end, closed, self._passed_over)

    def _begin_encoding(self, heard: Heard) -> Future[Encoding] | None:
        features = self._features.features
        return features.beside.submit(heard.window.encode, features.whisper) if heard.window is not None else None

    def _make(self, heard: Heard, begun: Future[Encoding] | None, captured_at: float | None) -> list[Event]:
        """The events of a step; what was heard must come here in its order."""
        finals = [FinalText(utterance) for utterance in heard.closed]
        text = Text()
        self._events.hear(heard.samples[: len(heard.samples) - (heard.now - heard.end)])
        if self._transcript is not None:
            self._ring.write(heard.samples)
            finals = self._transcript.collect(heard.now, self._live)  # first: it may move where the next decoding begins
            text = self._transcript.current(heard.utterance)
        encoding = begun.result() if begun is not None else self._encoded(heard, text, finals)
        if self._transcript is not None:
            window = (heard.window.start, encoding) if heard.window is not None and encoding is not None else None
            rarer = self._shedding.level.decoding
            self._transcript.schedule(heard.now, self._ring, heard.opened, heard.closed, window, self._live, rarer)
        events = [] if heard.passed_over else self._judged(heard, encoding, text, captured_at)
        self._judge.end(utterance.number for utterance in heard.closed)
        return events + self._utterance_events(finals) + self._events.degraded(heard.end, self._shedding.level.shed)

    def _encoded(self, heard: Heard, text: Text, finals: list[FinalText]) -> Encoding | None:
        """Whisper's encoding of a step's window, and the words' beside it."""
        if heard.window is None:
            return None
        self._said.begin([(text.counted_part(), text.language), *((final.counted, final.language) for final in finals)])
        return heard.window.encode(self._features.features.whisper)

    def _catch_up(self) -> list[Event]:
        """Judge steps that were passed over, where no step comes after them."""
        if not self._passed_over:
            return []
        self._passed_over = False
        features = self._features
        heard = features.heard(np.zeros(0, np.float32), features.now, [], passed_over=False)
        text = self._transcript.current(features.utterance) if self._transcript is not None else Text()
        return self._judged(heard, self._encoded(heard, text, []), text, None)

    def _judged(self, heard: Heard, encoding: Encoding | None, text: Text, captured_at: float | None) -> list[Event]:
        """The decision on what was heard since the last one, and its events."""
        words = verdict = None
        if heard.window is not None and encoding is not None:
            words = self._said.features(text.counted_part(), text.language)
            in_fusion = words if self._ensemble.late_fusion.in_fusion else None
            inputs = heard.window.fusion_input(encoding, in_fusion, text.heard_until)
            number = heard.window.utterance.number
            self._last_decision = sound = self._judge.step(inputs, number, heard.window.new)
            steps = (heard.now - heard.since) // self.settings.step
            self._utterances.setdefault(number, UtteranceDecision()).add(sound, inputs.heard, steps)
            verdict = Verdict(self._join(sound, words), self._join(self._judge.recent(inputs, sound), words))
        return self._events.emotion(heard, verdict, text, words, captured_at) if heard.end > heard.since else []

    def _end_utterances(self, closed: list[Utterance]) -> list[Event]:
        """Utterances that end because the audio does."""
        self._judge.end(utterance.number for utterance in closed)
        if self._transcript is None:
            return self._utterance_events([FinalText(utterance) for utterance in closed])
        self._transcript.schedule(self._features.now, self._ring, None, closed, None, self._live)
        return []

    def _utterance_events(self, finals: list[FinalText]) -> list[Event]:
        events: list[Event] = []
        for final in finals:
            utterance = final.utterance
            own = self._utterances.pop(utterance.number, None)
            sound = own.decide() if own else self._last_decision
            if sound is None or utterance.end is None:
                continue
            decision = self._join(sound, self._said.features(final.counted, final.language))
            events.append(self._events.utterance(utterance.start, min(utterance.end, self._total), decision, final))
        return events

    def _join(self, sound: Decision, words: TextFeatures | None) -> Decision:
        return self._ensemble.late_fusion.join(sound, words.probabilities if words else None, self.settings.subset)

    def _check_open(self) -> None:
        if self._finished:
            raise ValueError("the stream has been finished: open another")
