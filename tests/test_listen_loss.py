"""`streamser listen` on a virtual microphone: the process stands still, the device goes, two people speak on two channels."""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.listen import Listener, Spoken, plain_words, spoken_clips, words_in_order
from benchmarks.virtual_microphone import VirtualMicrophone
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from tests.recordings import write_wav

RATE = 16_000
STANDSTILL = 11.5  # seconds: a little longer than the queue is, less than the sound server keeps


def begun(listener: Listener) -> float:
    """The monotonic time at which the stream began, by its latest step: when its last sample was captured, minus its end."""
    at, step = next((at, e) for at, e in reversed(listener.events) if e["type"] == "emotion" and e["latency"] is not None)
    return at - step["latency"] - step["end"]


def play(microphone: VirtualMicrophone, clip: Spoken) -> float:
    """Play it to its end; when its speech began, monotonic."""
    microphone.play(clip.path).wait()
    return time.monotonic() - clip.seconds + clip.onset


def await_utterances(listener: Listener, count: int) -> list[dict[str, Any]]:
    end = time.monotonic() + 30.0
    while len(found := [e for _, e in listener.events if e["type"] == "utterance"]) < count:
        assert time.monotonic() < end, listener.events[-1]
        time.sleep(0.05)
    return found


def await_utterance_from(listener: Listener, moment: float) -> dict[str, Any]:
    """The first utterance that starts after a moment of the stream, in seconds."""
    end = time.monotonic() + 30.0
    while not (found := [e for _, e in listener.events if e["type"] == "utterance" and e["start"] > moment]):
        assert time.monotonic() < end, listener.events[-1]
        time.sleep(0.05)
    return found[0]


def test_a_process_that_stands_still_keeps_a_true_time_line(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    """What the sound server keeps is heard later at its true time; what the queue cannot hold is a gap; what follows is in time."""
    clip = spoken_clips(tmp_path, ["en/hello_world"])[0]
    listener = Listener.start(virtual_mic, "--device", "default", "--language", "en")
    process = listener.process
    play(virtual_mic, clip)
    await_utterances(listener, 1)
    start = begun(listener)

    process.send_signal(signal.SIGSTOP)
    spoken = play(virtual_mic, clip)
    time.sleep(1.0)
    process.send_signal(signal.SIGCONT)
    heard = await_utterances(listener, 2)[1]
    assert heard["start"] == pytest.approx(spoken - start, abs=0.3)
    assert "hello" in heard["text"].casefold()
    assert not any(e["type"] == "gap" for _, e in listener.events)

    process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    while time.monotonic() < stopped + STANDSTILL - clip.seconds - 1.0:  # speech: little of it is heard before the queue is full
        play(virtual_mic, clip)
    time.sleep(stopped + STANDSTILL - time.monotonic())
    process.send_signal(signal.SIGCONT)
    continued = time.monotonic()
    time.sleep(1.0)
    spoken = play(virtual_mic, clip)
    heard = await_utterance_from(listener, continued - start + 0.5)
    assert listener.stop() == 0
    events = [event for _, event in listener.events]
    gaps = [event for event in events if event["type"] == "gap"]
    assert {gap["reason"] for gap in gaps} == {"overflow"}
    assert stopped - start - 0.8 < gaps[0]["start"] < stopped - start + STANDSTILL - 9.0
    assert gaps[-1]["start"] + gaps[-1]["lost_seconds"] == pytest.approx(continued - start, abs=0.8)  # all that waited is dropped
    assert 9.0 < sum(gap["lost_seconds"] for gap in gaps) < 13.0
    assert heard["start"] == pytest.approx(spoken - start, abs=0.3)
    assert "hello" in heard["text"].casefold()
    assert (events[-1]["type"], events[-1]["gaps"]) == ("summary", len(gaps))


def test_two_people_on_two_channels_and_ctrl_c_while_the_device_is_away(tmp_path: Path) -> None:
    clips = spoken_clips(tmp_path, ["en/hello_world", "en/counting"])
    agent, customer = (
        np.concatenate([piece.samples[:, 0] for piece in open_file(clip.path) if isinstance(piece, Block)]) for clip in clips
    )
    customer = np.concatenate([np.zeros(RATE, np.float32), customer])
    both = np.zeros((max(len(agent), len(customer)), 2))
    both[: len(agent), 0], both[: len(customer), 1] = agent, customer
    write_wav(tmp_path / "call.wav", both, RATE)
    with VirtualMicrophone(channels=2) as microphone:
        listener = Listener.start(microphone, "--device", "default", "--language", "en", "--channels", "split")
        microphone.play(tmp_path / "call.wav").wait()
        ended = time.monotonic() - len(both) / RATE
        await_utterances(listener, 2)
        start = begun(listener)
        microphone.stop()
        time.sleep(2.5)
        assert listener.stop() == 0
    events = [event for _, event in listener.events]
    for channel, clip, onset in ((0, clips[0], clips[0].onset), (1, clips[1], clips[1].onset + 1.0)):
        own = [event for event in events if event["channel"] == channel]
        assert [event["seq"] for event in own] == list(range(len(own)))
        said = [event for event in own if event["type"] == "utterance"]
        words = [word for event in said for word in plain_words(event["text"])]
        assert words_in_order(clip.words, words) >= len(clip.words) - 1, words
        assert len(words) <= len(clip.words) + 1, words  # and none of the other's
        assert said[0]["start"] == pytest.approx(ended - start + onset, abs=0.3)
        steps = [event for event in own if event["type"] == "emotion"]
        assert all(late["start"] == early["end"] for early, late in itertools.pairwise(steps) if late["start"] <= said[-1]["end"])
        (gap,) = (event for event in own if event["type"] == "gap")
        assert gap["reason"] == "device"
        assert gap["lost_seconds"] > 2.0
        assert own[-1]["type"] == "summary"
        assert own[-1]["end"] == pytest.approx(gap["end"], abs=0.01)
