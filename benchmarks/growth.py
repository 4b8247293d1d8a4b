"""Whether anything grows: time per step and memory against hours run, number of streams and window.

Run `python -m benchmarks.growth --hours 2`. Everything is fed faster than real time, so hours of sound take minutes; every part
runs in a fresh process, so that none inherits another's memory. Memory is the process's resident set (Linux). A slope comes with
the 95 % interval of a straight line through the parts of the run; where that reaches nothing, or the slope is too small to matter,
there is no growth. A machine wanders by more than that in minutes, so time is told against a fresh stream's: at the end of every
part, one hears the same minutes, its steps in turn with the old one's.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from benchmarks.loading import load, placement
from benchmarks.long_recording import resident_megabytes
from benchmarks.speech import continuous_speech, described, repeated
from benchmarks.stages import rounded, spread
from streamser import Recognizer
from streamser.clock import to_samples
from streamser.events import EmotionEvent
from streamser.stream import Stream
from train.machine import machine_card

SPEECH = 600.0  # seconds, said over and over
WARM_UP = 60.0  # seconds of sound before anything counts: buffers are full by then, and every length has been seen
PARTS = 12  # of the hours
BESIDE = 84.0  # seconds at the end of a part that a fresh stream hears too; the first FULL of them do not count
FULL = 24.0  # seconds of sound after which a stream's own buffers are full
STREAMS = (1, 2, 4, 8, 16, 32)
WINDOWS = (2.0, 4.0, 6.0, 8.0)
TOLERATED_TIME = 2.0  # % of a fresh stream's step, over all the hours
TOLERATED_MEMORY = 5.0  # MB, over all the hours


@dataclass(frozen=True)
class Slope:
    """Growth for each unit of what it is held against (an hour, a stream), and its 95 % interval."""

    each: float
    low: float
    high: float

    def grows(self, hours: float, tolerated: float) -> bool:
        """Whether the hours certainly bring more, and more than is tolerated."""
        return self.low > 0 and self.each * hours > tolerated


def slope(hours: list[float], values: list[float]) -> Slope:
    """A straight line through three points or more."""
    if np.ptp(values) == 0:  # whose error scipy does not know
        return Slope(0.0, 0.0, 0.0)
    line = linregress(hours, values)
    margin = float(student.ppf(0.975, len(hours) - 2) * line.stderr)
    return Slope(float(line.slope), float(line.slope) - margin, float(line.slope) + margin)


def step_times(stream: Stream, speech: np.ndarray, start: int, length: int, step: int) -> list[float]:
    """Milliseconds of every step in speech of `length` samples from `start` on."""
    return times_in_turn([stream], speech, start, length, step)[0]


def times_in_turn(streams: Sequence[Stream], speech: np.ndarray, start: int, length: int, step: int) -> list[list[float]]:
    """As `step_times`, of several streams that hear each step one after the other."""
    times: list[list[float]] = [[] for _ in streams]
    for place in range(start, start + length // step * step, step):
        block = repeated(speech, place, step)
        for stream, own in zip(streams, times, strict=True):
            begun = time.perf_counter()
            events = stream.feed(block)
            taken = 1000 * (time.perf_counter() - begun)
            if any(isinstance(event, EmotionEvent) and event.state == "speech" for event in events):
                own.append(taken)
    return times


def over_hours(pack: str, accelerator: str, hours: float, transcript: bool) -> list[dict[str, float]]:
    """One stream for hours: a row for each part of them."""
    recognizer = load(pack, accelerator)
    speech = continuous_speech(SPEECH)
    give_back()
    stream, step = opened(recognizer, transcript=transcript)
    place, length = to_samples(WARM_UP), to_samples(3600 * hours / PARTS) // step * step
    step_times(stream, speech, 0, place, step)
    beside, full = min(to_samples(BESIDE), length) // step * step, to_samples(FULL) // step * step
    rows = []
    for _ in range(PARTS):
        alone = step_times(stream, speech, place, length - beside, step)
        place += length
        young, _ = opened(recognizer, transcript=transcript)
        both = [stream, young]
        times_in_turn(both, speech, place - beside, min(full, beside // 2), step)
        rest = beside - min(full, beside // 2)
        old, new = times_in_turn(both, speech, place - rest, rest, step)
        against = float(np.median(old) / np.median(new))
        taken = spread(alone + old)
        rows.append({"hours": place / to_samples(3600), **taken, "against_fresh": against, "memory_mb": resident_megabytes()})
    return rows


def over_streams(pack: str, accelerator: str, transcript: bool, most: int) -> list[dict[str, float]]:
    """More and more streams in one process, all of them kept and their steps taken in turn: a row for each number."""
    recognizer = load(pack, accelerator)
    speech = continuous_speech(SPEECH)
    step_times(*warmed(recognizer, transcript, speech))
    give_back()
    streams: list[Stream] = []
    rows = []
    for count in (number for number in STREAMS if number <= most):
        first = len(streams)
        while len(streams) < count:
            stream, step = opened(recognizer, transcript=transcript)
            streams.append(stream)
        for stream in streams[first:]:
            step_times(stream, speech, 0, to_samples(FULL), step)
        times = [
            taken
            for place in range(to_samples(FULL), to_samples(FULL + 5), step)
            for stream in streams
            for taken in step_times(stream, speech, place, step, step)
        ]
        rows.append({"streams": count, **spread(times), "memory_mb": resident_megabytes()})
    return rows


def with_window(pack: str, accelerator: str, window: float, transcript: bool) -> dict[str, float]:
    """One stream whose window is so long."""
    recognizer = load(pack, accelerator)
    speech = continuous_speech(SPEECH)
    give_back()
    stream, step = opened(recognizer, transcript=transcript, window=window)
    step_times(stream, speech, 0, to_samples(WARM_UP), step)
    taken = spread(step_times(stream, speech, to_samples(WARM_UP), to_samples(60), step))
    return {"window": window, **taken, "memory_mb": resident_megabytes()}


def give_back() -> None:
    """Hand memory that making the speech left unused back to the system, or streams would grow into it unseen (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def opened(recognizer: Recognizer, **options: Any) -> tuple[Stream, int]:
    """A stream, and its step in samples."""
    return recognizer.stream(**options), recognizer.settings(**options).step


def warmed(recognizer: Recognizer, transcript: bool, speech: np.ndarray) -> tuple[Stream, np.ndarray, int, int, int]:
    """Arguments of `step_times` for a stream that is thrown away."""
    stream, step = opened(recognizer, transcript=transcript)
    return stream, speech, 0, to_samples(FULL), step


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of this module in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def print_rows(title: str, column: str, rows: list[dict[str, float]]) -> None:
    fresh_too = "against_fresh" in rows[0]
    head = f"{column:>9} {'steps':>7} {'median ms':>10} {'p95 ms':>8} {'worst ms':>9} {'memory MB':>10}"
    print(f"\n{title}\n{head}{'  against a fresh stream' if fresh_too else ''}")
    for row in rows:
        times = f"{row['median']:10.2f} {row['p95']:8.2f} {row['worst']:9.2f}"
        against = f"{row['against_fresh']:24.3f}" if fresh_too else ""
        print(f"{row[column]:9.2f} {row['count']:7.0f} {times} {row['memory_mb']:10.1f}{against}")


def verdicts(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Slopes of the time per step and of memory over the hours, printed with the bar beside them."""
    hours = [row["hours"] for row in rows]
    run = hours[-1]
    found: dict[str, Any] = {}
    mean = float(np.mean([row["against_fresh"] for row in rows]))
    print(f"  a step takes {mean:.3f} times as long as a fresh stream's, on average over the parts")
    found["against_fresh_mean"] = mean
    bars = (("against_fresh", "of a fresh stream's step", TOLERATED_TIME / 100), ("memory_mb", "MB", TOLERATED_MEMORY))
    for name, unit, most in bars:
        line = slope(hours, [row[name] for row in rows])
        grows = line.grows(run, most)
        print(
            f"  {line.each:+.3f} {unit} an hour, 95 % interval {line.low:+.3f} to {line.high:+.3f} "
            f"(bar: no growth, or under {most:.2f} {unit} in {run:.2g} hours: {'NOT MET' if grows else 'met'})"
        )
        found[name] = {**asdict(line), "met": not grows}
    return found


def draw(over: list[dict[str, float]], path: str) -> None:
    """Time per step and memory over the hours."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    hours = [row["hours"] for row in over]
    axes.plot(hours, [row["median"] for row in over], "o-", label="median step, ms")
    axes.plot(hours, [row["p95"] for row in over], "s--", label="p95 step, ms")
    axes.set(xlabel="hours of sound", ylabel="ms", ylim=(0, None))
    memory = axes.twinx()
    memory.plot(hours, [row["memory_mb"] for row in over], "k^:", label="memory, MB")
    memory.set(ylabel="MB", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    parser.add_argument("--pack", default="default", help="(%(default)s)")
    parser.add_argument("--hours", type=float, default=2.0, help="of sound, in one stream (%(default)s)")
    parser.add_argument("--most", type=int, default=STREAMS[-1], help="streams (%(default)s)")
    parser.add_argument("--transcript", action="store_true", help="with it; a step then waits for words, as for a recording")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args()
    card = machine_card()
    places = placement(load(args.pack, args.accelerator))
    print(json.dumps(card))
    print(f"pack {args.pack}, {'with' if args.transcript else 'without'} the transcript; {json.dumps(places)}")
    print(f"{SPEECH:g} s, over and over, of {described()}")
    print(f"warm-up: {WARM_UP:g} s of it, {FULL:g} s for each further stream", flush=True)
    common = (args.pack, args.accelerator)
    hours = fresh(over_hours, *common, args.hours, args.transcript)
    print_rows(f"One stream for {args.hours:g} hours of sound", "hours", hours)
    found = verdicts(hours)
    streams = fresh(over_streams, *common, args.transcript, args.most)
    print_rows("Streams in one process, their steps in turn", "streams", streams)
    if len(streams) > 2:
        own = slope([row["streams"] for row in streams], [row["memory_mb"] for row in streams])
        print(f"  {own.each:+.2f} MB a stream, 95 % interval {own.low:+.2f} to {own.high:+.2f}", flush=True)
        found["memory_mb_a_stream"] = own.each
    windows = [fresh(with_window, *common, window, args.transcript) for window in WINDOWS]
    print_rows("Windows, one stream and one process each", "window", windows)
    longest, pack_window = windows[-1], next(row for row in windows if row["window"] == 4.0)
    print(f"  {longest['median'] / pack_window['median']:.2f} times the time a step with twice the window")
    if args.plot:
        draw(hours, args.plot)
    tables = {"over_hours": hours, "over_streams": streams, "over_windows": windows, "slopes_an_hour": found}
    print(json.dumps(rounded({"benchmark": "growth", "machine": card, "placement": places, "options": vars(args), **tables})))


if __name__ == "__main__":
    main()
