"""The streaming core on the default pack and real speech: splits, gaps, silence, threads, options, memory, no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser import Recognizer, Stream
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.errors import UsageError
from streamser.events import DegradedEvent, EmotionEvent, Event, SummaryEvent, TransitionEvent, UtteranceEvent

RATE = 16_000
EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
EXAMPLE_TEXT = (
    "Hello, and welcome. This is a short recording to try the program with. Nothing has happened yet. Stop it, right now!"
    " I told you twice already, and nobody listens to me! I am so angry with all of you!"
)
SAMPLES = files("pytest_audioeval") / "samples" / "audio"


@cache
def recognizer() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


def read(path: Path) -> np.ndarray:
    return np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])


def spoken(name: str = "en/counting") -> np.ndarray:
    return read(Path(str(SAMPLES / f"{name}.wav")))


def run(samples: np.ndarray, block: int | None = None, **options: Any) -> list[Event]:
    stream = recognizer().stream(source="test", **options)
    events: list[Event] = []
    for start in range(0, len(samples), block or max(len(samples), 1)):
        events += stream.feed(samples[start : start + (block or len(samples))])
    return events + stream.finish()


def comparable(events: list[Event]) -> list[dict[str, Any]]:
    return [{**event.to_dict(), "type": event.type, "real_time_factor": None} for event in events]


def test_any_split_gives_the_same_events() -> None:
    samples = read(EXAMPLE)[: 9 * RATE]
    whole = comparable(run(samples))
    assert any(event["type"] == "utterance" for event in whole)
    for block in (16, 320, 5333):
        assert comparable(run(samples, block)) == whole, f"blocks of {block} samples"


def test_every_event_keeps_the_contract() -> None:
    samples = spoken()
    events = run(samples)
    assert [event.seq for event in events] == list(range(len(events)))
    emotions = [event for event in events if isinstance(event, EmotionEvent)]
    assert len(emotions) == -(-len(samples) // 8000)
    assert emotions[-1].end == pytest.approx(len(samples) / RATE, abs=0.001)
    for before, after in pairwise(emotions):
        assert after.start == before.end
    for event in emotions:
        assert event.latency is None
        if event.state == "no_speech":
            assert (event.label, event.stable_label, event.confidence, event.probabilities, event.pitch_hz) == (None,) * 5
        else:
            assert event.probabilities is not None
            assert sum(event.probabilities.values()) == pytest.approx(1, abs=1e-3)
            assert event.label in {*event.probabilities, "uncertain"}
            assert event.arousal is not None
            assert 0 <= event.arousal <= 1
            assert event.end - 4 <= event.window_start <= event.start
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    assert sum(summary.seconds.values()) == pytest.approx(len(samples) / RATE, abs=0.01)
    line = json.loads(summary.to_json())
    assert list(line)[:6] == ["type", "source", "channel", "seq", "start", "end"]


def test_text_only_grows_within_an_utterance() -> None:
    events = run(read(EXAMPLE), language="en")
    utterances = [event for event in events if isinstance(event, UtteranceEvent)]
    assert len(utterances) >= 2
    for utterance in utterances:
        texts = [
            event.text for event in events if isinstance(event, EmotionEvent) and utterance.start <= event.start < utterance.end
        ]
        assert texts[-1]
        for before, after in pairwise(texts):
            assert after.startswith(before)


def test_the_example_is_heard_word_for_word() -> None:
    def plain(text: str) -> list[str]:
        return "".join(c if c.isalnum() or c.isspace() else "" for c in text.casefold()).split()

    said = " ".join(event.text for event in run(read(EXAMPLE)) if isinstance(event, UtteranceEvent))
    assert plain(said) == plain(EXAMPLE_TEXT)


def test_nothing_is_said_in_silence_and_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 0.003, 12 * RATE).astype(np.float32)
    for samples in (np.zeros(12 * RATE, np.float32), noise):
        events = run(samples)
        assert all(event.state == "no_speech" and not event.text for event in events if isinstance(event, EmotionEvent))
        summary = events[-1]
        assert isinstance(summary, SummaryEvent)
        assert summary.seconds == {"no_speech": 12.0}
        assert summary.utterances == 0


@pytest.mark.parametrize("seconds", [0.3, 1.3, 2.6, 3600.0])
def test_the_time_line_goes_on_after_a_gap(seconds: float) -> None:
    samples = spoken()
    stream = recognizer().stream(transcript=False)
    events = stream.feed(samples)
    before = len(samples) / RATE
    lost = stream.gap(seconds, "overflow")
    assert (lost[0].type, lost[0].start, lost[0].end) == (
        "gap",
        round(before, 3),
        pytest.approx(before + seconds, abs=0.002),
    )
    events += lost + stream.feed(samples) + stream.finish()
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    assert (summary.gaps, summary.lost_seconds) == (1, pytest.approx(seconds, abs=0.001))
    assert summary.end == pytest.approx(2 * before + seconds, abs=0.002)
    assert any(event.start > before + seconds for event in events if isinstance(event, UtteranceEvent))


def test_a_gap_ends_an_utterance_and_loses_no_word_before_it() -> None:
    samples = spoken("en/hello_world")
    stream = recognizer().stream(language="en")
    events = stream.feed(samples) + stream.gap(30.0, "device") + stream.feed(samples) + stream.finish()
    texts = [event.text.casefold() for event in events if isinstance(event, UtteranceEvent)]
    assert sum("hello" in text for text in texts) == 2


def test_streams_in_threads_do_not_disturb_each_other() -> None:
    clips = [spoken("en/counting"), spoken("en/hello_world"), spoken("es/pangrama")]
    alone = [comparable(run(samples)) for samples in clips]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda samples: comparable(run(samples, 1600)), clips))
    assert together == alone


def test_labels_restrict_the_posterior() -> None:
    events = run(spoken(), labels=("anger", "neutral"), transcript=False)
    spoken_events = [event for event in events if isinstance(event, EmotionEvent) and event.probabilities]
    assert spoken_events
    for event in spoken_events:
        assert event.probabilities is not None
        assert list(event.probabilities) == ["neutral", "anger"]
        assert sum(event.probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_without_a_transcript_there_is_no_text_but_utterances() -> None:
    events = run(spoken(), transcript=False)
    utterances = [event for event in events if isinstance(event, UtteranceEvent)]
    assert utterances
    assert all(event.text == "" and event.language is None for event in utterances)


def test_words_have_times_within_their_utterance() -> None:
    events = run(spoken(), words=True, language="en")
    for event in events:
        if isinstance(event, UtteranceEvent):
            assert event.words
            times = [time for word in event.words for time in (word["start"], word["end"])]
            assert times == sorted(times)
            assert event.start - 0.7 <= times[0]
            assert times[-1] <= event.end + 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 2.0, "delay": 1.0}, r"step 2\.0 <= delay 1\.0 <= window"),
        ({"window": 60.0}, "--window at most 8"),
        ({"step": 0.01}, "not a positive multiple of 0.02"),
        ({"step": float("nan")}, "not a positive multiple"),
        ({"language": "klingon"}, "language 'klingon' is not known"),
        ({"labels": ("anger", "joy")}, "has no label joy: choose from neutral"),
        ({"labels": ("anger",)}, "at least two"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recognizer().stream(**options)


def test_bad_samples_are_refused_and_the_stream_lives_on() -> None:
    stream = recognizer().stream(transcript=False)
    for bad in (np.zeros((5, 2), np.float32), np.zeros(5, np.int16), np.array([np.nan], np.float32)):
        with pytest.raises(ValueError, match=r"feed takes|NaN"):
            stream.feed(bad)
    stream.feed(np.zeros(0, np.float32))
    assert stream.finish()[-1].end == 0
    with pytest.raises(ValueError, match="has been finished"):
        stream.feed(np.zeros(5, np.float32))


def test_other_steps_and_windows() -> None:
    samples = spoken()
    for step, window in ((0.26, 1.0), (1.0, 8.0)):
        events = run(samples, step=step, window=window, delay=max(step, 0.5), transcript=False)
        emotions = [event for event in events if isinstance(event, EmotionEvent)]
        assert len(emotions) == -(-len(samples) // round(step * RATE))
        assert any(event.state == "speech" for event in emotions)


def test_transitions_lead_from_one_stable_label_to_the_next() -> None:
    events = run(read(EXAMPLE), transcript=False)
    last = None
    changes = [event for event in events if isinstance(event, TransitionEvent)]
    assert changes
    for event in changes:
        assert event.from_label == last
        last = event.to_label
    stable = [event.stable_label for event in events if isinstance(event, EmotionEvent) and event.stable_label]
    assert stable[-1] == last


def test_memory_does_not_grow_with_the_hours() -> None:
    """What a stream keeps after a hundred seconds is what it kept after twenty-five."""
    stream = recognizer().stream(transcript=False)
    part = np.tile(spoken(), 10)[: 25 * RATE]

    def kept() -> int:
        arrays = [value for part in (stream._features, stream._features.segmenter) for value in vars(part).values()]
        return sum(value.nbytes if isinstance(value, np.ndarray) else len(value) for value in arrays if hasattr(value, "__len__"))

    stream.feed(part)
    first = kept()
    for _ in range(3):
        stream.feed(part)
    assert kept() <= 1.1 * first
    assert len(stream._utterances) < 5


def test_a_decoder_that_cannot_keep_up_live_is_waited_for_by_no_step() -> None:
    blocked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(blocked.wait)
        shared = recognizer()
        stream = Stream(shared.features, shared.ensemble, pool, shared.settings(language="en"), "slow", 0)
        samples = np.tile(spoken(), 10)
        events = [
            event
            for start in range(0, len(samples), 8000)
            for event in stream.feed(samples[start : start + 8000], time.monotonic())
        ]
        emotions = [event for event in events if isinstance(event, EmotionEvent)]
        assert len(emotions) == len(samples) // 8000
        assert all(event.latency is not None and not event.text for event in emotions)
        assert sum(isinstance(event, DegradedEvent) for event in events) == 1
        blocked.set()
        events = stream.finish()
    assert any(event.text for event in events if isinstance(event, UtteranceEvent))
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    assert summary.latency is not None


def test_torch_is_never_imported() -> None:
    program = (
        "import sys; from streamser import Recognizer; r = Recognizer.load(accelerator='cpu');"
        f"events = list(r.recognize({str(EXAMPLE)!r})); assert events[-1].type == 'summary';"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_package_loads_no_model_runtime() -> None:
    program = (
        "import sys, streamser; sys.exit(bool({'onnxruntime', 'ctranslate2', 'faster_whisper', 'av', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
