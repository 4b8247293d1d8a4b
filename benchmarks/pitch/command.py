"""`python -m benchmarks.pitch`: our pitch beside its peers on recorded and on resynthesised speech, clean, noisy, by telephone.

Data: FDA-UE (F0 from a laryngograph) and WORLD resynthesis of unseen speakers (`material.py`). Every tracker, ours too,
has one constant time shift fitted on clean resynthesised speech and one voicing threshold for all conditions fitted on
FDA-UE's even files; FDA-UE's odd files and the whole resynthesised set are scored. Overall accuracy (right pitch and right
flag over all frames) is the primary figure. Raw pitch accuracy ignores the flag, which favours trackers that guess
everywhere: Praat and WORLD have no guess where they say unvoiced. The peers' tracks are kept in the cache.
`pip install streamser[train,benchmark]` installs them, but for two that would bring torchaudio along:
`pip install --no-deps torchcrepe==0.0.24 penn==0.0.5 yapecs`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np

from benchmarks.pitch.material import CONDITIONS
from benchmarks.pitch.reading import FDA, SYNTHETIC, Reading, Speech, read
from benchmarks.pitch.scores import Flags, Measures, agreed, mean_of, measures
from benchmarks.pitch.trackers import all_trackers
from benchmarks.pitch.tracks import costs
from benchmarks.pitch.verdicts import MEAN, Difference, differences, overall, verdicts
from train.machine import machine_card

COST_FILES = 12
Rows = dict[str, dict[str, dict[str, float]]]  # by tracker, condition and measure
HEADS = ("RPA", "RCA", "octave", "VP", "VR", "VF1", "OA", "cents")


def _cells(row: Measures) -> str:
    *parts, cents = astuple(row)
    return " ".join(f"{100 * part:6.2f}" for part in parts) + f" {cents:6.1f}"


def print_measures(readings: list[Reading], speech: Speech, name: str, ahead: dict[tuple[str, str], Difference]) -> Rows:
    """A table for each condition and for their mean; the same as numbers by tracker and condition."""
    found: dict[str, dict[str, Measures]] = {}
    for reading in readings:
        rows = {condition: measures(*reading.tallies(speech, name, condition)) for condition in CONDITIONS}
        found[reading.tracker.name] = {**rows, MEAN: mean_of(list(rows.values()))}
    for condition in (*CONDITIONS, MEAN):
        print(f"\n{name}, {condition}\n{'':16} " + " ".join(f"{head:>6}" for head in HEADS) + "  ours minus its OA [95 %]")
        for tracker, rows in found.items():
            difference = ahead.get((tracker, condition))
            print(f"{tracker:16} {_cells(rows[condition])}" + (f"  {difference}" if difference else ""))
    return {
        tracker: {condition: {key: round(value, 4) for key, value in asdict(row).items()} for condition, row in rows.items()}
        for tracker, rows in found.items()
    }


def print_summary(readings: list[Reading], rows: Rows, spent: dict[str, float], name: str) -> None:
    """Overall accuracy by condition, and what each tracker is and costs."""
    columns = (*CONDITIONS, MEAN)
    print(f"\n{name}, overall accuracy, %\n{'':16} " + " ".join(f"{head:>9}" for head in columns), end="")
    print(f" {'look-ahead':>12} {'shift':>7} {'threshold':>10} {'ms/s':>7} {'ours/its':>8}")
    mine = spent[readings[0].tracker.name]
    for reading in readings:
        tracker = reading.tracker
        cells = " ".join(f"{100 * rows[tracker.name][column]['overall']:9.2f}" for column in columns)
        reach = "whole file" if tracker.look_ahead_ms is None else f"{tracker.look_ahead_ms:.0f} ms"
        level = f"{tracker.thresholds[reading.level]:.2f}" if len(tracker.thresholds) > 1 else "none"
        cost = spent[tracker.name]
        print(f"{tracker.name:16} {cells} {reach:>12} {1000 * reading.shift:+4.0f} ms {level:>10} {cost:7.1f} {mine / cost:8.2f}")


def agreed_frames(readings: list[Reading], speech: Speech) -> dict[int, Flags] | None:
    """Frames of FDA-UE's scored files where swift-f0, Praat and one of WORLD's agree in the clean recording.

    Kept are frames that the reference calls voiced where they lie within 25 cents of each other, and frames that it calls
    unvoiced where all three do: so ours has no say, and most errors of the reference are left out. None without the three.
    """
    by_name = {reading.tracker.name: reading for reading in readings}
    thirds = [name for name in ("dio", "harvest") if name in by_name]
    if not thirds or not {"swift-f0", "praat ac"} <= set(by_name):
        return None
    masks = {}
    for index in speech.scored(FDA):
        truth = speech.sets[FDA][index].truth > 0
        masks[index] = np.zeros(len(truth), dtype=bool)
        for third in thirds:
            voiced, silent = agreed([by_name[name].decided(FDA, "clean", index) for name in ("swift-f0", "praat ac", third)])
            masks[index] |= np.where(truth, voiced, silent)
    return masks


def print_agreed(readings: list[Reading], speech: Speech) -> dict[str, dict[str, float]]:
    """Overall and raw pitch accuracy where three trackers agree."""
    masks = agreed_frames(readings, speech)
    if masks is None:
        print("\nno table of agreed frames: swift-f0, Praat and WORLD are needed for it")
        return {}
    kept = np.concatenate(list(masks.values()))
    voiced = np.concatenate([speech.sets[FDA][index].truth > 0 for index in masks])
    print("\nFDA-UE where swift-f0, Praat and one of WORLD's agree in the clean recording", end=" ")
    print(f"({100 * kept[voiced].mean():.0f} % of the voiced and {100 * kept[~voiced].mean():.0f} % of the unvoiced frames)")
    print("overall accuracy / raw pitch accuracy, %")
    print(f"{'':16} " + " ".join(f"{head:>13}" for head in CONDITIONS))
    found = {}
    for reading in readings:
        rows = [measures(*reading.tallies(speech, FDA, condition, masks)) for condition in CONDITIONS]
        print(f"{reading.tracker.name:16} " + " ".join(f"{100 * row.overall:6.2f}/{100 * row.raw_pitch:6.2f}" for row in rows))
        found[reading.tracker.name] = {condition: round(row.overall, 4) for condition, row in zip(CONDITIONS, rows, strict=True)}
    return found


def main() -> int:
    """Print the tables and verdicts, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pitch", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("streamser/packs/default/pitch.onnx"))
    parser.add_argument("--limit", type=int, help="so many utterances of FDA-UE, at least 4, and half as many others")
    parser.add_argument("--picture", type=Path, help="draw an utterance of each speaker of FDA-UE into this PNG")
    parser.add_argument("--without", metavar="NAMES", default="", help="peers to leave out, with commas: harvest is slow")
    args = parser.parse_args()
    if args.limit is not None and args.limit < 4:
        parser.error("--limit needs at least 4: even files to fit thresholds on and odd ones to score")
    if args.picture and importlib.util.find_spec("matplotlib") is None:
        parser.error("--picture needs matplotlib: pip install streamser[benchmark]")
    if args.picture and (args.picture.suffix != ".png" or not args.picture.parent.is_dir()):
        parser.error(f"--picture takes a .png in a folder that exists, not {args.picture}")
    if not args.model.is_file():
        parser.error(f"there is no file {args.model}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    trackers, missing = all_trackers(args.model, args.without.split(",") if args.without else ())
    speech = Speech.load(args.limit)
    readings = [read(tracker, speech) for tracker in trackers]
    ours = readings[0].tracker.name
    clean = [speech.heard[FDA, "clean"][index] for index in speech.scored(FDA)]
    spent = costs(trackers, clean[:COST_FILES])

    for name, utterances in speech.sets.items():
        seconds = sum(len(audio) for audio in speech.heard[name, "clean"]) / 16000
        print(f"{name}: {len(utterances)} utterances, {seconds:.0f} s, {len(speech.scored(name))} scored")
    print(*missing, sep="\n")
    results, lines = {}, []
    for name in (SYNTHETIC, FDA):
        accuracy = overall(readings, speech, name)
        ahead = differences(accuracy, ours)
        results[name] = print_measures(readings, speech, name, ahead)
        print_summary(readings, results[name], spent, name)
        if name == FDA and len(readings) > 1:
            lines = verdicts(readings, accuracy, ahead)
    agreement = print_agreed(readings, speech)
    print("\nbars, on FDA-UE's odd files (look-ahead as built; the fitted shift adds to it)")
    for line, met in lines:
        print(f"{'met    ' if met else 'not met'} {line}")
    if args.picture:
        from benchmarks.pitch.picture import draw

        draw(args.picture, readings, speech)
    report = {
        "benchmark": "pitch",
        "model": args.model.name,
        "results": results,
        "agreed_frames": agreement,
        "trackers": {
            reading.tracker.name: {
                "look_ahead_ms": reading.tracker.look_ahead_ms,
                "shift_ms": round(1000 * reading.shift),
                "threshold": reading.tracker.thresholds[reading.level],
                "ms_per_second": round(spent[reading.tracker.name], 2),
            }
            for reading in readings
        },
        "not_run": missing,
        "verdicts": [{"bar": line, "met": met} for line, met in lines],
        "machine": machine_card(),
    }
    print(json.dumps(report))
    return 0
