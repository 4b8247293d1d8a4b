"""A live stream on a machine too slow, by a made-up clock: what is shed, that it catches up, and that the time line stays true."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamser import Stream, latency, stream
from streamser.audio.capture import LIMIT
from streamser.events import DegradedEvent, EmotionEvent, Event, GapEvent, SummaryEvent, UtteranceEvent
from streamser.features.whisper import Encoding, Hypothesis, Whisper
from streamser.heard import Window
from streamser.timeline import UtteranceDecision
from tests.test_stream import RATE, recognizer, spoken

BLOCK = 0.1  # seconds
NOTHING = Hypothesis((), "en", {})


class Decoder(Executor):
    """Hears no word, at once, or when it is let go on; notes when it was asked, by the audio clock."""

    def __init__(self, at: Any, stuck: bool) -> None:
        self.asked: list[float] = []
        self.futures: list[Future[Any]] = []
        self._at, self._stuck = at, stuck

    def go_on(self) -> None:
        self._stuck = False
        for future in self.futures:
            if not future.done():
                future.set_result(NOTHING)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked.append(self._at())
        self.futures.append(Future())
        if not self._stuck:
            self.futures[-1].set_result(NOTHING)
        return self.futures[-1]


@dataclass
class Machine:
    """Feeds audio live while judging a step costs `cost(seconds of audio)` seconds of its clock; what waits longer than a capture
    keeps it is dropped, as a capture does."""

    monkeypatch: pytest.MonkeyPatch
    now: float = 0.0
    heard: int = 0
    events: list[Event] = field(default_factory=list)
    encoded: list[float] = field(default_factory=list)

    def run(self, samples: np.ndarray, cost: Any, stuck: bool = False, **options: Any) -> list[Event]:
        shared = recognizer()
        layers = shared.features.whisper.encode(np.zeros(4 * RATE, np.float32)).layers

        def encode(window: Window, whisper: Whisper) -> Encoding:
            self.now += cost(window.now / RATE)
            self.encoded.append(window.now / RATE)
            return Encoding(layers[:, : (window.now - window.start) // 320])

        clock = SimpleNamespace(monotonic=lambda: self.now, perf_counter=lambda: self.now)
        self.monkeypatch.setattr(stream, "time", clock)
        self.monkeypatch.setattr(latency, "time", clock)
        self.monkeypatch.setattr(Window, "encode", encode)
        self.decoder = Decoder(lambda: self.heard / RATE, stuck)
        tested = Stream(shared.features, shared.ensemble, self.decoder, shared.settings(**options), "slow", 0)
        block = round(BLOCK * RATE)
        while self.heard < len(samples):
            captured = (self.heard + block) / RATE
            self.now = max(self.now, captured)
            if self.now - captured > LIMIT:
                fresh = min(int(self.now / BLOCK) * block, len(samples))
                self.events += tested.gap((fresh - self.heard) / RATE, "overflow")
                self.heard = fresh
                continue
            self.heard += block
            self.events += tested.feed(samples[self.heard - block : self.heard], captured)
        self.decoder.go_on()
        return self.events + tested.finish()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def speech(seconds: float) -> np.ndarray:
    """Counting again and again, with a pause of a second between."""
    once = np.concatenate([spoken(), np.zeros(RATE, np.float32)])
    return np.tile(once, round(seconds * RATE / len(once)) + 1)[: round(seconds * RATE)]


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def true_time_line(events: list[Event], seconds: float) -> None:
    emotions = of(EmotionEvent, events)
    gaps = {(gap.start, gap.end) for gap in of(GapEvent, events)}
    assert emotions[0].start == 0
    for before, after in pairwise(emotions):
        assert after.start == before.end or any(start < after.start and before.end < end for start, end in gaps)
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    assert summary.end == pytest.approx(seconds, abs=0.001)
    jumped = summary.end - emotions[-1].end + sum(after.start - before.end for before, after in pairwise(emotions))
    assert sum(summary.seconds.values()) + jumped == pytest.approx(seconds, abs=0.01)
    assert [event.seq for event in events] == list(range(len(events)))


def test_work_is_shed_in_order_and_comes_back(machine: Machine) -> None:
    samples = speech(120)
    events = machine.run(samples, lambda at: 0.7 if 15 < at < 60 else 0.05)
    told = [event.shed for event in of(DegradedEvent, events)]
    assert told == ["transcript", "steps", "transcript", "nothing"]
    changes = [event.start for event in of(DegradedEvent, events)]
    assert 15 < changes[0] < changes[1] < 35
    true_time_line(events, 120)
    emotions = of(EmotionEvent, events)
    lengths = {round(event.end - event.start, 3) for event in emotions}
    assert lengths == {0.5, 1.0}  # the longer step was enough
    assert all(event.end - event.start == 0.5 for event in emotions if event.end <= changes[1] or event.start >= changes[2])
    assert all(event.end - event.start == 0.5 for event in emotions if event.state == "no_speech")
    assert max(event.latency for event in emotions if event.latency is not None) < 4.0
    assert all(event.latency < 0.2 for event in emotions[-20:-1])
    asked = np.array(machine.decoder.asked)
    usual, shed = (np.sum((asked > start) & (asked <= start + 15)) for start in (0, changes[1]))
    assert shed < 0.7 * usual


def test_what_steps_cover_changes_and_utterances_do_not(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = speech(40)
    counted: list[int] = []
    add = UtteranceDecision.add
    monkeypatch.setattr(
        UtteranceDecision,
        "add",
        lambda self, decision, heard, steps=1: (counted.append(steps), add(self, decision, heard, steps))[1],
    )
    slow = machine.run(samples, lambda at: 1.2, transcript=False)
    assert set(counted) >= {1, 4}
    stood_for, counted[:] = sum(counted), []
    quick = Machine(monkeypatch).run(samples, lambda at: 0.01, transcript=False)
    spans = [[(event.start, event.end) for event in of(UtteranceEvent, events)] for events in (slow, quick)]
    assert spans[0] == spans[1]
    assert of(GapEvent, slow) == of(DegradedEvent, quick) == []
    seconds = [events[-1].seconds for events in (slow, quick)]  # type: ignore[attr-defined]
    assert sum(seconds[0].values()) == pytest.approx(sum(seconds[1].values()))
    assert seconds[0]["no_speech"] == pytest.approx(seconds[1]["no_speech"], abs=0.5 * len(spans[0]))
    assert stood_for == pytest.approx(sum(counted), abs=len(spans[0]))


def test_a_machine_far_too_slow_loses_audio_and_goes_on_with_fresh(machine: Machine) -> None:
    events = machine.run(speech(90), lambda at: 6.0)
    true_time_line(events, 90)
    gaps = of(GapEvent, events)
    assert {gap.reason for gap in gaps} == {"overflow"}
    assert of(DegradedEvent, events)[-1].shed == "steps"
    latencies = [event.latency for event in of(EmotionEvent, events) if event.latency is not None]
    assert max(latencies) < LIMIT + 6.5
    assert len(gaps) > 3
    for gap in gaps[:-1]:
        after = next(e for e in of(EmotionEvent, events) if e.start >= gap.end and e.latency is not None)
        assert after.latency < 6.5


def test_a_process_that_stood_still_catches_up_without_losing_its_steps(machine: Machine) -> None:
    samples = speech(40)
    stood_still = [8.0]
    events = machine.run(samples, lambda at: stood_still.pop() if at > 10 and stood_still else 0.05)
    true_time_line(events, 40)
    assert not of(GapEvent, events)
    assert [event.shed for event in of(DegradedEvent, events)] == ["transcript", "nothing"]
    assert {round(event.end - event.start, 3) for event in of(EmotionEvent, events)} == {0.5}


def test_words_do_not_lag_on_and_on(machine: Machine) -> None:
    """A decoder that is stuck is waited for 10 s; then utterances go out without words."""
    events = machine.run(speech(60), lambda at: 0.01, stuck=True)
    told, now = [], 0.0
    for event in events:
        now = max(now, event.end)
        if isinstance(event, UtteranceEvent) and now < 60:
            told.append(now - event.end)
    assert len(told) > 5
    assert all(10 < late < 12 for late in told)
    assert [event.shed for event in of(DegradedEvent, events)] == ["transcript"]
    assert len(machine.decoder.futures) < 30
    true_time_line(events, 60)


def test_large_blocks_are_no_backlog() -> None:
    import time

    tested = recognizer().stream(transcript=False)
    samples = speech(20)
    events = [event for half in np.split(samples, 2) for event in tested.feed(half, time.monotonic())] + tested.finish()
    assert not of(DegradedEvent, events)


def test_a_recording_is_never_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = recognizer().stream(transcript=False)
    monkeypatch.setattr(stream, "time", SimpleNamespace(perf_counter=lambda: 0.0))  # nobody asks how late it is
    events = tested.feed(speech(10)) + tested.finish()
    assert {event.end - event.start for event in of(EmotionEvent, events)} == {0.5}
