"""A small fusion graph of random weights that hears a voice's history, on the nodes of the default pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
WIDTH = 3 * 512
STATISTICS = 2 * WIDTH
VOICE = 4
NODES = {"whisper": [3, 512], "pitch": [], "spectral": [192], "text": [384]}
HISTORY = {"history_mean": STATISTICS, "history_square": STATISTICS, "history_seconds": 1}


def write_history_graph(path: Path, known: float = 1.0, leave_out: str = "") -> Path:
    """Judges how the mean of Whisper's nodes differs from the history's, by as much as there is of it.

    known: what it always says of that. leave_out: an output that it shall lack.
    """
    rng = np.random.default_rng(5)
    constants = {
        "one": np.array([1], np.int64),
        "last_two": np.array([2, 3], np.int64),
        "flat": np.array([0, WIDTH], np.int64),
        "member": np.array([0], np.int64),
        "least": np.array(1e-6, np.float32),
        "half_way": np.array(3.0, np.float32),
        "weights": rng.normal(size=(STATISTICS, len(LABELS))).astype(np.float32) / 10,
        "voices": rng.normal(size=(STATISTICS, VOICE)).astype(np.float32) / 10,
        "always": np.array(known, np.float32),
        "nothing": np.array(0.0, np.float32),
        "unsure": np.array(0.5, np.float32),
    }
    steps = [
        ("Cast", ["whisper_mask"], "present", {"to": TensorProto.FLOAT}),
        ("ReduceSum", ["present", "one"], "count", {"keepdims": 1}),
        ("Max", ["count", "least"], "nodes", {}),
        ("Unsqueeze", ["present", "last_two"], "kept", {}),
        ("Mul", ["whisper", "kept"], "masked", {}),
        ("ReduceSum", ["masked", "one"], "sums", {"keepdims": 0}),
        ("Reshape", ["sums", "flat"], "sum", {}),
        ("Div", ["sum", "nodes"], "mean", {}),
        ("Abs", ["mean"], "size", {}),
        ("Concat", ["mean", "size"], "statistics", {"axis": 1}),
        ("MatMul", ["statistics", "voices"], "voice", {}),
        ("Mul", ["heard", "nothing"], "naught", {}),
        ("Add", ["naught", "always"], "column", {}),
        ("Squeeze", ["column", "one"], "known", {}),
        ("Add", ["history_seconds", "half_way"], "evidence", {}),
        ("Div", ["history_seconds", "evidence"], "share", {}),
        ("Mul", ["history_mean", "share"], "usual", {}),
        ("Sub", ["statistics", "usual"], "unusual", {}),
        ("MatMul", ["unusual", "weights"], "logits", {}),
        ("Mul", ["logits", "unsure"], "less", {}),
        ("Unsqueeze", ["logits", "member"], "first", {}),
        ("Unsqueeze", ["less", "member"], "second", {}),
        ("Concat", ["first", "second"], "both", {"axis": 0}),
        ("LogSoftmax", ["both"], "log_probabilities", {"axis": -1}),
        ("ReduceMax", ["both"], "loudest", {"axes": [2], "keepdims": 0}),
        ("Sigmoid", ["loudest"], "arousal", {}),
    ]
    inputs: dict[str, tuple[int, list[str | int]]] = {"heard": (TensorProto.FLOAT, ["batch", 1])}
    for name, shape in NODES.items():
        count = f"{name}_nodes"
        inputs[name] = (TensorProto.INT64 if name == "pitch" else TensorProto.FLOAT, ["batch", count, *shape])
        inputs[f"{name}_age"] = (TensorProto.FLOAT, ["batch", count])
        inputs[f"{name}_mask"] = (TensorProto.BOOL, ["batch", count])
    inputs |= {name: (TensorProto.FLOAT, ["batch", width]) for name, width in HISTORY.items()}
    outputs: dict[str, list[str | int]] = {"log_probabilities": [2, "batch", len(LABELS)], "arousal": [2, "batch"]}
    outputs |= {"statistics": ["batch", STATISTICS], "voice": ["batch", VOICE], "known": ["batch"]}
    outputs.pop(leave_out, None)
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [given], **attributes) for kind, taken, given, attributes in steps],
        "history",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
