"""A recording's next steps are heard while one is judged; live nothing is; the events are those of one step after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from streamser import Stream
from streamser.audio.pieces import Block, Lost, Piece
from streamser.events import Event
from streamser.feature_stream import FeatureStream
from streamser.features.text import TextFeatures
from streamser.heard import Heard
from streamser.judge import Judge
from streamser.recording import recognize_source
from streamser.said import Said
from streamser.stream import AHEAD
from tests.test_stream import EXAMPLE, RATE, comparable, read, recognizer, spoken

STEP = 8000


class Source:
    """Pieces that were made before."""

    name = "made up"
    seconds: float | None = None

    def __init__(self, pieces: Sequence[Piece], channels: int = 1) -> None:
        self._pieces, self.channels = pieces, channels

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def close(self) -> None:
        pass


def broken_off() -> list[Piece]:
    """Speech with a short loss and a long one, ending within a step."""
    samples = read(EXAMPLE)[:, None]
    return [
        Block(samples[:50_001]),
        Lost(0.4, "source"),
        Block(samples[56_000:90_000]),
        Lost(2.7, "source"),
        Block(samples[133_200:]),
    ]


def in_blocks(pieces: Sequence[Piece], length: int) -> list[Piece]:
    parts: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Block):
            parts += [Block(piece.samples[at : at + length]) for at in range(0, len(piece.samples), length)]
        else:
            parts.append(piece)
    return parts


def recognised(pieces: Sequence[Piece], channels: int = 1, **options: Any) -> list[dict[str, Any]]:
    streams = [recognizer().stream("made up", channel, **options) for channel in range(channels)]
    return comparable(list(recognize_source(Source(pieces, channels), streams)))


def test_in_one_piece_or_step_by_step_the_events_are_the_same() -> None:
    pieces = broken_off()
    whole = recognised(pieces, words=True)
    assert {event["type"] for event in whole} == {"emotion", "transition", "utterance", "gap", "summary"}
    assert recognised(in_blocks(pieces, STEP), words=True) == whole


def test_channels_stay_beside_each_other_however_long_a_piece_is() -> None:
    left, right = spoken()[: 6 * RATE + 123], np.roll(spoken(), RATE)[: 6 * RATE + 123]
    pieces = [Block(np.stack([left, right], axis=1))]
    whole = recognised(pieces, channels=2, transcript=False)
    assert whole == recognised(in_blocks(pieces, 1600), channels=2, transcript=False)
    emotions = [event["channel"] for event in whole if event["type"] == "emotion"]
    assert len(emotions) >= 12
    assert emotions[:-2] == [0, 1] * (len(emotions) // 2 - 1)


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps that had been heard beyond the one that was judged, at every judgement."""
    found: list[int] = []
    heard: list[int] = []
    judging: list[int] = []
    advance, make, judged = FeatureStream.advance, Stream._make, Judge.step

    def advancing(features: FeatureStream, *args: Any, **options: Any) -> Any:
        closed = advance(features, *args, **options)
        heard.append(features.now)
        return closed

    def making(stream: Stream, one: Heard, *args: Any) -> list[Event]:
        judging.append(one.now)
        return make(stream, one, *args)

    def step(judge: Judge, *args: Any) -> Any:
        found.append((heard[-1] - judging[-1]) // STEP)
        return judged(judge, *args)

    monkeypatch.setattr(FeatureStream, "advance", advancing)
    monkeypatch.setattr(Judge, "step", step)
    monkeypatch.setattr(Stream, "_make", making)
    return found


def test_only_a_recording_is_heard_ahead(lead: list[int]) -> None:
    samples = spoken()[: 6 * RATE]
    recognizer().stream(transcript=False).feed(samples)
    assert max(lead) == AHEAD
    assert lead[-1] == 0  # and nothing is kept back
    lead.clear()
    stream = recognizer().stream(transcript=False)
    for start in range(0, len(samples), STEP):
        stream.feed(samples[start : start + STEP])
    recognizer().stream(transcript=False).feed(samples, time.monotonic())
    assert lead
    assert set(lead) == {0}


class Encoder:
    """Notes which words it was given, and where."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def encode(self, words: str, language: str | None) -> TextFeatures:
        self.asked.append((words, threading.current_thread().name.split("_")[0]))
        return TextFeatures(np.zeros((len(words), 384), np.float32), None)


def test_words_are_encoded_once_and_beside_where_they_were_begun() -> None:
    encoder = Encoder()
    with ThreadPoolExecutor(1, thread_name_prefix="beside") as pool:
        said = Said(encoder, pool)  # type: ignore[arg-type]
        assert said.features("", "en") is None
        said.begin([("a", "en"), ("", None), ("a", "en"), ("bc", "en")])
        found = [said.features(words, "en") for words in ("a", "a", "bc")]
        said.begin([("bc", "en")])
        found += [said.features("bc", "en"), said.features("def", "en")]
    assert [len(features.tokens) for features in found if features is not None] == [1, 1, 2, 2, 3]
    here = threading.current_thread().name.split("_")[0]
    assert encoder.asked == [("a", "beside"), ("bc", "beside"), ("def", here)]
