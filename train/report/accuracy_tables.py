"""The figures of `accuracy` as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from train.report.streams import points
from train.report.systems import EMITTED, ENSEMBLE, member_names
from train.report.tables import bars_list, interval, joined, rows_of

TITLES = {EMITTED: "**as emitted**", ENSEMBLE: "argmax"}


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    parts = [
        "### Accuracy",
        "Test speakers of the training corpora (macro-F1 over a corpus's labels), then corpora never trained on (UAR of anger, "
        "happiness, neutral, sadness, with those to choose from), where they were opened. As emitted: `uncertain` and clips "
        "without speech are wrong. 95 % intervals over speakers; t: a t-interval, of fewer than 15 speakers.",
        table(figures, [EMITTED, ENSEMBLE, *figures["baselines"], "chance"]),
        "UAR; of corpora never trained on with all labels to choose from.",
        uar_table(figures, [EMITTED, ENSEMBLE, *figures["baselines"], "chance"]),
        f"The members by argmax; best on validation is {figures['best_member']}.",
        table(figures, [ENSEMBLE, *member_names(figures["systems"])]),
        paired_table(figures["paired"]),
        seeds_table(figures["seeds"]),
        folds_text(figures),
        "Recall by label, as emitted, and what a missed clip is mostly taken for:",
        labels_table(figures["labels"]),
        "By sex, as emitted, where the corpus tells it:",
        groups_table(figures["groups"]),
        bars_list(figures["bars"]),
    ]
    return joined(parts)


def who(corpus: str, found: dict[str, Any]) -> str:
    silent = f", {found['without_speech']} without speech" if found["without_speech"] else ""
    return f"{corpus} ({found['clips']} clips, {found['speakers']} speakers{silent})"


def table(figures: dict[str, Any], systems: Sequence[str]) -> str:
    """A corpus a row, then the means; a system a column."""
    rows = [
        [who(corpus, found), *(interval(found["systems"][name]) for name in systems)]
        for corpus, found in figures["corpora"].items()
    ]
    for key, title in (("in_corpus", "mean, trained on"), ("sealed", "mean, never trained on"), ("agreed", "agreed measure")):
        if key in figures["means"][systems[0]]:
            rows.append([f"**{title}**", *(f"**{figures['means'][name][key]:.3f}**" for name in systems)])
    return rows_of(["corpus", *(TITLES.get(name, name) for name in systems)], rows)


def uar_table(figures: dict[str, Any], systems: Sequence[str]) -> str:
    rows = []
    for corpus, found in figures["corpora"].items():
        scores = [found["systems"][name] for name in systems]
        cells = [
            f"{score['plain_uar']:.3f}" if found["sealed"] else interval(score, "uar", "uar_low", "uar_high") for score in scores
        ]
        rows.append([corpus, *cells])
    return rows_of(["corpus", *(TITLES.get(name, name) for name in systems)], rows)


def paired_table(paired: dict[str, Any]) -> str:
    rows = []
    for part, title in (("in_corpus", "trained on"), ("sealed", "never trained on")):
        for other, found in paired.get(part, {}).items():
            cells = [f"{points(found['difference'])} [{points(found['low'])}, {points(found['high'])}]", f"{found['p']:.4f}"]
            rows.append([other, title, *cells, str(found["speakers"])])
    head = "Points ahead on the same clips (a baseline of what is emitted, a member of the argmax); p by flipping speakers' signs:"
    return f"{head}\n\n{rows_of(['ahead of', 'corpora', 'points', 'p', 'speakers'], rows)}"


def seeds_table(seeds: dict[str, Any] | None) -> str:
    """Mean and standard deviation of all graphs; empty without others."""
    if not seeds:
        return ""
    rows = []
    for corpus in seeds["corpora"][EMITTED]:
        parts = [seeds["corpora"][name][corpus] for name in (EMITTED, ENSEMBLE)]
        each = ", ".join(f"{score:.3f}" for score in parts[0]["scores"])
        rows.append([corpus, *(f"{part['score']:.3f} ± {part['deviation']:.3f}" for part in parts), each])
    for key, value in seeds["means"][EMITTED].items():
        rows.append([f"**{key.replace('_', ' ')}**", f"**{value:.3f}**", f"**{seeds['means'][ENSEMBLE][key]:.3f}**", ""])
    head = f"{len(seeds['graphs'])} graphs of the same recipe ({', '.join(seeds['graphs'])}), mean and standard deviation:"
    return f"{head}\n\n{rows_of(['corpus', TITLES[EMITTED], TITLES[ENSEMBLE], 'each, as emitted'], rows)}"


def folds_text(figures: dict[str, Any]) -> str:
    """RAVDESS with all its labels over EmoBox's folds, and the baselines there; empty where neither was measured."""
    rows = []
    if figures["folds"]:
        folds, mean = figures["folds"]["folds"], figures["folds"]["mean"]
        scores = [f"{number}: {np.mean([found['macro_f1'] for found in seeds.values()]):.3f}" for number, seeds in folds.items()]
        count = len(figures["folds"].get("by_seed", {}))
        whole = "not all measured" if mean is None else f"**{mean:.3f}**"
        what = f"tuned blocks ({figures['folds']['steps']} steps) and a regression on them"
        rows.append([f"**{what}**, seeds: {count}, by argmax", whole, ", ".join(scores)])
    if figures["fold_baselines"]:
        for name, trained in figures["fold_baselines"]["baselines"].items():
            for splits, found in trained.items():
                each = ", ".join(f"{value:.3f}" for value in found["folds"])
                rows.append([f"{name}, trained on {splits}", f"{found['macro_f1']:.3f}", each])
    if not rows:
        return ""
    head = "RAVDESS with its 8 labels over EmoBox's six folds, copies taught without a fold's actors (`train folds`), macro-F1:"
    return f"{head}\n\n{rows_of(['system', 'mean of folds', 'folds'], rows)}"


def labels_table(labels: dict[str, Any]) -> str:
    names = list(dict.fromkeys(label for found in labels.values() for label in found))
    rows = []
    for corpus, found in labels.items():
        cells = []
        for name in names:
            taken = f" → {found[name]['taken_for']}" if name in found and found[name]["taken_for"] else ""
            cells.append(f"{interval(found[name], 'recall')}{taken}" if name in found else "")
        rows.append([corpus, *cells])
    return rows_of(["corpus", *names], rows)


def groups_table(groups: dict[str, Any]) -> str:
    rows = []
    for corpus, found in groups.items():
        for name, group in found.items():
            counts = [str(group["clips"]), str(group["speakers"])]
            rows.append([f"{corpus}, {name}", *counts, interval(group, "macro_f1"), f"{group['uar']:.3f}"])
    return rows_of(["group", "clips", "speakers", "macro-F1", "UAR"], rows)
