"""A recogniser without networks, and a virtual microphone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import streamser
from benchmarks import virtual_microphone
from streamser.clock import SAMPLE_RATE, to_seconds
from streamser.events import EmotionEvent, Event, GapEvent, SummaryEvent, UtteranceEvent
from tests.fake_portaudio import PortAudio

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


class QuietStream:
    """A stream without networks: an emotion event every half second, an utterance and the summary at the end."""

    def __init__(self, source: str, channel: int) -> None:
        self.source, self.channel = source, channel
        self.heard: list[np.ndarray] = []
        self._seq = self._total = self._done = self._gaps = 0

    def _stamp(self, start: float, end: float) -> dict[str, Any]:
        self._seq += 1
        return {"source": self.source, "channel": self.channel, "seq": self._seq - 1, "start": start, "end": end}

    def feed(self, samples: np.ndarray, captured_at: float | None = None) -> list[Event]:
        assert samples.ndim == 1
        assert np.isfinite(samples).all()
        self.heard.append(np.array(samples))
        self._total += len(samples)
        events: list[Event] = []
        while self._done + SAMPLE_RATE // 2 <= self._total:
            self._done += SAMPLE_RATE // 2
            end = to_seconds(self._done)
            events.append(
                EmotionEvent(
                    **self._stamp(end - 0.5, end),
                    window_start=max(0.0, end - 4),
                    state="speech",
                    label="anger",
                    stable_label="anger",
                    confidence=0.7,
                    probabilities={label: 0.7 if label == "anger" else 0.05 for label in LABELS},
                    arousal=0.8,
                    text_probabilities=None,
                    text='so, "why"',
                    text_pending="",
                    pitch_hz=231.4,
                    level_db=-23.4,
                    latency=None,
                )
            )
        return events

    def steps(self, samples: np.ndarray, captured_at: float | None = None) -> Iterator[list[Event]]:
        yield self.feed(samples, captured_at)

    def gap(self, seconds: float, reason: Any) -> list[Event]:
        self._gaps += 1
        start = to_seconds(self._total)
        self._total += round(seconds * SAMPLE_RATE)
        return [GapEvent(**self._stamp(start, to_seconds(self._total)), reason=reason, lost_seconds=round(seconds, 3))]

    def finish(self) -> list[Event]:
        end = to_seconds(self._total)
        return [
            UtteranceEvent(
                **self._stamp(0.0, end),
                label="anger",
                confidence=0.7,
                probabilities={},
                text='so, "why"',
                language="en",
                words=None,
            ),
            SummaryEvent(**self._stamp(0.0, end), seconds={"anger": end}, utterances=1, gaps=self._gaps),
        ]


class QuietRecognizer:
    """Stands in for the recogniser where only what is around it is tested; keeps its streams."""

    def __init__(self) -> None:
        self.streams: list[QuietStream] = []
        self.ensemble = SimpleNamespace(labels=LABELS)
        self.pack = SimpleNamespace(folder=Path(streamser.__file__).parent / "packs" / "default")

    def settings(self, labels: Sequence[str] | None = None, **options: Any) -> SimpleNamespace:
        return SimpleNamespace(subset=[LABELS.index(label) for label in labels or LABELS])

    def stream(self, source: str, channel: int = 0, **options: Any) -> QuietStream:
        self.streams.append(QuietStream(source, channel))
        return self.streams[-1]


@pytest.fixture
def quiet_recognizer(monkeypatch: pytest.MonkeyPatch) -> QuietRecognizer:
    """What `Recognizer.load` returns from now on."""
    from streamser.recognizer import Recognizer

    quiet = QuietRecognizer()
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda cls, *args, **kwargs: quiet))
    return quiet


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    """What `import sounddevice` gives from now on."""
    fake = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
def virtual_mic() -> Iterator[virtual_microphone.VirtualMicrophone]:
    """A running virtual microphone; skips where it cannot be had, unless STREAMSER_REQUIRE_PULSE=1."""
    lacking = virtual_microphone.missing()
    if lacking and os.environ.get("STREAMSER_REQUIRE_PULSE") == "1":
        pytest.fail(f"STREAMSER_REQUIRE_PULSE=1, but no virtual microphone can be had: {lacking}")
    if lacking:
        pytest.skip(f"no virtual microphone can be had: {lacking}")
    with virtual_microphone.VirtualMicrophone() as microphone:
        yield microphone
