"""What `streamser listen` does on a machine that becomes too slow, and how soon it catches up.

Speech without end is played into a virtual microphone, in real time. For a while other processes keep every core busy; then the
command itself is let run for a part of the time only, as on a machine that many times slower; then it is left alone again. Run
`python -m benchmarks.overload`. Needs `streamser[test]` and the Debian packages that `virtual_microphone.py` names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.listen import Listener, spoken_clips
from benchmarks.virtual_microphone import VirtualMicrophone, missing
from streamser.clock import SAMPLE_RATE
from train.machine import machine_card

ROW = 5.0  # seconds a row of the table
TURN = 0.2  # seconds in which a starved process runs once


def endless_speech(folder: Path, seconds: float) -> Path:
    """The spoken clips one after another, again and again."""
    parts = []
    for clip in spoken_clips(folder):
        with wave.open(str(clip.path), "rb") as file:
            parts.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    once = np.concatenate(parts)
    samples = np.tile(once, int(seconds * SAMPLE_RATE / len(once)) + 1)[: round(seconds * SAMPLE_RATE)]
    path = folder / "endless.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def starve(process: subprocess.Popen[str], seconds: float, share: float) -> None:
    """Let a process run for that share of the time only."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process.send_signal(signal.SIGSTOP)
        time.sleep((1 - share) * TURN)
        process.send_signal(signal.SIGCONT)
        time.sleep(share * TURN)


@contextlib.contextmanager
def busy_cores(processes: int) -> Iterator[None]:
    """Processes that do nothing but take time."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def rows(events: list[tuple[float, dict[str, Any]]], began: float, phases: list[tuple[float, str]]) -> list[dict[str, Any]]:
    """What was shown in each stretch of 5 s. phases: when each began, and its name."""
    table = []
    for start in np.arange(began, phases[-1][0], ROW):
        here = [event for at, event in events if start <= at < start + ROW]
        steps = [event for event in here if event["type"] == "emotion"]
        latencies = [event["latency"] for event in steps if event["latency"] is not None]
        table.append(
            {
                "at": round(start - began),
                "phase": next(name for at, name in reversed(phases) if at <= start),
                "latency_median": round(float(np.median(latencies)), 2) if latencies else None,
                "latency_worst": max(latencies) if latencies else None,
                "longest_step": max((round(event["end"] - event["start"], 2) for event in steps), default=None),
                "shed": [event["shed"] for event in here if event["type"] == "degraded"],
                "lost": round(sum(event["lost_seconds"] for event in here if event["type"] == "gap"), 2),
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    processes = 4 * (os.cpu_count() or 2)
    parser.add_argument("--processes", type=int, default=processes, help="that keep the cores busy (%(default)s)")
    parser.add_argument("--share", type=float, default=0.05, help="of the time, when the command is starved (%(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=4,
        default=[15, 20, 40, 60],
        help="alone, with busy cores, starved, alone again (%(default)s)",
    )
    args = parser.parse_args()
    lacking = missing()
    if lacking:
        raise SystemExit(f"no virtual microphone can be had: {lacking}")
    before, busy, starved, after = args.seconds
    with TemporaryDirectory() as folder, VirtualMicrophone() as microphone:
        speech = endless_speech(Path(folder), sum(args.seconds))
        listener = Listener.start(microphone, "--device", "default", "--language", "en")
        player = microphone.play(speech)
        phases = [(time.monotonic(), "alone")]
        time.sleep(before)
        with busy_cores(args.processes):
            phases.append((time.monotonic(), "busy"))
            time.sleep(busy)
        phases.append((time.monotonic(), "starved"))
        starve(listener.process, starved, args.share)
        phases.append((time.monotonic(), "alone again"))
        time.sleep(after)
        phases.append((time.monotonic(), "end"))
        player.wait()
        code = listener.stop()
    table = rows(listener.events, phases[0][0], phases)
    print(f"{'at':>5}  {'':<12} {'latency':>8} {'worst':>8} {'longest step':>13} {'lost':>7}  shed")
    for row in table:
        figures = [
            f"{row[name]:.2f} s" if row[name] is not None else "-" for name in ("latency_median", "latency_worst", "longest_step")
        ]
        print(
            f"{row['at']:>3} s  {row['phase']:<12} {figures[0]:>8} {figures[1]:>8} {figures[2]:>13} {row['lost']:>5.1f} s  "
            + ", ".join(row["shed"])
        )
    summary = listener.events[-1][1]
    card = machine_card()
    print(
        json.dumps(
            {
                "benchmark": "overload",
                "processes": args.processes,
                "share": args.share,
                "rows": table,
                "exit_code": code,
                "summary": summary,
                "machine": card,
            }
        )
    )


if __name__ == "__main__":
    main()
