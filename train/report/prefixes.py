"""How soon the decision is there: its score after a little speech of a clip, relative to the whole clip's.

A decision is made of the steps up to that point only. At a point count the clips with that much speech, each twice: as decided by
then and as decided in the end. Steps come every half second, so that a stream has heard up to that much less than the point
says; beside it the decision of the next step, which has heard a little more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.corpora import TRAINING_CORPORA
from train.features import Collection
from train.fusion.decide import Decisions, EmittedDecisions
from train.metrics import macro_f1
from train.report.context import Context, Outputs
from train.report.tables import bar, bars_list, joined, percent, rows_of

POINTS = (0.5, 1.0, 1.5, 2.0)  # seconds of speech
BARS = {1.0: 0.85, 1.5: 0.94}
LONG = 1.5  # seconds of speech of the clips that count at all points of the second table
FRAME = 0.032  # seconds, of the voice activity detector: a point is not missed by one
FEW = 20  # clips of a corpus, for its score to count


@dataclass(frozen=True)
class Spoken:
    """The rows of a collection with the seconds of speech heard by each, float [rows]: the most that its clip's rows so far had in
    their windows; and of whole clips, float [clips]."""

    context: Context
    collection: Collection
    so_far: np.ndarray
    of_clip: np.ndarray

    @classmethod
    def of(cls, context: Context, collection: Collection) -> Spoken:
        inputs = context.inputs(collection)
        so_far, of_clip = np.zeros(len(inputs)), np.zeros(len(inputs.clip_label))
        for row in np.lexsort((inputs.now, inputs.clip)):
            of_clip[inputs.clip[row]] = so_far[row] = max(of_clip[inputs.clip[row]], inputs.heard[row])
        return cls(context, collection, so_far, of_clip)

    def up_to(self, point: float, next_step: bool) -> np.ndarray:
        """bool [rows]: those that have heard at most so much; with `next_step` also the first of each clip that has heard more."""
        rows = self.so_far <= point + FRAME
        if next_step:
            inputs = self.context.inputs(self.collection)
            order = np.lexsort((inputs.now, inputs.clip))
            later = order[~rows[order] & (self.so_far[order] > point)]
            _, first = np.unique(inputs.clip[later], return_index=True)
            short = np.zeros(len(self.of_clip))
            np.maximum.at(short, inputs.clip[rows], self.so_far[rows])
            chosen = later[first]
            rows[chosen[short[inputs.clip[chosen]] < point]] = True
        return rows

    def decided(self, rows: np.ndarray) -> tuple[EmittedDecisions, Decisions]:
        """What is emitted about every clip, and the argmax, from some rows."""
        inputs, cold = self.context.inputs(self.collection), self.context.cold(self.collection)
        chosen = Outputs(cold.members[:, rows], cold.known[rows], cold.statistics[rows], cold.voice[rows])
        given = (chosen, inputs.heard[rows], inputs.clip[rows], len(inputs.clip_label))
        return self.context.emitted_of(*given), self.context.decided(*given)


def figures(context: Context, split: str = "test") -> dict[str, Any]:
    """Scores by point, relative to whole clips; of the clips with that much speech, and of those with at least 1.5 s.

    Raises:
        SystemExit: the features of a corpus have not been made.
    """
    parts = [Spoken.of(context, Collection(corpus, split)) for corpus in TRAINING_CORPORA]
    found = {f"{point:g}": at(parts, point, point) for point in POINTS}
    long = {f"{point:g}": at(parts, point, LONG) for point in POINTS}
    bars = {}
    for point, least in BARS.items():
        entry = found[f"{point:g}"]
        if entry["ratio"] is not None:
            beside = {"argmax": entry["argmax_ratio"], "at the next step": entry["next_ratio"]}
            bars[f"after {point:g} s of speech"] = bar(entry["ratio"], least, **beside)
    return {"split": split, "points": found, "long": long, "bars": bars}


def at(parts: Sequence[Spoken], point: float, least: float) -> dict[str, Any]:
    """The scores at a point, means over the corpora with enough clips; least: seconds of speech of a clip that counts."""
    rows: list[list[float]] = []
    clips: dict[str, int] = {}
    heard: list[np.ndarray] = []
    for part in parts:
        chosen = np.flatnonzero(part.of_clip >= least)
        clips[part.collection.corpus] = len(chosen)
        if len(chosen) < FEW:
            continue
        truth = part.context.inputs(part.collection).clip_label[chosen]
        by_then = part.up_to(point, False)
        seconds = np.zeros(len(part.of_clip))
        np.maximum.at(seconds, part.context.inputs(part.collection).clip[by_then], part.so_far[by_then])
        heard.append(seconds[chosen])
        decisions = [
            part.decided(by_then),
            part.decided(part.up_to(point, True)),
            part.decided(np.ones(len(part.so_far), bool)),
        ]
        rows.append([macro_f1(truth, one.labels()[chosen]) for pair in decisions for one in pair])
    if not rows:
        nothing = dict.fromkeys(("ratio", "argmax_ratio", "next_ratio", "score", "whole", "heard"))
        return {**nothing, "clips": clips}
    score, argmax, later, _, whole, whole_argmax = np.mean(rows, 0).tolist()
    return {
        "ratio": share(score, whole),
        "argmax_ratio": share(argmax, whole_argmax),
        "next_ratio": share(later, whole),
        "score": round(score, 4),
        "whole": round(whole, 4),
        "heard": round(float(np.mean([seconds.mean() for seconds in heard])), 2),
        "clips": clips,
    }


def share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    return joined(
        [
            "### After a little speech",
            f"Macro-F1 of what is emitted, a mean over corpora, {figures['split']} speakers, from the steps up to a point of a "
            "clip only, and its share of the whole clips' score; the same clips on both sides. Steps come every half second: "
            "`heard` is what had been heard on average, `next step` the share once the step that reaches the point has come.",
            table(figures["points"]),
            f"Only clips with at least {LONG:g} s of speech:",
            table(figures["long"]),
            f"A corpus with fewer than {FEW} clips at a point does not count there.",
            bars_list(figures["bars"]),
        ]
    )


def table(points: dict[str, Any]) -> str:
    rows = []
    for point, found in points.items():
        counts = ", ".join(f"{corpus} {count}" for corpus, count in found["clips"].items())
        if found["ratio"] is None:
            rows.append([f"{point} s", *[""] * 6, counts])
            continue
        scores = [f"{found['heard']:.2f} s", f"{found['score']:.3f}", f"{found['whole']:.3f}"]
        shares = [percent(found[name]) for name in ("ratio", "argmax_ratio", "next_ratio")]
        rows.append([f"{point} s", *scores, *shares, counts])
    return rows_of(["speech", "heard", "by then", "whole clips", "share", "by argmax", "next step", "clips"], rows)
