"""How soon `streamser listen` shows what is said: spoken clips are played into a virtual microphone, in real time.

Run `python -m benchmarks.listen`. Needs `streamser[test]` and the Debian packages that `virtual_microphone.py` names. Times count
from the moment a sound left the virtual loudspeaker to the moment its line was read from the command's standard output.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import json
import re
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.virtual_microphone import VirtualMicrophone, missing
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE
from train.machine import machine_card

CLIPS = ("en/hello_world", "en/quick_brown_fox", "en/counting")
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
LEAD, PAUSE = 0.3, 3.0  # seconds of silence before each clip and to wait after it
LOUD = 0.05  # of the peak: where speech begins and ends in a clip
READY = 60.0  # seconds that the command may take to its first event


@dataclass(frozen=True)
class Spoken:
    """A clip to play. Times in seconds from the file's start."""

    name: str
    path: Path
    words: list[str]
    seconds: float
    onset: float
    end: float


@dataclass
class Listener:
    """`streamser listen` in a process of its own; every event with the monotonic time at which its line arrived."""

    process: subprocess.Popen[str]
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    def start(cls, microphone: VirtualMicrophone, *options: str) -> Listener:
        """Start the command and wait for its first event.

        Raises:
            RuntimeError: none came in time.
        """
        command = [sys.executable, "-m", "streamser.cli.main", "listen", "--format", "jsonl", *options]
        process = subprocess.Popen(command, env=microphone.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        listener = cls(process)
        threading.Thread(target=listener._read, daemon=True).start()
        end = time.monotonic() + READY
        while not listener.events:
            if time.monotonic() > end or process.poll() is not None:
                process.kill()
                raise RuntimeError(f"streamser listen did not start: {process.communicate()[1]}")
            time.sleep(0.05)
        return listener

    def stop(self) -> int:
        """Ctrl-C, as a person ends it; the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(READY)
        time.sleep(0.2)  # the last lines
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))


def spoken_clips(folder: Path, names: Sequence[str] = CLIPS) -> list[Spoken]:
    """The clips of the package pytest-audioeval, as 16 kHz WAV files with silence before them."""
    found = importlib.util.find_spec("pytest_audioeval")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the spoken clips are not installed: pip install 'streamser[test]'")
    samples_folder = Path(found.submodule_search_locations[0]) / "samples" / "audio"
    clips = []
    for name in names:
        pieces = open_file(samples_folder / f"{name}.wav")
        samples = np.concatenate([piece.samples[:, 0] for piece in pieces if isinstance(piece, Block)])
        samples = np.concatenate([np.zeros(round(LEAD * SAMPLE_RATE), np.float32), samples])
        loud = np.flatnonzero(np.abs(samples) > LOUD * np.abs(samples).max()) / SAMPLE_RATE
        path = folder / f"{name.replace('/', '-')}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        words = plain_words((samples_folder / f"{name}.txt").read_text(encoding="utf-8"))
        clips.append(Spoken(name, path, words, len(samples) / SAMPLE_RATE, float(loud[0]), float(loud[-1])))
    return clips


def plain_words(text: str) -> list[str]:
    """Lower-case words, numbers up to ten spelt out."""
    words = re.findall(r"\w+", text.casefold())
    return [NUMBERS[int(word)] if word.isdecimal() and int(word) < len(NUMBERS) else word for word in words]


def words_in_order(expected: list[str], heard: list[str]) -> int:
    """How many of the expected words were heard, in their order."""
    blocks = difflib.SequenceMatcher(None, expected, heard, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def delays(clip: Spoken, events: list[tuple[float, dict[str, Any]]], started: float) -> dict[str, Any]:
    """When things were shown for a clip whose file began to sound at `started`; seconds after its speech began or ended."""
    row: dict[str, Any] = {"clip": clip.name, "words": len(clip.words), "heard": 0}
    row |= dict.fromkeys(("first_label", "first_word", "last_word", "utterance"))
    finished: list[str] = []
    for at, event in events:
        if at < started + clip.onset:
            continue
        since_onset, since_end = round(at - started - clip.onset, 2), round(at - started - clip.end, 2)
        if event["type"] == "emotion":
            if event["state"] == "speech" and row["first_label"] is None:
                row["first_label"] = since_onset
            heard = finished + plain_words(event["text"] + event["text_pending"])
        elif event["type"] == "utterance":
            finished += plain_words(event["text"])
            heard = finished
            row["utterance"] = since_end
        else:
            continue
        matched = words_in_order(clip.words, heard)
        if matched and row["first_word"] is None:
            row["first_word"] = since_onset
        if matched > row["heard"]:
            row["heard"], row["last_word"] = matched, since_end
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often each clip is played")
    args = parser.parse_args()
    lacking = missing()
    if lacking:
        raise SystemExit(f"no virtual microphone can be had: {lacking}")
    with TemporaryDirectory() as folder, VirtualMicrophone() as microphone:
        clips = spoken_clips(Path(folder))
        listener = Listener.start(microphone, "--device", "default")
        rows = []
        for clip in clips * args.rounds:
            before = len(listener.events)
            microphone.play(clip.path).wait()
            started = time.monotonic() - clip.seconds  # the player ends when its last sample was played
            time.sleep(PAUSE)
            rows.append(delays(clip, listener.events[before:], started))
        code = listener.stop()
    print(f"{'clip':<20} {'heard':>7}  {'first label':>11}  {'first word':>10}  {'last word':>9}  {'utterance':>9}")
    for row in rows:
        cells = [
            f"{row[name]:.2f} s" if row[name] is not None else "-"
            for name in ("first_label", "first_word", "last_word", "utterance")
        ]
        print(
            f"{row['clip']:<20} {row['heard']:>3}/{row['words']:<3}  {cells[0]:>11}  {cells[1]:>10}  {cells[2]:>9}  {cells[3]:>9}"
        )
    print("first label and first word: after the speech began; last word and utterance: after it ended")
    latencies = [event["latency"] for _, event in listener.events if event.get("latency") and event["type"] == "emotion"]
    median, p95 = np.percentile(latencies, [50, 95]) if latencies else (float("nan"), float("nan"))
    print(f"latency of {len(latencies)} emotion events: median {median:.3f} s, p95 {p95:.3f} s; exit code {code}")
    summary = listener.events[-1][1]
    print(
        json.dumps(
            {
                "benchmark": "listen",
                "clips": rows,
                "latency_median": round(median, 3),
                "latency_p95": round(p95, 3),
                "exit_code": code,
                "summary": summary,
                "machine": machine_card(),
            }
        )
    )


if __name__ == "__main__":
    main()
