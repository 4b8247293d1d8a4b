"""How well a linear probe tells which corpus a clip is of: from the statistics of Whisper's nodes, and from what the members say.

Taught on validation speakers, tested on test speakers, whom the fusion never learned from either; only labels that all
corpora have, as many clips of each, so that the emotion does not give the corpus away. A network that is above its corpora would
leave the probe at chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamser.timeline import step_weights
from train.corpora import TRAINING_CORPORA
from train.features import Collection
from train.fusion.decide import LEAST
from train.metrics import interval_over_speakers, uar
from train.report.context import Context
from train.report.tables import interval, joined, rows_of

TITLES = {"statistics": "statistics of the window", "logits": "log posteriors of the members"}
STRENGTH = 0.01  # C of the logistic regression, as that of the baseline on pooled Whisper


def figures(context: Context) -> dict[str, Any]:
    """The probe's UAR over corpora, from each kind of vector that the graph gives.

    Raises:
        SystemExit: the features of a corpus have not been made, or corpora share no label.
    """
    collections = {split: [Collection(corpus, split) for corpus in TRAINING_CORPORA] for split in ("validation", "test")}
    everything = [context.inputs(entry) for parts in collections.values() for entry in parts]
    shared = sorted(set.intersection(*(set(inputs.clip_label.tolist()) for inputs in everything)))
    if not shared:
        raise SystemExit("the corpora share no label: a probe would tell labels, not corpora")
    chosen = {split: even_clips(context, parts, shared) for split, parts in collections.items()}
    found: dict[str, Any] = {}
    for name in TITLES:
        vectors = {
            split: [clip_vectors(context, entry, name)[clips] for entry, clips in zip(parts, chosen[split], strict=True)]
            for split, parts in collections.items()
        }
        if not vectors["test"][0].shape[1]:
            continue
        corpora = {split: np.repeat(np.arange(len(parts)), list(map(len, parts))) for split, parts in vectors.items()}
        decided = probe(np.concatenate(vectors["validation"]), corpora["validation"], np.concatenate(vectors["test"]))
        speakers = np.concatenate(
            [
                np.char.add(f"{entry.corpus} ", context.inputs(entry).clip_speaker[clips].astype(str))
                for entry, clips in zip(collections["test"], chosen["test"], strict=True)
            ]
        )
        told = interval_over_speakers(uar, corpora["test"], decided, speakers)
        recall = [round(float((decided[corpora["test"] == place] == place).mean()), 4) for place in range(len(TRAINING_CORPORA))]
        found[name] = {
            "uar": round(told.value, 4),
            "low": round(told.low, 4),
            "high": round(told.high, 4),
            "interval": told.kind,
            "recall": dict(zip(TRAINING_CORPORA, recall, strict=True)),
        }
    return {
        "labels": [context.labels[label] for label in shared],
        "clips": {split: [len(clips) for clips in parts] for split, parts in chosen.items()},
        "chance": round(1 / len(TRAINING_CORPORA), 4),
        "probes": found,
    }


def even_clips(context: Context, collections: Sequence[Collection], labels: Sequence[int]) -> list[np.ndarray]:
    """By collection, clips with speech: as many of every label as the corpus with the fewest has; always the same ones."""
    rng = np.random.default_rng(0)
    places: list[list[np.ndarray]] = []
    for collection in collections:
        inputs = context.inputs(collection)
        spoken = np.bincount(inputs.clip, minlength=len(inputs.clip_label)) > 0
        places.append([rng.permutation(np.flatnonzero(spoken & (inputs.clip_label == label))) for label in labels])
    counts = [min(len(by_label[place]) for by_label in places) for place in range(len(labels))]
    return [np.concatenate([rows[:count] for rows, count in zip(by_label, counts, strict=True)]) for by_label in places]


def clip_vectors(context: Context, collection: Collection, name: str) -> np.ndarray:
    """float64 [clips, width]: means over a clip's rows, weighted as the time line does it; zeros without speech."""
    inputs, cold = context.inputs(collection), context.cold(collection)
    rows = cold.statistics if name == "statistics" else np.concatenate(list(cold.members), axis=1)
    weights = step_weights(inputs.heard)
    sums, totals = np.zeros((len(inputs.clip_label), rows.shape[1])), np.zeros(len(inputs.clip_label))
    np.add.at(sums, inputs.clip, rows * weights[:, None])
    np.add.at(totals, inputs.clip, weights)
    return sums / np.maximum(totals, LEAST)[:, None]


def probe(known: np.ndarray, corpora: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """int64 [asked]: the corpora that a logistic regression on standardised vectors takes some for, taught by others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    return np.asarray(model.fit(known, corpora).predict(asked))


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    heading = "### Which corpus it is"
    if not figures["probes"]:
        return joined([heading, "Left out: the graph gives nothing that a probe could read."])
    first = next(iter(figures["probes"].values()))["recall"]
    rows = [
        [TITLES[name], interval(found, "uar"), *(f"{value:.3f}" for value in found["recall"].values())]
        for name, found in figures["probes"].items()
    ]
    return joined(
        [
            heading,
            "UAR of a logistic regression that tells the corpora of clips of test speakers, taught on validation speakers; chance "
            f"is {figures['chance']:g}. Of {', '.join(figures['labels'])} alone, as many clips of each from every corpus "
            f"({figures['clips']['validation'][0]} taught, {figures['clips']['test'][0]} asked, of each corpus). No bar.",
            rows_of(["from", "UAR", *first], rows),
        ]
    )
