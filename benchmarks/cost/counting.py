"""Operations and bytes of an ONNX graph for given inputs, from the shapes that every tensor really has.

The graph runs once as it is written, unoptimised, with every tensor as an output: dynamic shapes, however a graph computes
them, need no guess. Operations are multiplications and additions (a multiply-add is two) of matrix products, convolutions and
recurrent layers; everything else counts as bytes alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

INT8 = (np.dtype(np.int8), np.dtype(np.uint8))
# Nothing but a new name for the same memory: no bytes.
VIEWS = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape", "Constant", "Size"}
# Operations that touch each number a few times: bytes alone.
LIGHT = {
    *("Abs", "Add", "And", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Ceil", "Clip", "Concat"),
    *(
        "ConstantOfShape",
        "Cos",
        "CumSum",
        "DequantizeLinear",
        "Div",
        "DynamicQuantizeLinear",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
    ),
    *("Floor", "Gather", "GatherElements", "GatherND", "Gelu", "GlobalAveragePool", "Greater", "GreaterOrEqual", "HardSigmoid"),
    *(
        "InstanceNormalization",
        "IsNaN",
        "LayerNormalization",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "LogSoftmax",
        "Max",
        "MaxPool",
    ),
    *("Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "Range"),
    *(
        "Reciprocal",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Relu",
        "Resize",
        "Round",
    ),
    *("ScatterElements", "ScatterND", "Sigmoid", "Sign", "SimplifiedLayerNormalization", "Sin", "Slice", "Softmax", "Softplus"),
    *("Split", "Sqrt", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Where", "Xor"),
}
PRODUCTS = {"MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}  # and which input the weights are
RECURRENT = {"RNN", "GRU", "LSTM"}
ROWS_READ = {"Gather", "GatherND", "GatherElements"}  # of a table, only what comes out


@dataclass(frozen=True)
class Cost:
    """Of one run of a graph.

    operations: of float numbers; operations_int8: of 8-bit integers. weights: bytes of what is constant, each once, as it is
    kept in memory (after conversions of constants, which sessions do once at load). ends: bytes of the graph's inputs and
    outputs. activations: bytes that all nodes read and write as the graph stands, unfused; weights not counted.
    """

    operations: int
    operations_int8: int
    weights: int
    ends: int
    activations: int

    @property
    def least_bytes(self) -> int:
        """What must move whatever is fused or kept in caches: weights, inputs, outputs."""
        return self.weights + self.ends


def count(path: str | Path, feeds: Mapping[str, np.ndarray]) -> Cost:
    """Count one run of a graph with these inputs.

    Raises:
        SystemExit: it has an operator that is not known here: the count would be too low.
    """
    model = onnx.load(str(path))
    unknown = sorted({node.op_type for node in model.graph.node} - VIEWS - LIGHT - PRODUCTS - {*CONVOLUTIONS} - RECURRENT - EXTRA)
    if unknown:
        raise SystemExit(f"{Path(path).name} has operators that benchmarks.cost cannot count: {', '.join(unknown)}")
    return _sum(model, _tensors(model, feeds), feeds)


def _tensors(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor of a run by name: constants, inputs and what nodes give."""
    known = {entry.name for entry in model.graph.output}
    wanted = onnx.ModelProto()
    wanted.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    wanted.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(wanted.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs = [entry.name for entry in session.get_outputs()]
    found = dict(zip(outputs, session.run(outputs, dict(feeds)), strict=True))
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    return {**constants, **feeds, **found}


def _sum(model: onnx.ModelProto, tensors: dict[str, np.ndarray], feeds: Mapping[str, np.ndarray]) -> Cost:
    constant = {entry.name for entry in model.graph.initializer}
    read: dict[str, int] = {}
    operations = {False: 0, True: 0}
    activations = 0
    for node in model.graph.node:
        names = [name for name in node.input if name]
        if node.op_type in ("Constant", "Shape", "Size") or all(name in constant for name in names):
            constant.update(node.output)  # known before any run, or numbers of a shape
            continue
        inputs = [tensors[name] if name else None for name in node.input]
        outputs = [tensors[name] for name in node.output if name]
        if node.op_type in VIEWS:
            continue
        operations[_is_int8(node, inputs)] += _operations(node, inputs, outputs)
        given = sum(entry.nbytes for entry in outputs)
        activations += given
        for place, name in enumerate(names):
            nbytes = given if node.op_type in ROWS_READ and place == 0 else tensors[name].nbytes
            if name in constant:
                read[name] = max(read.get(name, 0), nbytes)
            else:
                activations += nbytes
    ends = sum(entry.nbytes for entry in feeds.values()) + sum(tensors[entry.name].nbytes for entry in model.graph.output)
    return Cost(operations[False], operations[True], sum(read.values()), ends, activations)


def _operations(node: onnx.NodeProto, inputs: list[Any], outputs: list[np.ndarray]) -> int:
    """Multiplications and additions of one node."""
    kind, out = node.op_type, outputs[0]
    if kind in PRODUCTS:
        transposed = bool(_attribute(node, "transA", 0))
        return 2 * out.size * int(inputs[0].shape[-2 if transposed else -1])
    if kind == "MatMulNBits":
        return 2 * int(inputs[0].size) * int(_attribute(node, "N", 0))
    if kind in CONVOLUTIONS:  # weights [outputs, inputs / groups, kernel...]
        return 2 * out.size * math.prod(inputs[CONVOLUTIONS[kind]].shape[1:])
    if kind == "ConvTranspose":  # weights [inputs, outputs / groups, kernel...]
        return 2 * int(inputs[0].size) * math.prod(inputs[1].shape[1:])
    if kind in RECURRENT:  # x [T, B, inputs], or [B, T, inputs]
        return 2 * math.prod(inputs[0].shape[:2]) * int(inputs[1].size + inputs[2].size)
    if kind == "Einsum":
        return _einsum(_attribute(node, "equation", b"").decode(), inputs)
    return 0


def _einsum(equation: str, inputs: list[Any]) -> int:
    """2 for each combination of all indices, where two tensors meet; none where one is only summed or turned."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if len(terms) == 1:
        return 0
    if len(terms) > 2 or "..." in equation:
        raise SystemExit(f"benchmarks.cost cannot count the einsum {equation!r}")
    sizes = {
        letter: size for term, entry in zip(terms, inputs, strict=True) for letter, size in zip(term, entry.shape, strict=True)
    }
    return 2 * math.prod(sizes.values())


def _is_int8(node: onnx.NodeProto, inputs: list[Any]) -> bool:
    if node.op_type == "DynamicQuantizeMatMul":  # its first input is quantised inside
        return True
    return node.op_type in {*PRODUCTS, *CONVOLUTIONS} and inputs[0].dtype in INT8


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = [onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name]
    return found[0] if found else default


EXTRA = {"MatMulNBits", "ConvTranspose", "Einsum"}
