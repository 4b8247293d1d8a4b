"""The clips: of open splits alone, as many of every label as can be, speakers in turn, always the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA, Clip, clips_of

SEED = 7


def chosen(corpus: str, split: str, labels: Sequence[str], count: int) -> list[Clip]:
    """At most `count` clips of a split of a corpus, in the manifest's order.

    Args:
        corpus: one of TRAINING_CORPORA, or the path of a manifest with a split column.

    Raises:
        SystemExit: another corpus, or its files are not here.
    """
    if corpus in EVALUATION_CORPORA:
        raise SystemExit(f"{corpus} is sealed: it is opened by `python -m train report --sealed` alone, which logs every look")
    if corpus not in TRAINING_CORPORA and not corpus.endswith(".csv"):
        raise SystemExit(f"no corpus {corpus!r}: choose from {', '.join(TRAINING_CORPORA)}, or give the path of a manifest.csv")
    return balanced(clips_of(corpus, split, tuple(labels)), count)


def balanced(clips: Sequence[Clip], count: int) -> list[Clip]:
    """One of every label in turn until there are enough; of a label one of every speaker in turn."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(clips)).tolist()
    seen: Counter[tuple[str, str]] = Counter()
    keys: dict[int, tuple[int, int]] = {}
    for place, index in enumerate(order):
        key = (clips[index].label, clips[index].speaker)
        keys[index] = (seen[key], place)
        seen[key] += 1
    by_label = {label: sorted((i for i in order if clips[i].label == label), key=keys.__getitem__) for label in labels_of(clips)}
    taken: list[int] = []
    while by_label and len(taken) < count:
        for label in list(by_label):
            if len(taken) < count:
                taken.append(by_label[label].pop(0))
            if not by_label[label]:
                del by_label[label]
    return [clips[index] for index in sorted(taken)]


def labels_of(clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.label for clip in clips})
