"""Speakers drawn for training, validation and test: reproducible, and with every group (gender, language) in each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from train.corpora.split_files import Speakers


def deal(groups: Mapping[str, str], seed: int) -> list[str]:
    """All speakers in a drawn order in which the groups take turns, so that any few of them in a row are balanced.

    Args:
        groups: the group of every speaker, say a gender.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    by_group: dict[str, list[str]] = {}
    for group in sorted(set(groups.values())):
        names = sorted(name for name in groups if groups[name] == group)
        by_group[group] = [str(name) for name in rng.permutation(names)]
    order: list[str] = []
    while any(by_group.values()):
        order += [names.pop(0) for names in by_group.values() if names]
    return order


def cut(order: Sequence[str], validation: int, test: int) -> Speakers:
    """The first `test` speakers test, the next `validation` validate, the rest train."""
    return {
        "train": sorted(order[test + validation :]),
        "validation": sorted(order[test : test + validation]),
        "test": sorted(order[:test]),
    }


def folds(groups: Sequence[Sequence[str]], validation: int | None = None) -> list[Speakers]:
    """Cross-validation: each group tests once, the next one (or its first `validation` speakers) validates, the rest train."""
    found = []
    for number, test in enumerate(groups):
        held = list(groups[(number + 1) % len(groups)])[:validation]
        train = [name for group in groups for name in group if name not in test and name not in held]
        found.append({"train": sorted(train), "validation": sorted(held), "test": sorted(test)})
    return found
