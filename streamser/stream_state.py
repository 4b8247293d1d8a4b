"""The state of a recording's stream between two blocks, without audio: taken, and put into a stream that has heard nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamser.agreement import RunText
from streamser.ensemble import Decision
from streamser.features.whisper import Hypothesis, Word
from streamser.segmenter import Segmenter, Utterance
from streamser.speaker_history import SpeakerStatistics, SpokenUtterance
from streamser.stream import Stream
from streamser.timeline import Timeline, UtteranceDecision

State = dict[str, Any]
# The dataclasses in it.
KINDS = {
    kind.__name__: kind
    for kind in (
        Decision,
        Hypothesis,
        RunText,
        Segmenter,
        SpeakerStatistics,
        SpokenUtterance,
        Timeline,
        Utterance,
        UtteranceDecision,
        Word,
    )
}
# Of Stream, what is kept as it is.
KEPT = ("_utterances", "_last_decision", "_busy", "_total")


def snapshot(stream: Stream) -> State:
    """All that the stream knows; waits for words that are being decoded. Good until the stream hears more.

    Raises:
        ValueError: a live stream, or one that has been finished.
    """
    if stream._live or stream._finished:
        raise ValueError("only the stream of a recording that goes on has a state to keep")
    return {
        "features": stream._features.snapshot(),
        "judge": stream._judge.snapshot(),
        "events": stream._events.snapshot(),
        "transcript": stream._transcript.snapshot() if stream._transcript is not None else None,
        **{name: getattr(stream, name) for name in KEPT},
    }


def passages(stream: Stream, state: State) -> list[tuple[int, int]]:
    """The sample indices [start, end) of the audio that `restore` reads."""
    found = [stream._features.passage(state["features"]), history(stream, state), (state["features"]["now"], state["_total"])]
    return found + (stream._transcript.passages(state["transcript"]) if stream._transcript is not None else [])


def history(stream: Stream, state: State) -> tuple[int, int]:
    """The sample indices [start, end) of the audio that the transcript may read."""
    now = state["features"]["now"]
    return (max(state["features"]["origin"], now - stream._ring.capacity), now) if stream._transcript is not None else (now, now)


def restore(stream: Stream, state: State, read: Callable[[int, int], np.ndarray]) -> None:
    """Put a snapshot into a stream that has heard nothing and has the same settings.

    Args:
        read: gives the samples of one of its passages, float32 [end - start].
    """
    for name in KEPT:
        setattr(stream, name, state[name])
    features = stream._features
    features.restore(state["features"], read(*features.passage(state["features"])))
    stream._judge.restore(state["judge"])
    stream._events.restore(state["events"])
    past = history(stream, state)
    stream._ring.jump(past[0])
    stream._ring.write(read(*past))
    if stream._transcript is not None:
        stream._transcript.restore(state["transcript"], read)
    stream._pending, stream._pending_length = [read(features.now, stream._total)], stream._total - features.now
