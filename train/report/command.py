"""`python -m train report`: everything that is to be known of a fusion graph, written down; the last line is the agreed measure.

Sections run one after another and are saved as soon as they are done: a run that was stopped goes on, and a section is measured
again only for another graph or other thresholds, when sealed corpora are to be opened as well, or with --again. Corpora
never trained on are opened with --sealed alone, and every look is logged in docs/sealed_looks.jsonl.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamser.packs.resolve import find_pack
from train.baselines import BASELINES
from train.corpora import EVALUATION_CORPORA, LABELS
from train.features import PACK, sealed_collection
from train.machine import machine_card
from train.report import (
    accuracy,
    calibration,
    card,
    enrolment,
    fairness,
    meetings,
    nonspeech,
    prefixes,
    probe,
    robustness,
    streams,
)
from train.report.context import Context
from train.scores import DOCS, commit, fusion_hash, record_look

REPORT = DOCS / "report"  # .md and .json

Figures = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is measured: the graph, others of its recipe, the sealed corpora that may be opened, and what stands beside: baselines,
    and those in the accuracy of a report of before."""

    context: Context
    seeds: tuple[Context, ...]
    sealed: tuple[str, ...]
    baselines: tuple[str, ...] = BASELINES
    before: Figures | None = None


@dataclass(frozen=True)
class Section:
    """A part of the report. look: by sealed corpus, what was measured on it, each with its `score`; None where none is opened.
    sealed_only: there is nothing to it without them."""

    figures: Callable[[Asked], Figures]
    markdown: Callable[[Figures], str]
    look: Callable[[Figures], dict[str, Any]] | None = None
    sealed_only: bool = False
    seeds: bool = False


def _look_accuracy(found: Figures) -> dict[str, Any]:
    return {corpus: entry["systems"] for corpus, entry in found["corpora"].items()}


def _look_calibration(found: Figures) -> dict[str, Any]:
    return {corpus: {"calibration error": {"score": entry["error"]}} for corpus, entry in found["sealed"]["corpora"].items()}


def _look_streams(found: Figures) -> dict[str, Any]:
    kinds = found.get("kinds", {})
    return {
        corpus: {f"after 30 s, {kind}": {"score": kinds[kind]["by_corpus"][corpus]["after"]} for kind in kinds}
        for corpus in next(iter(kinds.values()), {"by_corpus": {}})["by_corpus"]
    }


def _look_fairness(found: Figures) -> dict[str, Any]:
    tests = {test["corpus"]: test["uar"] for test in found["language"]["tests"]}
    return {corpus: {"fairness": {"score": tests.get(corpus)}} for corpus in found["sealed"]}


SECTIONS: dict[str, Section] = {
    "accuracy": Section(
        lambda asked: accuracy.figures(asked.context, asked.seeds, asked.sealed, asked.baselines, asked.before),
        accuracy.markdown,
        _look_accuracy,
        seeds=True,
    ),
    "prefixes": Section(lambda asked: prefixes.figures(asked.context), prefixes.markdown),
    "calibration": Section(lambda asked: calibration.figures(asked.context, asked.sealed), calibration.markdown, _look_calibration),
    "streams": Section(lambda asked: streams.figures(asked.context), streams.markdown),
    "sealed-streams": Section(
        lambda asked: streams.sealed_figures(asked.context, [sealed_collection(corpus) for corpus in asked.sealed]),
        streams.sealed_markdown,
        _look_streams,
        sealed_only=True,
    ),
    "enrolment": Section(lambda asked: enrolment.figures(asked.context), enrolment.markdown),
    "meetings": Section(lambda asked: meetings.figures(asked.context), meetings.markdown),
    "nonspeech": Section(lambda asked: nonspeech.figures(asked.context), nonspeech.markdown),
    "fairness": Section(lambda asked: fairness.figures(asked.context, asked.sealed), fairness.markdown, _look_fairness),
    "robustness": Section(lambda asked: robustness.figures(asked.context), robustness.markdown),
    "probe": Section(lambda asked: probe.figures(asked.context), probe.markdown),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pack", default=str(PACK), help="a pack's name or folder (default: the default pack)")
    which.add_argument(
        "--graph", type=Path, help="a fusion graph instead, with its fusion.json; leaves out what needs a whole pack"
    )
    parser.add_argument("--graphs", type=Path, nargs="+", default=[], metavar="GRAPH", help="the same recipe by other seeds")
    parser.add_argument("--sections", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--sealed", action="store_true", help="open the corpora that were never trained on; the look is logged")
    beside = parser.add_mutually_exclusive_group()
    beside.add_argument("--baselines", nargs="+", choices=BASELINES, default=list(BASELINES), help="that stand beside (all)")
    beside.add_argument(
        "--baselines-of", type=Path, metavar="REPORT.json", help="take the baselines' figures from a report that has them"
    )
    parser.add_argument("--again", action="store_true", help="measure the sections again that are there")
    parser.add_argument("-o", "--output", type=Path, default=REPORT, help="of the files, without .md and .json (%(default)s)")


def run(args: argparse.Namespace) -> int:
    asked = asked_of(args)
    report = opened(args.output.with_suffix(".json"), asked.context)
    missing = []
    for name in args.sections:
        section = SECTIONS[name]
        if section.sealed_only and not asked.sealed:
            continue
        entry = report["sections"].get(name)
        if args.again or entry is None or not covers(entry, asked, section):
            print(f"\n{name}: from {datetime.datetime.now():%H:%M} on", flush=True)
            try:
                entry = measured(section, asked)
            except SystemExit as error:
                missing.append(f"{name}: {error}")
                continue
            report["sections"][name] = entry
            save(args.output, report)
        print(f"\n{entry['markdown']}", flush=True)
    save(args.output, report)
    for line in missing:
        print(f"not measured: {line}", flush=True)
    print(json.dumps(card.last_line(report)))
    return 1 if missing else 0


def asked_of(args: argparse.Namespace) -> Asked:
    """Opens the graphs.

    Raises:
        SystemExit: a graph has no fusion.json, or tells apart other labels than the default pack.
    """
    if args.graph:
        context = Context(args.graph)
    else:
        pack = find_pack(args.pack)
        context = Context(pack.file("fusion"), pack.folder)
    sealed = EVALUATION_CORPORA if args.sealed else ()
    before = None if args.baselines_of is None else baselines_in(args.baselines_of)
    baselines = () if before else tuple(args.baselines)
    found = Asked(context, tuple(Context(graph) for graph in args.graphs), sealed, baselines, before)
    for entry in (found.context, *found.seeds):
        if entry.labels != LABELS:
            raise SystemExit(
                f"{entry.graph} tells apart {', '.join(entry.labels)}, the corpora of the report {', '.join(LABELS)}: "
                "measure it with `python -m train evaluate --manifest` on your own data"
            )
    return found


def baselines_in(path: Path) -> Figures:
    """The accuracy of a report.

    Raises:
        SystemExit: it is no report, or has no accuracy.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["sections"]["accuracy"]["figures"]
        return {name: found[name] for name in ("baselines", "corpora")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is no report with a section on accuracy ({error!r})") from None


def measured(section: Section, asked: Asked) -> dict[str, Any]:
    """The figures of one section, with what they were measured on; a look at sealed corpora is logged."""
    began = time.monotonic()
    found = section.figures(asked)
    if asked.sealed and section.look is not None:
        record_look(plain(section.look(found)), asked.context.graph)
    return {
        "sealed": bool(asked.sealed and section.look is not None),
        "seeds": keys(asked) if section.seeds else [],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seconds": round(time.monotonic() - began),
        "figures": plain(found),
        "markdown": section.markdown(found),
    }


def covers(entry: dict[str, Any], asked: Asked, section: Section) -> bool:
    """Whether what was measured before holds all that is asked for."""
    opened_all = entry["sealed"] or not asked.sealed or section.look is None
    return opened_all and (not section.seeds or entry["seeds"] == keys(asked) or not asked.seeds)


def keys(asked: Asked) -> list[str]:
    return [key(context) for context in asked.seeds]


def key(context: Context) -> str:
    """Names a graph and what was told beside it: thresholds and the prior change figures, too."""
    told = json.dumps(context.told, sort_keys=True)
    return hashlib.sha256(context.graph.read_bytes() + told.encode()).hexdigest()[:12]


def opened(path: Path, context: Context) -> dict[str, Any]:
    """The report with the sections of this graph that a run before measured; a new one where there are none.

    Raises:
        SystemExit: there is a file, but it is no report.
    """
    head: dict[str, Any] = {
        "measures": "report",
        "graph": {"key": key(context), "fusion": fusion_hash(context.graph), "members": context.told.get("members", [])},
        "machine": machine_card(),
        "commit": commit(),
    }
    sections: dict[str, Any] = {}
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            if before["graph"]["key"] == head["graph"]["key"]:
                sections = before["sections"]
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"{path} is no report ({error!r}): move it away, or name another file with -o") from None
    return {**head, "sections": sections}


def save(output: Path, report: dict[str, Any]) -> None:
    """Both files, whole or not at all."""
    report["sections"] = {name: report["sections"][name] for name in SECTIONS if name in report["sections"]}
    report["agreed"] = card.agreed(report)
    output.parent.mkdir(parents=True, exist_ok=True)
    written = {".json": json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n", ".md": card.document(report)}
    for suffix, text in written.items():
        part = output.with_suffix(f"{suffix}.part")
        part.write_text(text, encoding="utf-8")
        part.rename(output.with_suffix(suffix))


def plain(value: Any) -> Any:
    """As JSON has it: numbers of numpy as Python's, what is not finite as null."""
    if isinstance(value, dict):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
