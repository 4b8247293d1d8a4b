"""How much one machine can listen to: streams in real time, and recordings as fast as it can.

Run `python -m benchmarks.throughput`; with `--accelerator cuda`, streams that are due together share runs of the networks, and the
table tells how many did on average. Streams: one thread each, all on one recogniser, fed at their real pace with their steps
spread evenly over time; their number is doubled, then bisected, until the p95 of what an emotion event in speech takes (from the
capture of its last sample to its return) passes the limit, or steps are shed. Recordings: FLAC files of the same speech, as
`streamser recognize` reads them, with the transcript and without, in one process and in several.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.bars import Bar
from benchmarks.loading import batches, load, mean_batches, placement
from benchmarks.pacing import BLOCK, Heard, Live
from benchmarks.speech import continuous_speech, described, repeated
from benchmarks.stages import rounded, spread
from streamser import Recognizer
from streamser.clock import SAMPLE_RATE, to_samples, to_seconds
from streamser.events import DegradedEvent, EmotionEvent
from train.machine import machine_card

WARM_UP = 6.0  # seconds of every trial, and of every recording's process, before anything counts
MOST = 1024  # streams that are tried
SPEED = {True: Bar(5, "times real time", least=True), False: Bar(12, "times real time", least=True)}
AIMS = {True: Bar(10, "times real time", least=True), False: Bar(24, "times real time", least=True)}


@dataclass(frozen=True)
class Trial:
    """latency: milliseconds, see `spread`. shed: how many streams left words out, and how many left steps out.

    mean_batch: by network, how many streams shared a run of it on average; none where runs are not joined (on the CPU).
    """

    streams: int
    latency: dict[str, float]
    words_shed: int
    steps_shed: int
    cores_used: float
    mean_batch: dict[str, float] = field(default_factory=dict)

    def holds(self, limit: float) -> bool:
        """Whether the streams ran in real time; limit: seconds."""
        return self.steps_shed == 0 and self.latency.get("p95", np.inf) <= 1000 * limit


def most_streams(holds: Callable[[int], bool], most: int = MOST) -> int:
    """The largest number that holds, found by doubling and then bisecting; 0 when not even one does."""
    good, bad = 0, 1
    while bad <= most and holds(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good


def try_streams(recognizer: Recognizer, speech: np.ndarray, streams: int, seconds: float, transcript: bool) -> Trial:
    """Run so many streams at once, each from another place of the speech on and at another moment of the step."""
    step = to_seconds(recognizer.settings().step)
    heard: list[list[Heard]] = [[] for _ in range(streams)]
    soon = time.monotonic() + 0.5
    lives = [
        Live(recognizer.stream(f"stream {place}", transcript=transcript), soon + step * place / streams) for place in range(streams)
    ]

    def run(place: int) -> None:
        start = place * len(speech) // streams
        samples = repeated(speech, start, to_samples(WARM_UP + seconds))
        heard[place] = lives[place].play(samples)

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(streams)]
    cpu, wall, asked = time.process_time(), time.monotonic(), batches(recognizer)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = (time.process_time() - cpu) / (time.monotonic() - wall)
    shared = mean_batches(asked, batches(recognizer))
    for live in lives:  # so that no decoding of this trial runs into the next
        live.stream.finish()
    return replace(summary(heard, used), mean_batch=shared)


def summary(heard: list[list[Heard]], cores_used: float) -> Trial:
    """What the events of all streams say."""
    counted = [[entry for entry in own if entry.event.end > WARM_UP] for own in heard]
    steps = [entry for own in counted for entry in own if isinstance(entry.event, EmotionEvent) and entry.event.state == "speech"]
    shed = [{entry.event.shed for entry in own if isinstance(entry.event, DegradedEvent)} for own in heard]
    return Trial(
        streams=len(heard),
        latency=spread(1000 * entry.latency for entry in steps),
        words_shed=sum("transcript" in own for own in shed),
        steps_shed=sum("steps" in own for own in shed),
        cores_used=cores_used,
    )


def write_flac(samples: np.ndarray, path: Path) -> None:
    """float32 [n] at 16 kHz as 16-bit FLAC."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])


def recognise(path: str, pack: str, accelerator: str, transcript: bool, together: Barrier, results: Any) -> None:
    """One process: load, warm up, wait for the others, then recognise the recording from its file; seconds go to `results`."""
    recognizer = load(pack, accelerator)
    stream = recognizer.stream(transcript=transcript)
    stream.feed(continuous_speech(WARM_UP))
    stream.finish()
    together.wait()
    begun = time.monotonic()
    for _ in recognizer.recognize(path, transcript=transcript):
        pass
    results.put(time.monotonic() - begun)


def times_real_time(path: Path, seconds: float, jobs: int, pack: str, accelerator: str, transcript: bool) -> float:
    """Seconds of sound that so many processes recognise in a second, each with the whole recording of that many seconds."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(jobs), context.Queue()
    arguments = (str(path), pack, accelerator, transcript, together, results)
    processes = [context.Process(target=recognise, args=arguments) for _ in range(jobs)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a process that recognised a recording failed: what it said stands above")
    return jobs * seconds / max(results.get() for _ in processes)


def keep_to(cores: int | None) -> int:
    """Let this process and what it starts use so many cores; None leaves it at all of them. Returns how many they are."""
    if not hasattr(os, "sched_setaffinity"):
        if cores:
            raise SystemExit("--cores needs Linux: elsewhere a process cannot be kept to some of the cores")
        return os.cpu_count() or 1
    allowed = sorted(os.sched_getaffinity(0))
    if cores is not None and not 1 <= cores <= len(allowed):
        raise SystemExit(f"--cores {cores}: there are 1 to {len(allowed)} to choose from")
    os.sched_setaffinity(0, allowed[:cores])
    return len(allowed[:cores])


def streams_found(recognizer: Recognizer, args: argparse.Namespace, transcript: bool, cores: int) -> dict[str, Any]:
    """The search for the number of streams, every trial printed."""
    print(f"\nStreams in real time {'with' if transcript else 'without'} the transcript: p95 of at most {1000 * args.limit:g} ms")
    head = f"{'streams':>9} {'events':>7} {'median':>9} {'p95':>9} {'worst':>9} {'cores used':>11}"
    print(f"{head}  streams that shed words / steps")
    speech = continuous_speech(120.0)
    trials: list[Trial] = []

    def holds(streams: int) -> bool:
        trial = try_streams(recognizer, speech, streams, args.seconds, transcript)
        trials.append(trial)
        found = trial.latency
        cells = " ".join(f"{found.get(name, float('nan')):9.1f}" for name in ("median", "p95", "worst"))
        said = "" if trial.holds(args.limit) else "  too many"
        shed = f"{trial.words_shed} / {trial.steps_shed}"
        shed += "".join(f"; {name} {mean:.1f} a run" for name, mean in trial.mean_batch.items())
        print(f"{streams:9} {found['count']:7.0f} {cells} {trial.cores_used:11.2f}  {shed}{said}", flush=True)
        return trial.holds(args.limit)

    most = most_streams(holds, args.most)
    whole = max((trial.streams for trial in trials if trial.holds(args.limit) and trial.words_shed == 0), default=0)
    note = f"; of the numbers tried, {whole} without leaving out any words" if transcript else ""
    print(f"  {'at least ' if most == args.most else ''}{most} streams on {cores} cores{note}")
    return {"streams": most, "cores": cores, "nothing_shed": whole, "trials": [vars(trial) for trial in trials]}


def recordings_found(args: argparse.Namespace) -> dict[str, Any]:
    """Times real time, with and without the transcript, in one process and in several."""
    print(f"\nRecordings: times real time, {args.minutes:g} minutes a process; loading does not count")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.flac"
        write_flac(continuous_speech(60 * args.minutes), path)
        for jobs in sorted({1, args.jobs}):
            for transcript in (True, False):
                name = f"{'with' if transcript else 'without'} transcript, {jobs} process{'es' if jobs > 1 else ''}"
                speed = times_real_time(path, 60 * args.minutes, jobs, args.pack, args.accelerator, transcript)
                bars = f" {SPEED[transcript].beside(speed)}, aim {AIMS[transcript].limit:g}" if jobs == 1 else ""
                print(f"  {name:<34} {speed:7.1f}{bars}", flush=True)
                found[f"{'' if transcript else 'no_'}transcript_jobs_{jobs}"] = speed
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    parser.add_argument("--pack", default="default", help="(%(default)s)")
    parser.add_argument("--limit", type=float, default=0.25, help="seconds that p95 may take (%(default)s)")
    parser.add_argument("--cores", type=int, help="that this process may use (all)")
    parser.add_argument("--seconds", type=float, default=20.0, help=f"a trial, after {WARM_UP:g} of warm-up (%(default)s)")
    parser.add_argument("--most", type=int, default=MOST, help="streams that are tried (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of the recording; 0 leaves recordings out (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes that recognise at once (%(default)s)")
    parser.add_argument("--no-transcript", action="store_true", help="streams without it only")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args()
    cores = keep_to(args.cores)
    recognizer = load(args.pack, args.accelerator)
    card = machine_card()
    print(json.dumps(card))
    print(f"pack {recognizer.pack.name} {recognizer.pack.version}; {json.dumps(placement(recognizer))}")
    print(f"{described()}; the first {WARM_UP:g} s of a trial or process are warm-up; blocks of {1000 * BLOCK:g} ms", flush=True)
    try_streams(recognizer, continuous_speech(20.0), 1, 2.0, transcript=not args.no_transcript)
    kinds = (False,) if args.no_transcript else (True, False)
    streams = {"transcript" if kind else "no_transcript": streams_found(recognizer, args, kind, cores) for kind in kinds}
    recordings = recordings_found(args) if args.minutes else {}
    if args.plot:
        draw(streams, args)
    head = {"benchmark": "throughput", "machine": card, "placement": placement(recognizer), "options": vars(args)}
    print(json.dumps(rounded({**head, "streams": streams, "times_real_time": recordings})))


def draw(streams: dict[str, Any], args: argparse.Namespace) -> None:
    """What events take against the number of streams."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for kind, found in streams.items():
        trials = sorted((trial for trial in found["trials"] if trial["latency"]["count"]), key=lambda trial: trial["streams"])
        for name, style in (("p95", "o-"), ("median", "s--")):
            values = [trial["latency"][name] for trial in trials]
            axes.plot([trial["streams"] for trial in trials], values, style, label=f"{name}, {kind.replace('_', ' ')}")
    axes.axhline(1000 * args.limit, color="red", label="limit")
    axes.set(xlabel="streams", ylabel="ms from capture to event", xscale="log", yscale="log")
    axes.legend()
    figure.savefig(args.plot, dpi=120)


if __name__ == "__main__":
    main()
