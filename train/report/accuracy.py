"""How often the decision is right, beside the members, other seeds, the baselines and chance: test speakers, fresh streams.

Of the four training corpora macro-F1 over their labels with UAR beside it; of sealed corpora the UAR of four labels, with only
those to choose from. What a stream emits counts: `uncertain` is wrong. Beside it the argmax, which is never `uncertain`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.baselines import BASELINES
from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.features import Collection, sealed_collection
from train.fusion.decide import Decisions, EmittedDecisions
from train.metrics import UNDECIDED, Interval, interval_over_speakers, macro_f1, uar
from train.report.accuracy_tables import markdown
from train.report.context import Context
from train.report.paired import Answers, compare
from train.report.systems import EMITTED, ENSEMBLE, Rival, network_decisions
from train.report.tables import bar
from train.scores import DOCS, Judged, Truth, agreed_measure, chance, fusion_hash, judged, score_of, scores_of

__all__ = ["figures", "markdown"]

OVER_BASELINES = ("nemo", "banglaser", "indian_emospeech")
BASELINE_BAR, SEALED_BAR, MEMBER_BAR, FOLDS_BAR = 0.03, 0.67, -0.005, 0.78
FOLDS, FOLD_BASELINES = DOCS / "results" / "folds.json", DOCS / "results" / "fold_baselines.json"
SEXES = {"f": "female", "m": "male"}

Systems = dict[str, Decisions | EmittedDecisions]


def figures(
    context: Context,
    seeds: Sequence[Context] = (),
    sealed: Sequence[str] = (),
    baselines: Sequence[str] = BASELINES,
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All scores by corpus and system, recall by label, scores by sex, the seeds, and the bars.

    Args:
        seeds: other graphs of the same recipe.
        sealed: corpora that are opened besides (the caller logs the look).
        baselines: which of `BASELINES`.
        before: figures of another pack, whose baselines stand here, too: they hang on the corpora alone. They are not paired.

    Raises:
        SystemExit: the features of a corpus have not been made.
    """
    training = [Collection(corpus, "train") for corpus in TRAINING_CORPORA]
    rivals = [Rival(name, training) for name in baselines]
    collections = [Collection(corpus, "test") for corpus in TRAINING_CORPORA] + [sealed_collection(corpus) for corpus in sealed]
    kept = [name for name in before["baselines"] if name not in baselines] if before else []
    corpora: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    answers: dict[str, dict[str, Judged]] = {}
    for collection in collections:
        inputs = context.inputs(collection)
        truth = Truth(inputs.clip_label, inputs.clip_speaker)
        opened = collection.corpus in sealed
        systems: Systems = network_decisions(context, collection)
        systems |= {rival.name: rival.decide(collection) for rival in rivals}
        systems["chance"] = chance(truth, len(collection.labels))
        answers[collection.corpus] = {name: judged(decisions, truth, opened) for name, decisions in systems.items()}
        ours = answers[collection.corpus][EMITTED]
        corpora[collection.corpus] = {
            "sealed": opened,
            "clips": len(ours.truth),
            "speakers": len(set(ours.speakers.tolist())),
            "without_speech": int((~systems[ENSEMBLE].found[ours.rows]).sum()),
            "systems": {name: scores_of(decisions, truth, opened) for name, decisions in systems.items()},
        }
        for name in kept:
            corpora[collection.corpus]["systems"][name] = baseline_before(before, collection.corpus, name)
        labels[collection.corpus] = by_label(ours, context.labels)
        groups[collection.corpus] = by_group(ours, inputs.clip_gender)
    scores = {corpus: found["systems"] for corpus, found in corpora.items()}
    best = best_member(context)
    told = {
        "corpora": corpora,
        "labels": labels,
        "groups": groups,
        "means": {system: agreed_measure(scores, system) for system in scores[TRAINING_CORPORA[0]]},
        "systems": list(scores[TRAINING_CORPORA[0]]),
        "best_member": best,
        "baselines": [*baselines, *kept],
        "seeds": of_seeds(context, seeds, collections, sealed),
        "paired": paired(answers, sealed, [*baselines, best]),
        "folds": read(FOLDS),
        "fold_baselines": read(FOLD_BASELINES),
    }
    return {**told, "bars": bars(told)}


def baseline_before(before: dict[str, Any] | None, corpus: str, name: str) -> dict[str, Any]:
    """Raises SystemExit: the figures of before are not of this corpus."""
    if before is None or corpus not in before["corpora"]:
        raise SystemExit(f"the report with the baselines did not measure {corpus}: leave --baselines-of out")
    return dict(before["corpora"][corpus]["systems"][name])


def by_label(found: Judged, names: Sequence[str]) -> dict[str, Any]:
    """Recall of every label with its interval, and what its clips are taken for most often when it is missed."""
    told = {}
    for label in np.unique(found.truth).tolist():
        mine = found.truth == label
        decided = found.decided[mine]
        recall = interval_over_speakers(uar, found.truth[mine], decided, found.speakers[mine])
        wrong, counts = np.unique(decided[decided != label], return_counts=True)
        worst = int(wrong[counts.argmax()]) if len(wrong) else None
        taken = None if worst is None else "uncertain" if worst == UNDECIDED else names[worst]
        told[names[label]] = {"clips": int(mine.sum()), **rounded("recall", recall), "taken_for": taken}
    return told


def by_group(found: Judged, genders: np.ndarray) -> dict[str, Any]:
    """Macro-F1 and UAR of each sex with their intervals; nothing where none is told. genders: str [all clips]."""
    told = {}
    for gender, name in SEXES.items():
        mine = genders[found.rows] == gender
        if mine.any():
            truth, decided, speakers = found.truth[mine], found.decided[mine], found.speakers[mine]
            told[name] = {
                "clips": int(mine.sum()),
                "speakers": len(set(speakers.tolist())),
                **rounded("macro_f1", interval_over_speakers(macro_f1, truth, decided, speakers)),
                "uar": round(uar(truth, decided), 4),
            }
    return told


def rounded(name: str, interval: Interval) -> dict[str, Any]:
    return {
        name: round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "interval": interval.kind,
    }


def best_member(context: Context) -> str:
    """The member with the best macro-F1 on validation speakers, a mean over the training corpora."""
    scores: dict[str, list[float]] = {}
    for corpus in TRAINING_CORPORA:
        collection = Collection(corpus, "validation")
        truth = context.inputs(collection).clip_label
        for name, decisions in network_decisions(context, collection).items():
            if name not in (ENSEMBLE, EMITTED):
                scores.setdefault(name, []).append(macro_f1(truth, decisions.labels()))
    return max(scores, key=lambda name: float(np.mean(scores[name])))


def of_seeds(
    context: Context, seeds: Sequence[Context], collections: Sequence[Collection], sealed: Sequence[str]
) -> dict[str, Any] | None:
    """This graph and others of its recipe: the score of each, their mean and standard deviation, by corpus; None without others."""
    if not seeds:
        return None
    graphs = [context, *seeds]
    means: dict[str, dict[str, Any]] = {}
    spread: dict[str, dict[str, Any]] = {}
    for name in (EMITTED, ENSEMBLE):
        scores: dict[str, list[float]] = {}
        for collection in collections:
            for graph in graphs:
                inputs = graph.inputs(collection)
                decisions = network_decisions(graph, collection)[name]
                found = score_of(decisions, Truth(inputs.clip_label, inputs.clip_speaker), collection.corpus in sealed)
                scores.setdefault(collection.corpus, []).append(round(found, 4))
        spread[name] = {
            corpus: {"score": round(float(np.mean(of)), 4), "deviation": round(float(np.std(of, ddof=1)), 4), "scores": of}
            for corpus, of in scores.items()
        }
        means[name] = agreed_measure({corpus: {name: found} for corpus, found in spread[name].items()}, name)
    return {"graphs": [fusion_hash(graph.graph) for graph in graphs], "corpora": spread, "means": means}


def paired(answers: dict[str, dict[str, Judged]], sealed: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    """How much better the ensemble is than others on the same clips, over training corpora and over sealed ones.

    Baselines against what is emitted; a member, which is never `uncertain`, against the ensemble's argmax.
    """
    told: dict[str, Any] = {}
    for part, score in (("in_corpus", macro_f1), ("sealed", uar)):
        chosen = [corpus for corpus in answers if (corpus in sealed) == (part == "sealed")]
        if not chosen:
            continue
        told[part] = {}
        for other in others:
            ours = EMITTED if other in BASELINES else ENSEMBLE
            pairs = [(corpus, answers[corpus][other], answers[corpus][ours]) for corpus in chosen]
            joined = Answers(
                np.concatenate([after.truth for _, _, after in pairs]),
                np.concatenate([before.decided for _, before, _ in pairs]),
                np.concatenate([after.decided for _, _, after in pairs]),
                np.concatenate([np.full(len(after.truth), corpus) for corpus, _, after in pairs]),
                np.concatenate([after.speakers for _, _, after in pairs]),
            )
            found = compare(joined, score)
            told[part][other] = {name: found[name] for name in ("before", "after", "difference", "low", "high", "p", "speakers")}
    return told


def bars(told: dict[str, Any]) -> dict[str, Any]:
    """The bars of accuracy. `value` is what is emitted, a mean over seeds where there are others; `argmax` the same by argmax."""
    corpora, baselines = told["corpora"], told["baselines"]
    found: dict[str, Any] = {}

    def ours(corpus: str, system: str) -> float:
        source = told["seeds"]["corpora"][system][corpus] if told["seeds"] else corpora[corpus]["systems"][system]
        return float(source["score"])

    def ahead(corpus: str, system: str) -> float:
        return ours(corpus, system) - max(float(corpora[corpus]["systems"][name]["score"]) for name in baselines)

    sealed = [corpus for corpus in corpora if corpora[corpus]["sealed"]]
    if baselines:
        for corpus in OVER_BASELINES:
            found[f"{corpus}, over the best baseline"] = bar(ahead(corpus, EMITTED), BASELINE_BAR, argmax=ahead(corpus, ENSEMBLE))
    if set(sealed) == set(EVALUATION_CORPORA):
        means = [float(np.mean([ours(corpus, system) for corpus in sealed])) for system in (EMITTED, ENSEMBLE)]
        found["never trained on, cold, mean 4-class UAR"] = bar(means[0], SEALED_BAR, argmax=means[1])
    if sealed and baselines:
        worst = [min(ahead(corpus, system) for corpus in sealed) for system in (EMITTED, ENSEMBLE)]
        found["never trained on, least over the best baseline"] = bar(worst[0], 0.0, strictly=True, argmax=worst[1])
    gaps = [entry["systems"][ENSEMBLE]["score"] - entry["systems"][told["best_member"]]["score"] for entry in corpora.values()]
    found["ensemble over the member best on validation, mean"] = bar(float(np.mean(gaps)), 0.0, strictly=True)
    found["ensemble over the member best on validation, worst corpus"] = bar(min(gaps), MEMBER_BAR)
    if told["folds"] and told["folds"]["mean"] is not None:
        found["RAVDESS, 8 classes, EmoBox's six folds"] = bar(float(told["folds"]["mean"]), FOLDS_BAR)
    return found


def read(path: Path) -> dict[str, Any] | None:
    """What another command wrote, where it has."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
