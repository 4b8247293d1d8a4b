"""What the tests' small fusion graphs have in common: the default pack's inputs, the mean of Whisper's nodes, a voice's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 3 * 512
STATISTICS = 2 * WIDTH
NODES = {"whisper": [3, 512], "pitch": [], "spectral": [192], "text": [384]}
HISTORY = {"history_mean": STATISTICS, "history_square": STATISTICS, "history_seconds": 1}

Step = tuple[str, list[str], str, dict[str, Any]]  # operator, inputs, output, attributes

MEAN_OF_WHISPER: list[Step] = [
    ("Cast", ["whisper_mask"], "present", {"to": TensorProto.FLOAT}),
    ("ReduceSum", ["present", "one"], "count", {"keepdims": 1}),
    ("Max", ["count", "least"], "nodes", {}),
    ("Unsqueeze", ["present", "last_two"], "kept", {}),
    ("Mul", ["whisper", "kept"], "masked", {}),
    ("ReduceSum", ["masked", "one"], "sums", {"keepdims": 0}),
    ("Reshape", ["sums", "flat"], "sum", {}),
    ("Div", ["sum", "nodes"], "mean", {}),
]
UNUSUAL: list[Step] = [  # how `statistics` differ from the history's, by as much as there is of it
    ("Add", ["history_seconds", "half_way"], "evidence", {}),
    ("Div", ["history_seconds", "evidence"], "share", {}),
    ("Mul", ["history_mean", "share"], "usual", {}),
    ("Sub", ["statistics", "usual"], "unusual", {}),
]
TWO_MEMBERS: list[Step] = [  # the second less sure than the first
    ("Mul", ["logits", "unsure"], "less", {}),
    ("Unsqueeze", ["logits", "member"], "first", {}),
    ("Unsqueeze", ["less", "member"], "second", {}),
    ("Concat", ["first", "second"], "both", {"axis": 0}),
    ("LogSoftmax", ["both"], "log_probabilities", {"axis": -1}),
    ("ReduceMax", ["both"], "loudest", {"axes": [2], "keepdims": 0}),
    ("Sigmoid", ["loudest"], "arousal", {}),
]
_CONSTANTS = {
    "one": np.array([1], np.int64),
    "last_two": np.array([2, 3], np.int64),
    "flat": np.array([0, WIDTH], np.int64),
    "member": np.array([0], np.int64),
}


def write_toy(
    path: Path,
    steps: Sequence[Step],
    constants: Mapping[str, np.ndarray],
    outputs: Mapping[str, Sequence[Any]],
    remembers: bool = True,
) -> Path:
    """Write the graph; `outputs` are shapes; unless it `remembers`, without the history's inputs."""
    inputs: dict[str, tuple[int, list[str | int]]] = {"heard": (TensorProto.FLOAT, ["batch", 1])}
    for name, shape in NODES.items():
        count = f"{name}_nodes"
        inputs[name] = (TensorProto.INT64 if name == "pitch" else TensorProto.FLOAT, ["batch", count, *shape])
        inputs[f"{name}_age"] = (TensorProto.FLOAT, ["batch", count])
        inputs[f"{name}_mask"] = (TensorProto.BOOL, ["batch", count])
    if remembers:
        inputs |= {name: (TensorProto.FLOAT, ["batch", width]) for name, width in HISTORY.items()}
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [given], **attributes) for kind, taken, given, attributes in steps],
        "toy",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (_CONSTANTS | dict(constants)).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
