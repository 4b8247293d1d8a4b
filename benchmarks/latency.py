"""From sound to emotion: what every stage takes and how late events are, on speech that goes on and on at its real pace.

Run `python -m benchmarks.latency --minutes 5`. Blocks of 20 ms come at 48 kHz, each stamped with the moment at which a sound card
would have captured its last sample, and go the way that `streamser listen` takes: resampling, steps, events, the transcript beside
them in a pool. Latency counts from the capture of the last sample that an event covers to the event's return: the computation. What
the settings themselves cost (waiting for a step to fill) stands apart, and so does the delay of words. `benchmarks.listen` has
the same through a virtual microphone and a process of its own, capture included.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, cast

import numpy as np

from benchmarks.bars import Bar
from benchmarks.loading import load, placement
from benchmarks.pacing import BLOCK, Heard, Live, WatchedPool, at_rate, resampler_delays
from benchmarks.shown_words import word_delays
from benchmarks.speech import continuous_speech, described, room
from benchmarks.stages import END, STEP, Call, Clock, by_stage, rounded, spread, steps, watched
from benchmarks.startup import first_event_seconds, import_seconds
from streamser import Recognizer
from streamser.clock import to_seconds
from streamser.errors import UsageError
from streamser.events import DegradedEvent, EmotionEvent
from streamser.features.voice_activity import FRAME
from streamser.segmenter import ONSET_FRAMES
from train.machine import machine_card

RATE = 48_000  # of the sound card
WARM_UP = 10.0  # seconds of speech before anything counts
SETTLE, LEAST_SILENCE = 3.0, 20.0  # seconds: between speech and what counts as silence, and of that
FRESH = 5  # processes to start, each
MEDIAN, P95 = Bar(150, "ms"), Bar(250, "ms")
SILENCE, LOAD, IMPORT = Bar(5, "% of a core"), Bar(3, "s"), Bar(50, "ms")
NAMES = ("median", "p95", "p99", "worst")


def measure(recognizer: Recognizer, options: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Everything that one live stream tells, speech first and then silence. Times in milliseconds."""
    speech = at_rate(continuous_speech(WARM_UP + 60 * minutes), RATE)
    silence = at_rate(room(SETTLE + max(LEAST_SILENCE, 15 * minutes)), RATE)
    pool = WatchedPool(recognizer.pool)
    recognizer.pool = cast(Any, pool)
    with watched(Clock()) as clock:
        live = Live(recognizer.stream(**options, words=True), time.monotonic() + 0.1, RATE)
        warm, settled = round(WARM_UP * RATE), round(SETTLE * RATE)
        heard = live.play(speech[:warm])
        begun = time.monotonic()
        in_speech, speech_share = played(live, speech[warm:])
        ended = time.monotonic()
        heard += in_speech + live.play(silence[:settled])
        in_silence, silence_share = played(live, silence[settled:])
    calls = clock.since(begun)
    counted = [call for call in calls if call.began < ended]
    quiet = [call for call in calls if call.began >= ended + SETTLE]
    words = word_delays([entry for entry in heard + in_silence if entry.event.start >= WARM_UP], live.begin)
    tasks = [task for task in pool.tasks if begun <= task.asked < ended]
    return {
        "stages": stage_table(counted),
        "silent_step": spread(1000 * call.seconds for call in steps(quiet, speech=False)),
        "latency": spread(1000 * entry.latency for entry in emotions(in_speech, "speech")),
        "latency_in_silence": spread(1000 * entry.latency for entry in emotions(in_silence, "no_speech")),
        "latencies_ms": [round(1000 * entry.latency, 1) for entry in emotions(in_speech, "speech")],
        "degraded": [entry.event.shed for entry in in_speech if isinstance(entry.event, DegradedEvent)],
        "decoding": spread(1000 * (task.done - task.asked) for task in tasks),
        "decoding_waited": spread(1000 * (task.started - task.asked) for task in tasks),
        "words_shown": spread(1000 * delay.shown for delay in words),
        "words_settled": spread(1000 * delay.settled for delay in words),
        "share_in_speech": 100 * speech_share,
        "share_in_silence": 100 * silence_share,
    }


def played(live: Live, samples: Any) -> tuple[list[Heard], float]:
    """The events, and the cores that all of this process kept busy meanwhile."""
    cpu, wall = time.process_time(), time.monotonic()
    heard = live.play(samples)
    return heard, (time.process_time() - cpu) / (time.monotonic() - wall)


def emotions(heard: list[Heard], state: str) -> list[Heard]:
    return [entry for entry in heard if isinstance(entry.event, EmotionEvent) and entry.event.state == state]


def stage_table(calls: list[Call]) -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds of every stage: of a block as it comes in, of a step in speech, and beside the steps."""
    spoken = steps(calls, speech=True)
    tables: dict[str, dict[str, dict[str, float]]] = {"block": {}, "step": {}, "beside": {}}
    whole = {"a step, wall time": [call.seconds for call in spoken], "a step, its own thread's time": [call.cpu for call in spoken]}
    found = {"the rest": [], **by_stage(spoken), **whole}
    found["the rest"] = found.pop(STEP, [])
    tables["step"] = {name: spread(1000 * value for value in values) for name, values in found.items() if values}
    outside = [call for call in calls if call.name not in (STEP, END)]
    for place, stages in (("block", ("resample",)), ("beside", ("Whisper encode", "Whisper last layers", "Whisper decode"))):
        taken = by_stage(call for call in outside if call.name in stages)
        tables[place] = {name: spread(1000 * value for value in taken[name]) for name in stages if name in taken}
    return tables


def algorithmic(recognizer: Recognizer, options: dict[str, Any]) -> dict[str, float]:
    """What the settings cost however fast the machine is, in milliseconds."""
    settings, features = recognizer.settings(**options), recognizer.features
    held = [1000 * seconds for seconds in resampler_delays(RATE)]

    def ms(samples: float) -> float:
        return round(1000 * to_seconds(round(samples)), 1)

    return {
        "step_mean": ms(settings.step / 2),
        "step_worst": ms(settings.step),
        "block": 1000 * BLOCK,
        "resampler_mean": round(float(np.mean(held)), 1),
        "resampler_worst": round(max(held), 1),
        "onset": ms(ONSET_FRAMES * FRAME),
        "look_ahead_f0": ms(features.pitch.look_ahead),
        "look_ahead_spectral": ms(features.spectral.look_ahead),
        "window": ms(settings.window),
        "dated_back": ms(settings.delay),
        "transcript_step": ms(settings.transcript_step),
        "text_lag": ms(settings.text_lag),
    }


def print_settings(found: dict[str, float]) -> None:
    print("\nAlgorithmic latency: what the settings cost on any machine")
    print(f"  a sound waits for its step to fill    {found['step_mean']:.0f} ms on average, at most {found['step_worst']:.0f}")
    held = f"{found['resampler_mean']:.0f} ms on average, at most {found['resampler_worst']:.0f}"
    print(f"  and in the resampler, for its block   {held}; a block is {found['block']:.0f} ms (counted below too)")
    ahead = f"the last {found['look_ahead_f0']:.1f} ms without F0, {found['look_ahead_spectral']:.1f} ms without a spectral column"
    print(f"  nothing waits for look-ahead: a step is judged with {ahead}")
    print(f"  speech is known after {found['onset']:.0f} ms of it; a window holds up to {found['window']:.0f} ms")
    print(f"  a new stable label is dated up to {found['dated_back']:.0f} ms back; how late it is: python -m benchmarks.timeline")
    lag = f"words count {found['text_lag']:.0f} ms after that"
    print(f"  words are decoded every {found['transcript_step']:.0f} ms of audio; {lag}, and settle when two decodings agree")


def print_row(name: str, found: dict[str, float]) -> None:
    cells = " ".join(f"{found[column]:9.1f}" for column in NAMES) if found["count"] else "        -" * 4
    print(f"  {name:<38} {found['count']:>7} {cells}")


def print_measured(found: dict[str, Any]) -> None:
    head = f"{'':40} {'count':>7} {'median':>9} {'p95':>9} {'p99':>9} {'worst':>9}"
    print(f"\nStages, milliseconds\n{head}\n of a block of {1000 * BLOCK:.0f} ms")
    for place, title in (("block", None), ("step", " of a step in speech"), ("beside", " beside the steps, for the transcript")):
        if title and found["stages"][place]:
            print(title)
        for name, values in found["stages"][place].items():
            print_row(name, values)
    print(" of a step in silence")
    print_row("a step, wall time", found["silent_step"])
    print(f"\nEnd to end, milliseconds: from the capture of the last sample to the event\n{head}")
    print_row("emotion events in speech", found["latency"])
    median, p95 = found["latency"].get("median"), found["latency"].get("p95")
    print(f"    median {MEDIAN.beside(median)}, p95 {P95.beside(p95)}")
    print_row("emotion events in silence", found["latency_in_silence"])
    shed = ", ".join(found["degraded"]) or "nothing"
    print(f"  left out because the machine was too slow: {shed}")
    if found["decoding"]["count"]:
        print(f"\nThe transcript's own delay, milliseconds; no emotion event waits for it\n{head}")
        print_row("a decoding, from asked for to done", found["decoding"])
        print_row("  of that, waited for a thread", found["decoding_waited"])
        print_row("words: from spoken to shown", found["words_shown"])
        print_row("words: from spoken to settled", found["words_settled"])
    print("\nShare of a core (CPU time of the whole process over wall time)")
    print(f"  in speech {found['share_in_speech']:.1f} %")
    print(f"  in silence {found['share_in_silence']:.2f} % {SILENCE.beside(found['share_in_silence'])}")


def print_start(imports: dict[str, float], first: dict[str, float]) -> None:
    parts = ", ".join(f"{name} {first[name]:.2f}" for name in ("python", "imports", "load", "first event"))
    print(f"\nStart, medians of {FRESH} fresh processes each; files are in the page cache, Whisper is joined already")
    print(f"  to the first emotion event {first['all']:.2f} s {LOAD.beside(first['all'])}: {parts}")
    beyond = 1000 * imports["streamser"]
    print(f"  import streamser after numpy ({1000 * imports['numpy']:.0f} ms): {beyond:.1f} ms more {IMPORT.beside(beyond)}")
    print(f"  then `from streamser import Recognizer`: {1000 * imports['Recognizer']:.0f} ms more")


def draw(found: dict[str, Any], path: str) -> None:
    """How many events came within which time, and what a step's stages take."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    latencies = sorted(found["latencies_ms"])
    left.step(latencies, [100 * (place + 1) / len(latencies) for place in range(len(latencies))], where="post")
    for bar, share in ((MEDIAN, 50), (P95, 95)):
        left.plot([bar.limit], [share], "rv", label=f"bar: {share} % under {bar.limit:g} ms")
    left.set(xlabel="ms from the capture of the last sample to the event", ylabel="% of emotion events in speech", xlim=(0, None))
    left.legend(loc="lower right")
    stages = {name: values for name, values in found["stages"]["step"].items() if not name.startswith("a step")}
    names = list(stages)[::-1]
    right.barh(names, [stages[name]["p95"] for name in names], color="lightgrey", label="p95")
    right.barh(names, [stages[name]["median"] for name in names], height=0.5, label="median")
    right.set(xlabel="ms of a step in speech")
    right.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    parser.add_argument("--pack", default="default", help="(%(default)s)")
    parser.add_argument("--step", type=float, help="seconds (the pack's)")
    parser.add_argument("--window", type=float, help="seconds (the pack's)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of speech, and a quarter of that of silence (%(default)s)")
    parser.add_argument("--no-transcript", action="store_true")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args()
    recognizer = load(args.pack, args.accelerator)
    options = {"step": args.step, "window": args.window, "transcript": not args.no_transcript}
    try:
        settings = recognizer.settings(**options)
    except UsageError as error:
        raise SystemExit(str(error)) from error
    card = machine_card()
    print(json.dumps(card))
    seconds = f"step {to_seconds(settings.step)} s, window {to_seconds(settings.window)} s"
    print(f"pack {recognizer.pack.name} {recognizer.pack.version}, {seconds}; {json.dumps(placement(recognizer))}")
    print(f"{args.minutes:g} minutes of {described()}; the {WARM_UP:g} s before them are warm-up and count for nothing", flush=True)
    imports = import_seconds(FRESH)
    first = first_event_seconds(FRESH, continuous_speech(3.0), args.pack, args.accelerator, options)
    found = measure(recognizer, options, args.minutes)
    fixed = algorithmic(recognizer, options)
    print_settings(fixed)
    print_measured(found)
    print_start(imports, first)
    if args.plot:
        draw(found, args.plot)
    latencies = found.pop("latencies_ms")
    head = {"benchmark": "latency", "machine": card, "placement": placement(recognizer), "options": vars(args)}
    bars = {
        "latency_median": MEDIAN.met(found["latency"].get("median")),
        "latency_p95": P95.met(found["latency"].get("p95")),
        "silence": SILENCE.met(found["share_in_silence"]),
        "first_event": LOAD.met(first["all"]),
        "import": IMPORT.met(1000 * imports["streamser"]),
    }
    start = {"import_seconds": imports, "first_event_seconds": first}
    print(json.dumps(rounded({**head, "algorithmic_ms": fixed, **found, **start, "bars_met": bars, "events": len(latencies)})))


if __name__ == "__main__":
    main()
