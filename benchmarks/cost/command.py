"""The physical limit and the distance to it: what every network must compute and move, and how long it takes.

Run `python -m benchmarks.cost`. One stream hears continuous speech; each graph of the pack that ran is counted for the inputs that
it had (multiply-adds are two operations; weights, inputs and outputs are the least bytes that must move); Whisper's decoder runs
once a token. The same run measures what the machine reaches: the largest of several matrix products in
onnxruntime, and a large copy. The limit of a network is max(operations / peak, least bytes / bandwidth) on one thread, as the
runtime runs it; beside it stands the measured median. Small networks stay in the caches, so their bytes may move faster than the
copy; `unfused` is the time that the graph's nodes would take to read and write everything through memory. CPU only.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cost.counting import Cost, count
from benchmarks.cost.rates import COPIED, SIZES, Rates, all_threads, measure
from benchmarks.cost.watching import WARM_RUNS, Runs, watch_speech
from benchmarks.loading import load
from benchmarks.speech import continuous_speech, described
from streamser.clock import to_seconds
from train.machine import machine_card

MOST_SHAPES = 6  # of one graph, the most frequent: the others are taken to cost what these do


def graph_row(runs: dict[tuple[Any, ...], Runs], path: str, seconds: float, rates: Rates, repeats: int) -> dict[str, float]:
    """One graph's line: means over its runs, by the shapes that it mostly had."""
    often = sorted(runs.values(), key=lambda entry: -entry.count)[:MOST_SHAPES]
    shares = [entry.count / sum(other.count for other in often) for entry in often]
    costs = [count(path, entry.feeds) for entry in often]
    taken = [entry.seconds(max(5, repeats // len(often))) for entry in often]
    limits = [limit(cost.operations, cost.operations_int8, cost.least_bytes, rates) for cost in costs]

    def mean(values: list[float]) -> float:
        return sum(share * value for share, value in zip(shares, values, strict=True))

    return {
        "per_second": sum(entry.count for entry in runs.values()) / seconds,
        "shapes": len(runs),
        "operations": mean([cost.operations + cost.operations_int8 for cost in costs]),
        "weight_bytes": max(cost.weights for cost in costs),
        "least_bytes": mean([cost.least_bytes for cost in costs]),
        "activation_bytes": mean([cost.activations for cost in costs]),
        "limit_seconds": mean(limits),
        "unfused_seconds": mean([unfused(cost, rates) for cost in costs]),
        "measured_seconds": mean(taken),
    }


def limit(operations: float, operations_int8: float, nbytes: float, rates: Rates) -> float:
    """Seconds below which nobody gets on this machine: the longer of computing and moving."""
    return max(operations / rates.float32 + operations_int8 / rates.int8, nbytes / rates.bandwidth)


def unfused(cost: Cost, rates: Rates) -> float:
    """The limit where every node reads its inputs from memory and writes its outputs there."""
    return limit(cost.operations, cost.operations_int8, cost.weights + cost.activations, rates)


def table(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """Print all lines with what they come to in a second of speech; the totals."""
    head = f"{'network':<28}{'runs/s':>8}{'Mop':>9}{'weights MB':>12}{'least MB':>10}"
    head += f"{'limit ms':>10}{'unfused':>9}{'median':>9}{'share':>8}"
    print(f"{head}{'| a second: Gop':>17}{'limit ms':>10}{'taken ms':>10}")
    total = dict.fromkeys(("operations", "limit_seconds", "measured_seconds"), 0.0)
    for name, row in rows.items():
        row["share"] = row["limit_seconds"] / row["measured_seconds"]
        each = {key: row["per_second"] * row[key] for key in total}
        total = {key: total[key] + each[key] for key in total}
        print(
            f"{name:<28}{row['per_second']:>8.2f}{row['operations'] / 1e6:>9.1f}{row['weight_bytes'] / 1e6:>12.2f}"
            f"{row['least_bytes'] / 1e6:>10.2f}{1000 * row['limit_seconds']:>10.3f}{1000 * row['unfused_seconds']:>9.3f}"
            f"{1000 * row['measured_seconds']:>9.3f}{100 * row['share']:>7.0f}%"
            f"{each['operations'] / 1e9:>17.3f}{1000 * each['limit_seconds']:>10.2f}{1000 * each['measured_seconds']:>10.2f}"
        )
    share = total["limit_seconds"] / total["measured_seconds"]
    print(
        f"{'all':<28}{'':>8}{'':>9}{'':>12}{'':>10}{'':>10}{'':>9}{'':>9}{100 * share:>7.0f}%{total['operations'] / 1e9:>17.3f}"
        f"{1000 * total['limit_seconds']:>10.2f}{1000 * total['measured_seconds']:>10.2f}"
    )
    return {**total, "share": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech that are counted (%(default)s)")
    parser.add_argument("--repeats", type=int, default=60, help="of every measured time (%(default)s)")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args()
    recognizer = load(args.pack, "cpu")
    settings = recognizer.settings()
    warm_up = 2 * to_seconds(settings.window)
    card = machine_card()
    print(json.dumps(card))
    print(
        f"pack {recognizer.pack.name} {recognizer.pack.version}, step {to_seconds(settings.step)} s, window "
        f"{to_seconds(settings.window)} s, {args.seconds:g} s of {described()}, after {warm_up:g} s of warm-up; times are "
        f"medians of {args.repeats} runs after {WARM_RUNS}, on one thread",
        flush=True,
    )
    watch = watch_speech(recognizer, continuous_speech(warm_up + args.seconds), warm_up)
    every = all_threads()
    peaks = [measure(threads) for threads in sorted({1, every})]
    print(f"\nPeak, onnxruntime's products of {SIZES} squared, and numpy's copy of {COPIED / 1e6:.0f} MB (read + written)")
    for rates in peaks:
        print(
            f"  {rates.threads} thread(s): float32 {rates.float32 / 1e9:.0f} Gop/s, int8 {rates.int8 / 1e9:.0f} Gop/s, "
            f"memory {rates.bandwidth / 1e9:.1f} GB/s"
        )
    print("\nOf one run, then of a second of speech; decoder.onnx: a run a token, cross.onnx: a run a decoding")
    rows = {
        Path(path).name: graph_row(runs, path, args.seconds, peaks[0], args.repeats) for path, runs in sorted(watch.runs.items())
    }
    total = table(rows)
    if args.plot:
        draw(rows, args.plot)
    peak = {str(rates.threads): asdict(rates) for rates in peaks}
    report = {"benchmark": "cost", "machine": card, "options": vars(args), "peak": peak, "networks": rows, "a_second": total}
    print(json.dumps(rounded(report)))


def rounded(value: Any) -> Any:
    """Floats to six digits that count, however deep."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def draw(rows: dict[str, dict[str, float]], path: str) -> None:
    """Milliseconds of a second of speech: the limit and what is taken."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4), layout="constrained")
    names = sorted(rows, key=lambda name: rows[name]["per_second"] * rows[name]["measured_seconds"])
    for key, label, height in (("measured_seconds", "measured", 0.8), ("limit_seconds", "limit", 0.4)):
        axes.barh(names, [1000 * rows[name]["per_second"] * rows[name][key] for name in names], height=height, label=label)
    axes.set(xlabel="ms of one thread for a second of speech")
    axes.legend()
    figure.savefig(path, dpi=120)
