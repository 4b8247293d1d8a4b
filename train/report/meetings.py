"""Real talk: how much of the meetings in AMI's development and test excerpts is called emotional, by the whole runtime."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from streamser.events import EmotionEvent, Event
from streamser.recognizer import Recognizer
from streamser.timeline import UNCERTAIN
from train.corpora import data_root
from train.report.context import Context
from train.report.streams import verdict

ORDINARY = ("neutral", UNCERTAIN)
BAR = 0.20


def files() -> list[Path]:
    """The excerpts that teach nothing.

    Raises:
        SystemExit: there are none.
    """
    folder = data_root() / "meetings" / "ami"
    found = sorted([*folder.glob("dev*.flac"), *folder.glob("tst*.flac")])
    if not found:
        raise SystemExit(f"no meetings (dev*.flac, tst*.flac) in {folder}")
    return found


def figures(context: Context) -> dict[str, Any]:
    """Shares of the seconds of speech whose label is neither neutral nor `uncertain`, by file and together."""
    if context.pack is None:
        return {"left_out": "meetings are heard through a whole pack, and only a graph was given"}
    recognizer = Recognizer.load(context.pack)
    steps = {path.name: steps_of(recognizer.recognize(path, transcript=False)) for path in files()}
    everything = [step for found in steps.values() for step in found]
    together = summary(everything)
    return {
        "files": {name: summary(found) for name, found in steps.items()},
        "all": together,
        "bars": {"emotional": {"value": together["emotional"], "bar": BAR, "met": together["emotional"] <= BAR}},
    }


def steps_of(events: Iterable[Event]) -> list[EmotionEvent]:
    """The steps with speech."""
    return [event for event in events if isinstance(event, EmotionEvent) and event.state == "speech"]


def summary(steps: list[EmotionEvent]) -> dict[str, Any]:
    """Figures of some steps. `emotional`: by the stable label, which the time line shows; `emotional_steps`: by each step's own.

    confidence: the median of what is called something else than neutral or `uncertain`, None where nothing is.
    """
    seconds = np.array([step.end - step.start for step in steps])
    total = float(seconds.sum())

    def share(emotional: list[bool]) -> float:
        return round(float(seconds[np.array(emotional, bool)].sum()) / total, 4) if total else 0.0

    sure = [step.confidence for step in steps if step.label not in ORDINARY and step.confidence is not None]
    labels = sorted({str(step.stable_label) for step in steps})
    return {
        "seconds": round(total, 2),
        "emotional": share([step.stable_label not in ORDINARY for step in steps]),
        "emotional_steps": share([step.label not in ORDINARY for step in steps]),
        "uncertain": share([step.stable_label == UNCERTAIN for step in steps]),
        "confidence": round(float(np.median(sure)), 3) if sure else None,
        "labels": {label: share([step.stable_label == label for step in steps]) for label in labels},
    }


def markdown(figures: dict[str, Any]) -> str:
    """A table, a row a file."""
    heading = "### Real talk: meetings\n\n"
    if "left_out" in figures:
        return f"{heading}Left out: {figures['left_out']}.\n"
    bar = figures["bars"]["emotional"]
    lines = [
        "| AMI excerpt | speech, s | emotional | of single steps | `uncertain` | median confidence of the emotional |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in [*figures["files"].items(), ("all", figures["all"])]:
        sure = "" if found["confidence"] is None else f"{found['confidence']:.2f}"
        shares = " | ".join(f"{100 * found[key]:.1f} %" for key in ("emotional", "emotional_steps", "uncertain"))
        lines.append(f"| {name} | {found['seconds']:.1f} | {shares} | {sure} |")
    return "\n".join(
        [
            heading + "Share of the seconds of speech whose stable label is neither neutral nor `uncertain`, by the whole runtime",
            "without words; beside it the same of single steps.",
            "",
            *lines,
            "",
            f"At most {100 * bar['bar']:.0f} % emotional: {verdict(bar)}, {100 * bar['value']:.1f} %.",
            "",
        ]
    )
