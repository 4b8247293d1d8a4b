"""Whether confidences are what they say, on speakers and corpora that nothing was fitted to; and what `uncertain` is worth.

Whole clips with speech, each a fresh stream. `probability` is the winner's posterior; `confidence` is what the events carry and
what the threshold is held against: lower where members disagree or where it may be no speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.features import Collection, sealed_collection
from train.fusion.decide import ensemble_posteriors
from train.metrics import calibration_error, confidence_error
from train.report.context import Context
from train.report.streams import points
from train.report.tables import bar, bars_list, joined, percent, rows_of
from train.scores import FOUR

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
AT = 0.7
UNSEEN_BAR, SEALED_BAR, GAIN_BAR = 0.05, 0.12, 0.08
DRAWS = 50  # of honest answers, for the error that chance alone leaves


@dataclass(frozen=True)
class Answered:
    """Decisions about the clips with speech of one corpus, [n] each. steps: the error of single steps' posteriors, if asked for."""

    corpus: str
    truth: np.ndarray
    decided: np.ndarray
    probability: np.ndarray
    confidence: np.ndarray
    steps: float | None = None

    @property
    def right(self) -> np.ndarray:
        return self.truth == self.decided


def figures(context: Context, sealed: Sequence[str] = ()) -> dict[str, Any]:
    """Calibration errors, risk and macro-F1 by coverage, the share of `uncertain`, and the promised coverage with the observed.

    Args:
        context: the graph.
        sealed: corpora that are opened besides (the caller logs the look): clips of four labels, with those to choose from.

    Raises:
        SystemExit: the features of a corpus have not been made.
    """
    below = float(context.told["utterance_uncertain_below"])
    unseen = together([answered(context, Collection(corpus, "test")) for corpus in TRAINING_CORPORA], below)
    gain = unseen["coverage"][f"{AT:g}"]["macro_f1"] - unseen["coverage"]["1"]["macro_f1"]
    found: dict[str, Any] = {
        "uncertain_below": below,
        "promised": context.told.get("coverage"),
        "unseen": unseen,
        "bars": {
            "calibration error, unseen speakers": bar(
                unseen["error"], UNSEEN_BAR, at_most=True, strictly=True, **{"of the confidence": unseen["confidence_error"]}
            ),
            f"macro-F1 at {AT:.0%} coverage, gain": bar(gain, GAIN_BAR),
        },
    }
    if sealed:
        opened = [answered(context, sealed_collection(corpus), FOUR) for corpus in sealed]
        whole = [answered(context, sealed_collection(corpus)) for corpus in sealed]
        found["sealed"] = {**together(opened, below), "all_labels": pooled(whole, [one.probability for one in whole])}
        if set(sealed) == set(EVALUATION_CORPORA):
            found["bars"]["calibration error, never trained on"] = bar(
                found["sealed"]["error"],
                SEALED_BAR,
                at_most=True,
                strictly=True,
                **{"of the confidence": found["sealed"]["confidence_error"], "all labels": found["sealed"]["all_labels"]},
            )
    return found


def answered(context: Context, collection: Collection, allowed: Sequence[int] | None = None) -> Answered:
    """What is decided about the clips with speech, among all labels, or some: then of the clips of those labels."""
    inputs = context.inputs(collection)
    columns, decisions, confidence = context.emitted(collection).among(allowed)
    kept = decisions.found & np.isin(inputs.clip_label, columns)
    decided = columns[decisions.log_posteriors.argmax(1)]
    steps = None
    if allowed is None:
        posteriors = np.exp(ensemble_posteriors(context.cold(collection).members + context.prior))
        steps = calibration_error(posteriors, inputs.labels)
    probability = decisions.probabilities().max(1)
    return Answered(collection.corpus, inputs.clip_label[kept], decided[kept], probability[kept], confidence[kept], steps)


def together(parts: Sequence[Answered], below: float) -> dict[str, Any]:
    """The figures of some corpora: each by itself, and all, every corpus counting the same."""
    coverage = {f"{share:g}": at_coverage(parts, share) for share in COVERAGES}
    return {
        "error": pooled(parts, [part.probability for part in parts]),
        "confidence_error": pooled(parts, [part.confidence for part in parts]),
        "by_chance": round(chance_error(parts), 4),
        "uncertain": round(float(np.mean([(part.confidence < below).mean() for part in parts])), 4),
        "observed": round(float(np.mean([(part.confidence >= below).mean() for part in parts])), 4),
        "coverage": coverage,
        "corpora": {part.corpus: alone(part, below) for part in parts},
    }


def alone(part: Answered, below: float) -> dict[str, Any]:
    """The figures of one corpus. uncertain_wrong: of what is called `uncertain`, the part that would have been wrong."""
    unsure = part.confidence < below
    return {
        "clips": len(part.truth),
        "error": round(confidence_error(part.probability, part.right), 4),
        "confidence_error": round(confidence_error(part.confidence, part.right), 4),
        "by_chance": round(chance_error([part]), 4),
        "steps": None if part.steps is None else round(part.steps, 4),
        "right": round(float(part.right.mean()), 4),
        "probability": round(float(part.probability.mean()), 4),
        "uncertain": round(float(unsure.mean()), 4),
        "uncertain_wrong": round(float(1 - part.right[unsure].mean()), 4) if unsure.any() else None,
    }


def pooled(parts: Sequence[Answered], confidences: Sequence[np.ndarray]) -> float:
    """The calibration error of all corpora's clips together, every corpus weighing the same."""
    right = np.concatenate([part.right for part in parts])
    return round(confidence_error(np.concatenate(confidences), right, weights_of(parts)), 4)


def weights_of(parts: Sequence[Answered]) -> np.ndarray:
    return np.concatenate([np.full(len(part.truth), 1 / len(part.truth)) for part in parts])


def chance_error(parts: Sequence[Answered]) -> float:
    """The error that so few clips would show if every probability were exactly right."""
    rng, probability = np.random.default_rng(0), np.concatenate([part.probability for part in parts])
    weights = weights_of(parts)
    draws = [confidence_error(probability, rng.random(len(probability)) < probability, weights) for _ in range(DRAWS)]
    return float(np.mean(draws))


def at_coverage(parts: Sequence[Answered], share: float) -> dict[str, float]:
    """Of each corpus's surest clips: the share that is wrong and the macro-F1, means over corpora."""
    wrong, scores = [], []
    for part in parts:
        surest = np.argsort(-part.confidence, kind="stable")[: max(1, round(share * len(part.truth)))]
        wrong.append(float(1 - part.right[surest].mean()))
        scores.append(surest_macro_f1(part.truth, part.decided, surest))
    return {"wrong": round(float(np.mean(wrong)), 4), "macro_f1": round(float(np.mean(scores)), 4)}


def surest_macro_f1(truth: np.ndarray, decided: np.ndarray, kept: np.ndarray) -> float:
    """Macro-F1 of the kept clips over all labels of the corpus: a label of which nothing is left counts 0, so that turning away a
    whole label gains nothing."""
    scores = []
    for label in np.unique(truth):
        of, called = truth[kept] == label, decided[kept] == label
        scores.append(2 * float((of & called).sum()) / max(1, int(of.sum() + called.sum())))
    return float(np.mean(scores))


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    parts = [
        "### Calibration and `uncertain`",
        "Clips with speech of speakers that nothing was fitted to, with expected calibration errors in 15 bins of equal mass. A "
        "corpus with few clips shows an error by chance alone: what it would show were every probability exactly right stands "
        "beside. Together: corpora weigh the same.",
        table(figures["unseen"]),
    ]
    if "sealed" in figures:
        parts += [
            "Corpora never trained on; four labels, with those to choose from. With all labels to choose from and all clips the "
            f"error is {figures['sealed']['all_labels']:.3f}.",
            table(figures["sealed"]),
        ]
    parts += [
        "Of each corpus's surest clips, by confidence: the share wrong, and macro-F1 over all labels of the corpus (a label of "
        "which nothing is left counts 0); means over corpora.",
        coverage_table(figures),
        guarantee(figures),
        bars_list(figures["bars"]),
    ]
    return joined(parts)


def table(found: dict[str, Any]) -> str:
    rows = []
    for corpus, entry in found["corpora"].items():
        errors = [f"{entry[name]:.3f}" for name in ("error", "by_chance", "confidence_error")]
        steps = "" if entry["steps"] is None else f"{entry['steps']:.3f}"
        wrong = "" if entry["uncertain_wrong"] is None else percent(entry["uncertain_wrong"])
        shares = [f"{entry['right']:.3f}", f"{entry['probability']:.3f}", percent(entry["uncertain"]), wrong]
        rows.append([corpus, str(entry["clips"]), *errors, steps, *shares])
    errors = [f"**{found[name]:.3f}**" for name in ("error", "by_chance", "confidence_error")]
    rows.append(["**together**", "", *errors, "", "", "", percent(found["uncertain"]), ""])
    names = ["error", "by chance", "of the confidence", "of steps", "right", "mean probability", "`uncertain`", "of it wrong"]
    return rows_of(["corpus", "clips", *names], rows)


def coverage_table(figures: dict[str, Any]) -> str:
    rows = []
    for name, title in (("unseen", "unseen speakers"), ("sealed", "never trained on")):
        if name in figures:
            curve = figures[name]["coverage"]
            rows.append([f"{title}, wrong", *(percent(found["wrong"]) for found in curve.values())])
            start = curve["1"]["macro_f1"]
            cells = [f"{found['macro_f1']:.3f} ({points(found['macro_f1'] - start)})" for found in curve.values()]
            rows.append([f"{title}, macro-F1", *cells])
    return rows_of(["coverage", *(percent(share) for share in COVERAGES)], rows)


def guarantee(figures: dict[str, Any]) -> str:
    """What the threshold promises and what came of it."""
    observed = f"{100 * figures['unseen']['observed']:.1f} % of clips of test speakers"
    if "sealed" in figures:
        observed += f" and {100 * figures['sealed']['observed']:.1f} % of those never trained on (four labels to choose from)"
    if figures["promised"] is None:
        return f"The pack promises no coverage; its threshold of {figures['uncertain_below']:.3f} gives a label to {observed}."
    return (
        f"Split conformal: the threshold of {figures['uncertain_below']:.3f} was chosen on validation speakers so that a clip that "
        f"is exchangeable with theirs, corpora weighing the same, is given a label with probability of at least "
        f"{figures['promised']:g}. Other speakers are not quite exchangeable with them, other corpora not at all: "
        f"observed {observed}."
    )
