"""Runs of a graph on buffers that stay where they are: no allocation a run, and on CUDA a recorded graph that is replayed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnxruntime

MOST_SHAPES = 8  # sets of buffers that are kept; a stream's steps have one or two
GRAPH_CHOICE = "gpu_graph_id"  # onnxruntime's name for which recording a run belongs to
NO_GRAPH, ONE_GRAPH = "-1", "1"
_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class _Buffers:
    """For inputs of one set of shapes. options: of every run on them."""

    inputs: dict[str, Any]
    outputs: list[Any]
    binding: onnxruntime.IOBinding
    options: onnxruntime.RunOptions


class BoundSession:
    """A session with I/O bound to buffers of its own, one set for each shape of its inputs.

    Runs on several threads follow one another: the buffers are shared, and a CUDA graph must not be replayed twice at once.
    A shape beyond MOST_SHAPES runs unbound.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, device: str = "cpu", recorded: Mapping[str, int] | None = None
    ) -> None:
        """Bind nothing yet, but for what is recorded.

        Args:
            session: opened with `enable_cuda_graph` where something is recorded.
            device: cpu or cuda, where it runs.
            recorded: the sizes of the free axes in most runs, by their names; runs of those shapes are recorded, here and now:
                no other thread may use CUDA's memory meanwhile. None: nothing is.
        """
        self.session = session
        self._device = device
        self._names = [entry.name for entry in session.get_outputs()]
        self._buffers: dict[tuple[Any, ...], _Buffers] = {}
        self._lock = threading.Lock()
        self.recorded = recorded is not None
        if recorded is not None:
            feeds = usual_feeds(session, recorded)
            self._first_run(feeds, ONE_GRAPH)
            for _ in range(2):  # the first of them is recorded
                self.run(None, feeds)

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """As `InferenceSession.run`; the arrays are the caller's own."""
        with self._lock:
            buffers = self._buffers.get(_shapes(feeds))
            if buffers is None:
                found = self._first_run(feeds, NO_GRAPH)
            else:
                for name, values in feeds.items():
                    buffers.inputs[name].update_inplace(np.ascontiguousarray(values))
                self.session.run_with_iobinding(buffers.binding, buffers.options)
                found = [np.array(value.numpy()) for value in buffers.outputs]  # on the CPU `numpy` may be the buffer itself
        return found if names is None else [found[self._names.index(name)] for name in names]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)  # get_inputs and the like

    def _first_run(self, feeds: dict[str, np.ndarray], graph: str) -> list[np.ndarray]:
        """Run unbound, which tells the outputs' shapes, and keep buffers for the next run of these shapes."""
        found = [np.asarray(values) for values in self.session.run(self._names, feeds, self._options(NO_GRAPH))]
        if len(self._buffers) < MOST_SHAPES:
            self._buffers[_shapes(feeds)] = self._bound(feeds, found, graph)
        return found

    def _bound(self, feeds: dict[str, np.ndarray], found: list[np.ndarray], graph: str) -> _Buffers:
        import onnxruntime

        def buffer(values: np.ndarray) -> Any:
            return onnxruntime.OrtValue.ortvalue_from_numpy(np.array(values, order="C"), self._device, 0)

        inputs = {name: buffer(values) for name, values in feeds.items()}
        outputs = [buffer(values) for values in found]
        binding = self.session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(self._names, outputs, strict=True):
            binding.bind_ortvalue_output(name, value)
        return _Buffers(inputs, outputs, binding, self._options(graph))

    def _options(self, graph: str) -> onnxruntime.RunOptions:
        import onnxruntime

        options = onnxruntime.RunOptions()
        if self.recorded:
            options.add_run_config_entry(GRAPH_CHOICE, graph)
        return options


def usual_feeds(session: onnxruntime.InferenceSession, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Zeros for every input of a graph; sizes: of its free axes, by their names."""
    return {
        entry.name: np.zeros([size if isinstance(size, int) else sizes[size] for size in entry.shape], _TYPES[entry.type])
        for entry in session.get_inputs()
    }


def _shapes(feeds: dict[str, np.ndarray]) -> tuple[Any, ...]:
    return tuple((name, feeds[name].shape) for name in sorted(feeds))
