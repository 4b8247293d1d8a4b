"""Whether a group of speakers fares worse: the fairness tests of audEERING's ser-tests, as far as these corpora allow.

Groups by sex and by a speaker's mean pitch are compared within a corpus, so that no group stands for a corpus; clips are
balanced, so many of every label in every group, because precision depends on how common a label is. What is compared is what
fresh streams emit: `uncertain` is a miss. Languages cannot be told from corpora here: they are compared as corpora, on the
labels that all of them have. A group that is too small is said to be so, and passes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from train.corpora import TRAINING_CORPORA
from train.features import Collection, sealed_collection
from train.metrics import uar
from train.report.context import Context
from train.report.groups import (
    FEW_OF_SPEAKER,
    LANGUAGES,
    LOW_HZ,
    MEDIUM_HZ,
    Clips,
    balanced,
    clips_by,
    language,
    pitch,
    sex,
)
from train.report.published import FAIRNESS, FAIRNESS_LANGUAGES

FEW_CLIPS = 100  # of a group, for UAR: ser-tests' thresholds are what 1000 leave to chance
FEW_OF_LABEL = 30  # of a group that are, or are decided as, a label
FEW_SPEAKERS = 2  # of a group: one person is no group
LIMITS = {  # of the differences, by what is grouped
    "sex": {"UAR": 0.075, "precision of a label": 0.075, "recall of a label": 0.175},
    "pitch": {"UAR": 0.075, "precision of a label": 0.1, "recall of a label": 0.225},
    "language": {"UAR": 0.1},
}


def figures(context: Context, sealed: Sequence[str] = (), split: str = "test") -> dict[str, Any]:
    """All differences with their limits; `sealed`: corpora that are opened besides (the caller logs the look).

    Raises:
        SystemExit: the features of a corpus have not been made.
    """
    collections = [Collection(corpus, split) for corpus in TRAINING_CORPORA] + [sealed_collection(corpus) for corpus in sealed]
    return {
        "split": split,
        "sealed": list(sealed),
        "sex": compared([clips_by(context, entry, sex) for entry in collections], "sex", context.labels),
        "pitch": compared([clips_by(context, entry, pitch) for entry in collections], "pitch", context.labels),
        "language": of_languages(context, collections),
    }


def compared(parts: Sequence[Clips], what: str, labels: Sequence[str]) -> dict[str, Any]:
    """Each group against all, within each corpus that has at least two groups; the differences' means weighted by speakers."""
    several = [balanced(part) for part in parts if len(set(part.group.tolist()) - {""}) > 1]
    several = [part for part in several if len(part.truth)]
    limits = LIMITS[what]
    tests: list[dict[str, Any]] = []
    for group in sorted({name for part in several for name in part.group.tolist()}):
        rows = [(part, part.group == group) for part in several if (part.group == group).any()]
        count = sum(int(mine.sum()) for _, mine in rows)
        speakers = sum(voices(part, mine) for part, mine in rows)
        told = {"group": group, "clips": count, "speakers": speakers}
        enough = count >= FEW_CLIPS and speakers >= FEW_SPEAKERS
        gaps = [uar(part.truth[mine], part.decided[mine]) - uar(part.truth, part.decided) for part, mine in rows]
        by_corpus = {
            part.corpus: {"difference": round(gap, 4), "clips": int(mine.sum()), "speakers": voices(part, mine)}
            for gap, (part, mine) in zip(gaps, rows, strict=True)
        }
        weights = [voices(part, mine) for part, mine in rows]
        tests.append(told | verdict("UAR", "", weighted(gaps, weights), limits["UAR"], enough) | {"by_corpus": by_corpus})
        for number, label in enumerate(labels):
            for measure, of in (("precision of a label", "decided"), ("recall of a label", "truth")):
                gap, size = label_gap(rows, number, of)
                verdicts = verdict(measure, label, gap, limits[measure], size >= FEW_OF_LABEL and speakers >= FEW_SPEAKERS)
                tests.append(told | {"clips": size} | verdicts)
    return {"corpora": [part.corpus for part in several], "tests": tests, "spread": spread(several, labels)}


def label_gap(rows: Sequence[tuple[Clips, np.ndarray]], label: int, of: str) -> tuple[float, int]:
    """How much more often a group's clips that are (`truth`) or are called (`decided`) a label are right; and how many."""
    gaps, weights, size = [], [], 0
    for part, mine in rows:
        chosen = getattr(part, of) == label
        if (chosen & mine).any():
            right = part.truth == part.decided
            gaps.append(float(right[chosen & mine].mean() - right[chosen].mean()))
            weights.append(voices(part, mine))
            size += int((chosen & mine).sum())
    return weighted(gaps, weights), size


def voices(part: Clips, rows: np.ndarray) -> int:
    """How many speakers there are among some clips."""
    return len(set(part.speaker[rows].tolist()))


def weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    return float(np.average(values, weights=weights)) if values else 0.0


def verdict(measure: str, label: str, gap: float, limit: float, enough: bool) -> dict[str, Any]:
    """A test's line; what rests on too little has no verdict (None)."""
    return {
        "measure": measure,
        "label": label,
        "difference": round(gap, 4),
        "limit": limit,
        "passed": bool(abs(gap) < limit) if enough else None,
    }


def spread(parts: Sequence[Clips], labels: Sequence[str]) -> dict[str, float] | None:
    """Equalized odds: by how much groups differ, a mean over labels and corpora; 0 is fair, None without groups.

    hits, false_alarms: the largest minus the smallest share of a label's clips, and of all others, that are called it.
    f1_deviation: the standard deviation of F1 over the groups, which audmetric calls unweighted average bias.
    """
    rows = []
    for part in parts:
        masks = [part.group == group for group in np.unique(part.group)]
        for label in np.unique(part.truth):
            of, called = part.truth == label, part.decided == label
            found = [float(called[mine & of].mean()) for mine in masks]
            wrong = [float(called[mine & ~of].mean()) if (mine & ~of).any() else 0.0 for mine in masks]
            scores = [2 * (mine & of & called).sum() / ((mine & of).sum() + (mine & called).sum()) for mine in masks]
            rows.append((max(found) - min(found), max(wrong) - min(wrong), float(np.std(scores))))
    if not rows:
        return None
    hits, alarms, deviation = (round(float(np.mean(column)), 4) for column in zip(*rows, strict=True))
    return {"hits": hits, "false_alarms": alarms, "f1_deviation": deviation}


def of_languages(context: Context, collections: Sequence[Collection]) -> dict[str, Any]:
    """UAR among the labels that all corpora have, `--labels` set to them, of each language against the mean of all."""
    shared = sorted(set.intersection(*(set(context.inputs(entry).clip_label.tolist()) for entry in collections)))
    if len(shared) < 2:
        return {"labels": [context.labels[number] for number in shared], "uar": None, "tests": []}
    parts = [clips_by(context, entry, language, shared) for entry in collections]
    parts = [part.of(np.flatnonzero(np.isin(part.truth, shared))) for part in parts]
    scores = [uar(part.truth, part.decided) for part in parts]
    mean = float(np.mean(scores))
    tests = []
    for part, score in zip(parts, scores, strict=True):
        speakers = len(set(part.speaker.tolist()))
        told = {"group": LANGUAGES[part.corpus], "corpus": part.corpus, "clips": len(part.truth), "speakers": speakers}
        enough = len(part.truth) >= FEW_CLIPS and speakers >= FEW_SPEAKERS
        limit = LIMITS["language"]["UAR"]
        tests.append(told | {"uar": round(score, 4)} | verdict("UAR", "", score - mean, limit, enough))
    return {"labels": [context.labels[number] for number in shared], "uar": round(mean, 4), "tests": tests}


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    opened = f", and of {', '.join(figures['sealed'])}" if figures["sealed"] else ""
    lines = [
        "### Fairness",
        "",
        f"What fresh streams emit for the clips of {figures['split']} speakers{opened}; `uncertain` is a miss. A difference is a "
        "group's score minus that of all, within a corpus, on clips balanced by label; a mean over corpora, weighted by speakers. "
        f"Tests and limits are those of ser-tests (theirs rest on 1000 clips a group). Too few: fewer than {FEW_CLIPS} "
        f"clips, {FEW_OF_LABEL} of a label or {FEW_SPEAKERS} speakers. By pitch: speakers with more than {FEW_OF_SPEAKER} clips, "
        f"whose mean is low (to {LOW_HZ:g} Hz), medium (to {MEDIUM_HZ:g} Hz) or high.",
    ]
    for what in ("sex", "pitch"):
        lines += ["", *_compared(what, figures[what])]
    return "\n".join([*lines, "", *_languages(figures["language"])]) + "\n"


def _compared(what: str, found: dict[str, Any]) -> list[str]:
    if not found["tests"]:
        return [f"By {what}: no corpus has two groups."]
    lines = [
        f"By {what}, in {', '.join(found['corpora'])}:",
        "",
        "| group | clips | speakers | test | worst difference | limit | passed | failed | too few | WavLM large's worst |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for group in dict.fromkeys(test["group"] for test in found["tests"]):
        for measure in LIMITS[what]:
            tests = [test for test in found["tests"] if (test["group"], test["measure"]) == (group, measure)]
            lines.append(_line(what, measure, tests, next(test for test in found["tests"] if test["group"] == group)))
    spread = found["spread"]
    lines += ["", "UAR by corpus: " + "; ".join(_by_corpus(test) for test in found["tests"] if test["measure"] == "UAR") + "."]
    lines += [
        "",
        f"Equalized odds: groups differ by {spread['hits']:.3f} in recall and {spread['false_alarms']:.3f} in false alarms, "
        f"largest minus smallest, a mean over labels; standard deviation of F1 over groups {spread['f1_deviation']:.3f}.",
    ]
    return lines


def _by_corpus(test: dict[str, Any]) -> str:
    parts = [
        f"{corpus} {entry['difference']:+.3f} ({entry['clips']} clips, speakers: {entry['speakers']})"
        for corpus, entry in test["by_corpus"].items()
    ]
    return f"{test['group']}: {', '.join(parts)}"


def _line(what: str, measure: str, tests: list[dict[str, Any]], first: dict[str, Any]) -> str:
    judged = [test for test in tests if test["passed"] is not None]
    worst = max(judged, key=lambda test: abs(test["difference"]), default=None)
    shown = f"{worst['difference']:+.3f} {worst['label']}".strip() if worst else "-"
    passed = sum(test["passed"] for test in judged)
    counts = f"{passed} | {len(judged) - passed} | {len(tests) - len(judged)}"
    published = ", ".join(f"{value:.2f} ({corpus})" for corpus, value in FAIRNESS[f"{what}, {measure}"].items())
    return (
        f"| {first['group']} | {first['clips']} | {first['speakers']} | {measure} | {shown} | {tests[0]['limit']:g} | {counts} "
        f"| {published} |"
    )


def _languages(found: dict[str, Any]) -> list[str]:
    if not found["tests"]:
        return ["By language: the corpora share fewer than two labels."]
    lines = [
        f"By language, which here is by corpus (other speakers, microphones and texts, too), among {', '.join(found['labels'])}; "
        f"mean UAR {found['uar']:.3f}. The limit is ser-tests' for languages, which asks for shares of decisions on unlabelled "
        f"speech; of that, WavLM large passes {FAIRNESS_LANGUAGES}.",
        "",
        "| language | clips | speakers | UAR | difference | limit | passed |",
        "|---|---|---|---|---|---|---|",
    ]
    for test in found["tests"]:
        passed = {True: "yes", False: "no", None: "too few"}[test["passed"]]
        lines.append(
            f"| {test['group']} ({test['corpus']}) | {test['clips']} | {test['speakers']} | {test['uar']:.3f} "
            f"| {test['difference']:+.3f} | {test['limit']:g} | {passed} |"
        )
    return lines
