"""`streamser listen` end to end, on a virtual microphone."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.listen import Listener, delays, plain_words, spoken_clips, words_in_order
from benchmarks.virtual_microphone import VirtualMicrophone
from tests.recordings import write_wav

RATE = 16_000

# What a microphone yields until its time is over: its time line as samples in a file, losses as lines and as zeros in it. The first
# line is when it began, by the monotonic clock; it comes when stamps have settled.
CAPTURE = """
import sys, threading
import numpy as np
from streamser.audio.devices import find_device, list_devices
from streamser.audio.microphone import Microphone
from streamser.audio.pieces import Block
microphone = Microphone(find_device("default", list_devices()))
threading.Timer(float(sys.argv[2]), microphone.stop).start()
blocks, told = [], False
for piece in microphone:
    if isinstance(piece, Block):
        blocks.append(piece.samples[:, 0])
        heard = sum(map(len, blocks)) / 16000
        if heard > 2.2 and not told:
            told = True
            print(piece.captured_at - heard, flush=True)
    else:
        blocks.append(np.zeros(round(piece.seconds * 16000), np.float32))
        print("lost", piece.reason, piece.seconds, flush=True)
np.save(sys.argv[1], np.concatenate(blocks))
"""


def capture(microphone: VirtualMicrophone, path: Path, seconds: float) -> tuple[subprocess.Popen[str], float]:
    """The process that listens, and when its time line began."""
    command = [sys.executable, "-c", CAPTURE, str(path), str(seconds)]
    process = subprocess.Popen(command, env=microphone.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, float(process.stdout.readline())


def find(heard: np.ndarray, played: np.ndarray) -> int:
    """Where in what was heard the played samples begin."""
    spectrum = np.fft.rfft(heard, 1 << 19) * np.conj(np.fft.rfft(played, 1 << 19))
    return int(np.fft.irfft(spectrum)[: len(heard) - len(played)].argmax())


def test_what_is_played_is_what_is_heard(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = np.convolve(rng.normal(0, 0.05, 2 * RATE), np.ones(4) / 4, "same")  # below 4 kHz: resampled twice
    played = np.concatenate([np.zeros(RATE // 2), noise, np.zeros(RATE // 2)])
    process, _ = capture(virtual_mic, tmp_path / "heard.npy", 8)
    virtual_mic.play(write_wav(tmp_path / "noise.wav", played, RATE)).wait()
    output, _ = process.communicate(timeout=60)
    assert output == ""  # nothing lost
    heard = np.load(tmp_path / "heard.npy")
    at = find(heard, noise)
    same = heard[at : at + len(noise)]
    assert np.corrcoef(same, noise)[0, 1] > 0.99
    assert np.std(same) == pytest.approx(np.std(noise), rel=0.05)


def test_a_microphone_taken_away_comes_back_on_a_true_time_line(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, RATE)
    path = write_wav(tmp_path / "noise.wav", noise, RATE)
    process, begun = capture(virtual_mic, tmp_path / "heard.npy", 14)
    virtual_mic.stop()
    time.sleep(3)
    virtual_mic.start()
    time.sleep(4)  # up to 2 s to its next attempt, and the server takes up to 2 s to begin
    virtual_mic.play(path).wait()
    played = time.monotonic() - 1.0
    output, _ = process.communicate(timeout=60)
    losses = [line.split()[1:] for line in output.splitlines()]
    gone = [float(seconds) for reason, seconds in losses if reason == "device"]
    assert len(gone) == 1, output
    assert 2.5 < gone[0] < 9.0
    heard = np.load(tmp_path / "heard.npy")
    assert find(heard, noise) / RATE == pytest.approx(played - begun, abs=0.3)


def test_every_word_arrives_in_order_before_the_stream_ends(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    clips = spoken_clips(tmp_path)
    listener = Listener.start(virtual_mic, "--device", "default", "--language", "en")
    for clip in clips:
        virtual_mic.play(clip.path).wait()
        time.sleep(2.0)
    end = time.monotonic() + 20.0  # a busy machine decodes late; the last utterance must still come by itself
    while sum(e["type"] == "utterance" for _, e in listener.events) < len(clips):
        assert time.monotonic() < end, listener.events[-1]
        time.sleep(0.1)
    before_end = len(listener.events)
    assert listener.stop() == 0
    events = [event for _, event in listener.events]

    said = [word for event in events[:before_end] if event["type"] == "utterance" for word in plain_words(event["text"])]
    expected = [word for clip in clips for word in clip.words]
    assert words_in_order(expected, said) == len(expected), said

    assert events[-1]["type"] == "summary"
    assert [event["seq"] for event in events] == list(range(len(events)))
    steps = [event for event in events if event["type"] == "emotion"]
    assert all(late["start"] == early["end"] for early, late in itertools.pairwise(steps))
    assert all(event["latency"] is not None for event in steps[:-1])
    assert set(events[-1]["latency"]) == {"median", "p95", "p99", "worst"}
    assert any(event["state"] == "speech" and event["label"] for event in steps)


def test_lines_where_standard_output_is_no_terminal(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "streamser.cli.main", "listen", "--device", "default", "--seconds", "4", "-o", str(log)]
    done = subprocess.run(command, env=virtual_mic.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "heard: no speech" in done.stdout
    assert "Ctrl-C ends. An estimate of what a voice expresses, not of what a person feels." in done.stderr
    assert '"type":"summary"' in log.read_text().splitlines()[-1]


def test_delays_are_counted_from_what_was_played(tmp_path: Path) -> None:
    clip = spoken_clips(tmp_path, ["en/hello_world"])[0]
    began = 100.0
    emotion = {"type": "emotion", "state": "speech", "text": "", "text_pending": "hello"}
    events = [
        (began, emotion),  # before the speech: of something else
        (began + clip.onset + 0.5, {**emotion, "text_pending": ""}),
        (began + clip.onset + 0.7, emotion),
        (began + clip.end + 0.9, {"type": "utterance", "text": "Hello, world."}),
    ]
    row = delays(clip, events, began)
    assert (row["first_label"], row["first_word"]) == (0.5, 0.7)
    assert (row["last_word"], row["utterance"], row["heard"], row["words"]) == (0.9, 0.9, 2, 2)
