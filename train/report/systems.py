"""What is compared: the ensemble as a stream emits it and by argmax, its members, the baselines; decisions about whole clips."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from train.baselines import Baseline, classifiers
from train.baselines.classifiers import KIND_OF
from train.collection import Collection
from train.corpora import cache_root
from train.fusion.decide import Decisions, EmittedDecisions, decide
from train.report.context import Context

ENSEMBLE, EMITTED = "ensemble", "uncertain is wrong"  # by argmax; as a stream emits it


def network_decisions(context: Context, collection: Collection) -> dict[str, Decisions | EmittedDecisions]:
    """The decisions about every clip of the ensemble, as argmax and as a stream emits them, and of each of its members."""
    inputs, outputs = context.inputs(collection), context.cold(collection)
    clips = len(inputs.clip_label)
    found: dict[str, Decisions | EmittedDecisions] = {
        ENSEMBLE: context.decided(outputs, inputs.heard, inputs.clip, clips),
        EMITTED: context.emitted(collection),
    }
    for number, member in enumerate(outputs.members):
        found[f"member {number + 1}"] = decide(member + context.prior, inputs.heard, inputs.clip, clips)
    return found


def member_names(systems: Iterable[str]) -> list[str]:
    """Those of some systems that are members."""
    return [name for name in systems if name.startswith("member ")]


class Rival:
    """A baseline whose decisions are kept on disk: it is trained only for a collection that it has not decided yet."""

    def __init__(self, name: str, training: list[Collection]) -> None:
        self.name = name
        self.training = training

    def decide(self, collection: Collection) -> Decisions:
        """Every clip of a collection; none is undecided."""
        path = self._file(collection)
        if not path.exists():
            print(f"{self.name} on {collection.title}", flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part.npy")
            np.save(part, self._baseline.decide(collection).log_posteriors)
            part.rename(path)
        scores = np.load(path)
        return Decisions(scores, np.ones(len(scores), bool))

    @cached_property
    def _baseline(self) -> Baseline:
        return Baseline(self.name, self.training)

    def _file(self, collection: Collection) -> Path:
        """Its name says which classifier, by its source, learned what, and what it decides."""
        kind = KIND_OF[self.name]
        told = [Path(classifiers.__file__).read_text(encoding="utf-8"), *collection.labels]
        for entry in (*self.training, collection):
            told += [entry.title, *(f"{clip.path.name} {clip.path.stat().st_size} {clip.label}" for clip in entry.clips())]
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
        return cache_root() / "baseline_decisions" / f"{kind}-{collection.title}-{digest}.npy"
