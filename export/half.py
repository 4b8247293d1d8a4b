"""Graphs that compute in float16, for CUDA: weights kept packed for the CPU are unpacked, norms and softmax stay in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

# Sums of many numbers and what follows an exponential: float16 has 11 bits of mantissa and ends at 65504.
NORMS = ("LayerNormalization", "Softmax", "LogSoftmax", "ReduceMean", "ReduceSum")
IN_FLOAT32 = (*NORMS, "Pow", "Exp", "Log", "Sqrt", "Erf", "Div", "GRU")
LOOK_UPS = ("Gather", "GatherND")


def with_batch_axis(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name the first axis of all inputs and outputs `batch` where the graph says 1, in place: for graphs whose nodes take any."""
    for entry in (*model.graph.input, *model.graph.output):
        entry.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def halved(path: Path) -> onnx.ModelProto:
    """A graph of the pack as one that computes in float16; inputs and outputs keep their types, external weights their file.

    Weights in a file of their own (Whisper's, in the user's cache) stay what they are there and are rounded when it is opened.
    """
    model = onnx.load(path, load_external_data=False)
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    if outside:
        # As inputs they are left alone but for a cast behind each, which onnxruntime folds.
        for tensor in outside:
            model.graph.initializer.remove(tensor)
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    else:
        model = unpacked(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *IN_FLOAT32])
    for tensor in outside:
        model.graph.input.remove(next(entry for entry in model.graph.input if entry.name == tensor.name))
        model.graph.initializer.append(tensor)
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.value_info[:]  # which would hold a batch to one row
    helper.set_model_props(model, metadata)
    return model


def unpacked(path: Path) -> onnx.ModelProto:
    """The graph with what only depends on constants worked out by onnxruntime, and tables of int8 as float32 of the same values."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # no nodes of one provider only
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / path.name)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    packed = {
        tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type in (TensorProto.INT8, TensorProto.FLOAT16)
    }
    casts = {node.input[0]: node for node in model.graph.node if node.op_type == "Cast"}
    for node in list(model.graph.node):
        if node.op_type not in LOOK_UPS or node.input[0] not in packed or node.output[0] not in casts:
            continue
        tensor = packed[node.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
        after = casts[node.output[0]]
        node.output[0] = after.output[0]
        model.graph.node.remove(after)
    del model.graph.value_info[:]
    return model
