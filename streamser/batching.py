"""Streams that are due together share one run of a network: their inputs joined along the batch's axis, the outputs split again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streamser.gathering import WAIT, Gatherer

if TYPE_CHECKING:
    import onnxruntime

MOST_ROWS = 32  # in one run
Feeds = dict[str, np.ndarray]


def batch_axis(session: onnxruntime.InferenceSession) -> str | None:
    """The name of the axis that every input begins with and every output has; None where the graph has no such axis."""
    inputs, outputs = ([entry.shape for entry in entries] for entries in (session.get_inputs(), session.get_outputs()))
    name = inputs[0][0] if inputs and inputs[0] else None
    if not isinstance(name, str) or not all(shape and shape[0] == name for shape in inputs):
        return None
    return name if all(shape.count(name) == 1 for shape in outputs) else None


class BatchedSession:
    """A session whose runs on several threads are joined, as `Gatherer` says; answers are what single runs give.

    Runs are joined whose inputs have the same shapes but for the batch's axis. With `masked`, axes that the graph leaves free may
    differ too: the shorter inputs are filled up with zeros, which in a mask is False. That is for graphs that hear masked places
    not at all, and whose outputs have none of those axes.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        masked: bool = False,
        most: int = MOST_ROWS,
        wait: float | None = WAIT,
    ) -> None:
        """most: runs that are joined. wait: seconds, see `Gatherer`.

        Raises:
            ValueError: the graph has no batch axis.
        """
        axis = batch_axis(session)
        if axis is None:
            raise ValueError("a graph without a batch axis cannot be batched")
        self.session = session
        self._names = [entry.name for entry in session.get_outputs()]
        self._axes = {entry.name: entry.shape.index(axis) for entry in session.get_outputs()}
        self._free = {
            entry.name: tuple(place for place, size in enumerate(entry.shape) if place and masked and not isinstance(size, int))
            for entry in session.get_inputs()
        }
        self.gatherer: Gatherer[tuple[tuple[str, ...], Feeds], list[np.ndarray]] = Gatherer(self._run, self._kind, most, wait)

    def run(self, names: Sequence[str] | None, feeds: Feeds) -> list[np.ndarray]:
        """As `InferenceSession.run`."""
        return self.gatherer.ask((tuple(names or self._names), feeds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)  # get_inputs and the like

    def _kind(self, asked: tuple[tuple[str, ...], Feeds]) -> Hashable:
        names, feeds = asked
        shapes = []
        for name in sorted(feeds):
            values = feeds[name]
            fixed = tuple(-1 if place in self._free.get(name, ()) else size for place, size in enumerate(values.shape))
            shapes.append((name, values.dtype.str, fixed[1:]))
        return (names, *shapes)

    def _run(self, asked: list[tuple[tuple[str, ...], Feeds]]) -> list[list[np.ndarray]]:
        names = asked[0][0]
        if len(asked) == 1:
            return [self.session.run(list(names), asked[0][1])]
        every = [feeds for _, feeds in asked]
        found = self.session.run(list(names), {name: joined([feeds[name] for feeds in every]) for name in every[0]})
        ends = np.cumsum([len(next(iter(feeds.values()))) for feeds in every])
        parts = [np.split(values, ends[:-1], axis=self._axes[name]) for name, values in zip(names, found, strict=True)]
        return [list(own) for own in zip(*parts, strict=True)]


def joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Arrays of one rank along their first axis; along the others filled up with zeros to the longest."""
    sizes = np.max([array.shape[1:] for array in arrays], axis=0) if arrays[0].ndim > 1 else ()
    if all(array.shape[1:] == tuple(sizes) for array in arrays):
        return np.concatenate(arrays)
    whole = np.zeros((sum(len(array) for array in arrays), *sizes), arrays[0].dtype)
    start = 0
    for array in arrays:
        whole[(slice(start, start + len(array)), *map(slice, array.shape[1:]))] = array
        start += len(array)
    return whole
