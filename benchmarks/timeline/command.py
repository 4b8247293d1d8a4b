"""`python -m benchmarks.timeline`: does the time line say when an emotion changes, and only then?

Streams composed of clips of one speaker, some of two (`test.json`, `validation.json`; `--compose` draws them again from a fixed
seed). The real recogniser, without a transcript, hears each once; what it says of every step before the time line is kept in the
cache. What is made of it is compared in one table: our time line, as shown at every step and as its transitions are dated; argmax
of the same posteriors; the same, `uncertain` where a step is; whole utterances. docs/metrics.md defines every column. The bars are
judged on all variants together; the loss of macro-F1 is the dated time line's, against plain argmax: its labels are decided up to
`delay` later.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.timeline.compose import compose
from benchmarks.timeline.lines import SYSTEMS, all_lines
from benchmarks.timeline.plans import VARIANTS, Plan, check_files, read_plans, write_plans
from benchmarks.timeline.posteriors import posteriors
from benchmarks.timeline.scores import Counts, count, summary
from benchmarks.timeline.truth import truth_of
from streamser.clock import SAMPLE_RATE
from streamser.recognizer import Recognizer
from train.corpora import TRAINING_CORPORA
from train.machine import machine_card

HERE = Path(__file__).parent
SPLITS = ("test", "validation")
LIVE, DATED, ARGMAX = SYSTEMS[:3]
ALL = "all streams"
HEADING = (
    f"{'':22}{'F1':>6}{'EDER':>7}{'speech':>8}{'flips':>7}{'true':>6}{'flips per':>11}{'first':>8}{'delay of':>10}{'missed':>8}\n"
    f"{'':22}{'':6}{'':7}{'only':>8}{'a min':>7}{'':6}{'change':>11}{'right':>8}{'a change':>10}{'':>8}"
)

Scores = dict[str, dict[str, dict[str, float]]]  # by group of streams and system
Counted = list[tuple[Plan, dict[str, Counts]]]


@dataclass(frozen=True)
class Verdict:
    """A bar and what was measured against it; `least`: whether it is a floor."""

    bar: str
    measured: float
    wanted: float
    least: bool = False

    @property
    def reached(self) -> bool:
        return self.measured >= self.wanted if self.least else self.measured <= self.wanted

    def __str__(self) -> str:
        bound = "least" if self.least else "most"
        return f"{'reached' if self.reached else 'MISSED':8} {self.bar}: {self.measured:.2f}, wanted at {bound} {self.wanted:g}"


def verdicts(scores: dict[str, dict[str, float]]) -> list[Verdict]:
    """The bars, for all streams together; scores: by system."""
    live, dated, argmax = scores[LIVE], scores[DATED], scores[ARGMAX]
    fewer = 100 * (1 - live["flips_per_minute"] / argmax["flips_per_minute"])
    return [
        Verdict("flips per true change", live["flips_per_change"], 1.5),
        Verdict("per cent fewer flips than argmax", fewer, 60.0, least=True),
        Verdict("points of frame-level macro-F1 lost against argmax", 100 * (argmax["macro_f1"] - dated["macro_f1"]), 0.5),
        Verdict("median delay of a true change in seconds", live["delay"], 1.5),
        Verdict("median seconds of speech until the first correct label", live["first_correct"], 1.2),
    ]


def measure(plans: list[Plan], delay: float | None) -> Scores:
    """Hear every stream, or read what was heard, and score all systems; delay in seconds, the pack's where None."""
    check_files(plans)
    recognizer = Recognizer.load()
    samples = recognizer.settings(delay=delay, transcript=False).delay
    counted: Counted = []
    for plan in plans:
        heard = posteriors(plan, recognizer)
        truth = truth_of(plan)
        labels = [str(label) for label in heard.labels]
        lines = all_lines(heard, samples)
        counted.append((plan, {system: count(line, truth, labels) for system, line in lines.items()}))
    groups = {ALL: counted}
    groups |= {variant: [each for each in counted if each[0].variant == variant] for variant in VARIANTS}
    groups |= {corpus: [each for each in counted if each[0].corpus == corpus] for corpus in TRAINING_CORPORA}
    return {
        name: {system: summary([(plan.corpus, by_system[system]) for plan, by_system in group]) for system in SYSTEMS}
        for name, group in groups.items()
    }


def report(scores: Scores) -> str:
    """The table, a block a group of streams."""
    lines = [HEADING]
    for group, by_system in scores.items():
        lines.append(group)
        for system, each in by_system.items():
            lines.append(
                f"  {system:20}{100 * each['macro_f1']:6.1f}{each['eder']:7.3f}{each['eder_speech']:8.3f}"
                f"{each['flips_per_minute']:7.1f}{each['changes_per_minute']:6.1f}{each['flips_per_change']:11.2f}"
                f"{each['first_correct']:8.2f}{each['delay']:10.2f}{100 * each['missed']:7.0f}%"
            )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timeline", description=__doc__)
    parser.add_argument("--split", choices=SPLITS, default="test", help="test: speakers that nothing was chosen on")
    parser.add_argument("--delay", type=float, help="of the time line, in seconds (default: the pack's)")
    parser.add_argument("--compose", action="store_true", help="draw the streams again and write their lists; nothing is measured")
    args = parser.parse_args()
    if args.compose:
        for split in SPLITS:
            write_plans(HERE / f"{split}.json", compose(split))
        return 0
    plans = read_plans(HERE / f"{args.split}.json")
    scores = measure(plans, args.delay)
    minutes = sum(plan.length for plan in plans) / SAMPLE_RATE / 60
    print(f"{args.split}: {len(plans)} streams, {minutes:.0f} minutes, {sum(truth_of(plan).changes for plan in plans)} changes")
    print(report(scores))
    judged = verdicts(scores[ALL])
    print("\n".join(["", f"the bars, on {ALL}", *(f"  {verdict}" for verdict in judged)]))
    line = {
        "benchmark": "timeline",
        "machine": machine_card(),
        "split": args.split,
        "delay": args.delay,
        "streams": len(plans),
        "minutes": round(minutes, 1),
        "scores": {
            group: {system: {name: round(value, 4) for name, value in each.items()} for system, each in by_system.items()}
            for group, by_system in scores.items()
        },
        "verdicts": [{**asdict(verdict), "reached": verdict.reached} for verdict in judged],
    }
    print(json.dumps(line))
    return 0
