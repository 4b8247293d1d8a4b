"""What all sections of the report share: one fusion graph, opened once, and what it says of every collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamser.ensemble import HISTORY_INPUTS
from streamser.sessions import open_session
from train.features import Collection
from train.fusion.data import in_order
from train.fusion.decide import Decisions, EmittedDecisions, decide, ensemble_posteriors
from train.fusion.inputs import Batch, Inputs, load_inputs
from train.scores import told_of


@dataclass(frozen=True)
class Outputs:
    """What a graph says of rows. Of a graph that lacks the output, `known` is 1 and the last two have no columns.

    members: float32 [members, rows, labels], calibrated log posteriors. known: float32 [rows], 0 to 1.
    statistics: float32 [rows, D]. voice: float32 [rows, V].
    """

    members: np.ndarray
    known: np.ndarray
    statistics: np.ndarray
    voice: np.ndarray


@dataclass
class Context:
    """One fusion graph (and the pack it lies in, for sections that hear audio); keeps what it computed in memory."""

    graph: Path
    pack: Path | None = None
    _inputs: dict[Collection, Inputs] = field(default_factory=dict, repr=False)
    _cold: dict[Collection, Outputs] = field(default_factory=dict, repr=False)

    @cached_property
    def told(self) -> dict[str, Any]:
        """What `python -m export` wrote beside the graph.

        Raises:
            SystemExit: the graph or that file is missing.
        """
        return told_of(self.graph)

    @cached_property
    def session(self) -> Any:
        return open_session(self.graph)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.told["labels"])

    @property
    def prior(self) -> np.ndarray:
        """float32 [labels]: the deployment prior's log offsets; zeros where the graph has none."""
        given = self.told.get("prior") or {}
        return np.array([given.get(label, 0.0) for label in self.labels], np.float32)

    @cached_property
    def widths(self) -> dict[str, int]:
        """The history inputs of the graph and their columns; empty where it hears no history."""
        return {entry.name: int(entry.shape[1]) for entry in self.session.get_inputs() if entry.name in HISTORY_INPUTS}

    @property
    def remembers(self) -> bool:
        """Whether the pack makes histories of voices, and the graph hears them."""
        return bool(self.widths and self.told.get("history"))

    def inputs(self, collection: Collection) -> Inputs:
        """The cached features of a collection.

        Raises:
            SystemExit: they have not been made.
        """
        if collection not in self._inputs:
            self._inputs[collection] = load_inputs(collection)
        return self._inputs[collection]

    def cold(self, collection: Collection) -> Outputs:
        """All rows of a collection with nothing heard before and without text."""
        if collection not in self._cold:
            self._cold[collection] = self.hear(self.inputs(collection))
        return self._cold[collection]

    def hear(self, inputs: Inputs) -> Outputs:
        """All rows of some inputs with nothing heard before and without text; nothing is kept."""
        return joined([self.run(batch) for batch in in_order(inputs)])

    def run(self, batch: Batch) -> Outputs:
        """The graph on one batch. A history that the batch does not bring is none."""
        rows = len(batch["heard"])
        given = {**{name: np.zeros((rows, width), np.float32) for name, width in self.widths.items()}, **batch}
        wanted = {entry.name for entry in self.session.get_inputs()}
        names = [entry.name for entry in self.session.get_outputs()]
        found = dict(zip(names, self.session.run(names, {name: given[name] for name in wanted}), strict=True))
        nothing = np.zeros((rows, 0), np.float32)
        known = found.get("known", np.ones(rows, np.float32)).reshape(rows)
        return Outputs(found["log_probabilities"], known, found.get("statistics", nothing), found.get("voice", nothing))

    def emitted(self, collection: Collection) -> EmittedDecisions:
        """What fresh streams would emit for the clips of a collection."""
        inputs = self.inputs(collection)
        return self.emitted_of(self.cold(collection), inputs.heard, inputs.clip, len(inputs.clip_label))

    def emitted_of(self, outputs: Outputs, heard: np.ndarray, clip: np.ndarray, clips: int) -> EmittedDecisions:
        """What streams would emit for clips of any rows: seconds heard in each row, float32 [rows], and its clip, int64 [rows]."""
        below = float(self.told["utterance_uncertain_below"])
        return EmittedDecisions(outputs.members, heard, clip, clips, below, outputs.known, self.prior)

    def decided(self, outputs: Outputs, heard: np.ndarray, clip: np.ndarray, clips: int) -> Decisions:
        """The decisions of `emitted_of` whatever their confidence: the argmax, with the pack's prior."""
        return decide(ensemble_posteriors(outputs.members + self.prior), heard, clip, clips)


def joined(parts: list[Outputs]) -> Outputs:
    """The rows of all parts, in order."""
    return Outputs(
        np.concatenate([part.members for part in parts], axis=1),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.statistics for part in parts]),
        np.concatenate([part.voice for part in parts]),
    )
