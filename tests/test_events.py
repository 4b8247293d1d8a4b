"""Events as lines of JSON, and back again without a difference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamser.errors import StreamserError
from streamser.events import (
    EVENT_TYPES,
    DegradedEvent,
    EmotionEvent,
    Event,
    GapEvent,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
    from_dict,
    from_json,
)

STAMP: dict[str, Any] = {"source": 'a "call"\n\udcff.wav', "channel": 1, "seq": 7, "start": 0.1, "end": 1e-07}
SILENT = dict.fromkeys(("label", "stable_label", "confidence", "probabilities", "arousal", "text_probabilities", "pitch_hz"))
SPOKEN = {
    "label": "anger",
    "stable_label": "uncertain",
    "confidence": 0.1 + 0.2,
    "probabilities": {"anger": 1 / 3, "neutral": 2 / 3},
    "arousal": 1,
    "text_probabilities": {"joy": 0.0},
    "pitch_hz": 231.4,
}
EMOTION = {**STAMP, "window_start": 0.0, "text": "schön, 'ja'\u2028", "text_pending": "", "latency": None}
WORDS = [{"word": " ja", "start": 0.1, "end": 0.30000000000000004, "probability": 0.99}]
EVENTS: list[Event] = [
    EmotionEvent(**EMOTION, **SILENT, state="no_speech", level_db=None),
    EmotionEvent(**EMOTION, **SPOKEN, state="speech", level_db=-23.4),
    UtteranceEvent(**STAMP, label="anger", confidence=0.5, probabilities={"anger": 0.5}, text="ja", language=None, words=None),
    UtteranceEvent(**STAMP, label="anger", confidence=0.5, probabilities={}, text="", language="de", words=WORDS),
    TransitionEvent(**STAMP, from_label=None, to_label="anger"),
    TransitionEvent(**STAMP, from_label="anger", to_label="uncertain"),
    GapEvent(**STAMP, reason="source", lost_seconds=0),
    DegradedEvent(**STAMP, shed="steps"),
    SummaryEvent(**STAMP, seconds={"no_speech": 2.5}, utterances=3, gaps=1, lost_seconds=0.36, real_time_factor=0.14),
    SummaryEvent(**STAMP, latency={"median": 0.05, "p95": 0.1}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_a_line_gives_the_event_back_and_the_event_the_line(event: Event) -> None:
    line = event.to_json()
    assert from_json(line) == event
    assert from_json(line).to_json() == line
    assert from_dict(json.loads(line)) == event


def test_every_type_of_event_is_among_those() -> None:
    assert {type(event) for event in EVENTS} == set(EVENT_TYPES.values()) == set(Event.__subclasses__())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("words", "not an event but 'words'"),
        ('{"type":"gap"', "not an event"),
        ("[1]", "a line of JSON with a `type` is needed"),
        ("{}", "None is not a type of event: one of emotion, utterance"),
        ('{"type":["gap"]}', "is not a type of event"),
        ('{"type":"mood"}', "'mood' is not a type of event"),
        ('{"type":"gap","source":"a"}', "type gap has other fields than this version"),
        (DegradedEvent(**STAMP, shed="steps").to_json()[:-1] + ',"mood":1}', "'mood'"),
    ],
)
def test_what_is_no_event_is_said(line: str, message: str) -> None:
    with pytest.raises(StreamserError, match=message.replace("[", r"\[")):
        from_json(line)
