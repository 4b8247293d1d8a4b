"""Write the two graphs of Whisper's decoder (Radford et al. 2022, section 2.2) without its weights.

`cross`: the encoder's states -> every block's keys and values of them, a linear map of each frame alone, so that those of
silence are computed once. `decoder`: a token, what came before it as keys and values, and those of the encoder's states -> the
logits of what comes next, and the attention of the heads that follow the audio, before its softmax. Products are int8
(`streamser.packs.decoder_weights`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamser.packs.decoder_weights import EMBEDDINGS, PROJECTION, WEIGHTS_FILE, decoder_layout, scale_of

OPSET = 20
HEAD_WIDTH = 64  # in every published size
_TYPES = {"<f4": TensorProto.FLOAT, "<f2": TensorProto.FLOAT16, "|i1": TensorProto.INT8}
_FLOAT = TensorProto.FLOAT


class _Graph:
    """Nodes and initialisers, as they come; only the weights that are used become initialisers."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self._layout = decoder_layout(shapes)
        self._used: dict[str, onnx.TensorProto] = {}
        self._nodes: list[onnx.NodeProto] = []

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        self._used[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def weight(self, name: str) -> str:
        place = self._layout[name]
        tensor = TensorProto(name=name, data_type=_TYPES[place.dtype], dims=place.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", WEIGHTS_FILE), ("offset", place.offset), ("length", place.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self._used[name] = tensor
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def several(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> list[str]:
        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def linear(self, x: str, name: str, output: str) -> str:
        inputs = [x, self.weight(f"{name}/weight"), self.weight(f"{name}/scale")]
        if f"{name}/bias" in self._layout:
            inputs += ["", self.weight(f"{name}/bias")]
        return self.node("DynamicQuantizeMatMul", inputs, output, domain="com.microsoft")

    def normalised(self, x: str, name: str, output: str) -> str:
        weights = [self.weight(f"{name}/gamma"), self.weight(f"{name}/beta")]
        return self.node("LayerNormalization", [x, *weights], output, axis=-1, epsilon=1e-5)

    def model(self, name: str, inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, list[Any]]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(key, _FLOAT, shape) for key, shape in outputs.items()],
            list(self._used.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def depth_of(shapes: dict[str, tuple[int, ...]]) -> int:
    return 1 + max(
        int(name.split("/")[1].split("_")[1]) for name in shapes if name.startswith("decoder/layer_") and "/ffn/" in name
    )


def build_cross(shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    """`last` float32 [T, width] -> `keys_L` float32 [heads, 64, T] and `values_L` float32 [heads, T, 64] of every block L."""
    width = shapes[EMBEDDINGS][1]
    heads = width // HEAD_WIDTH
    graph = _Graph(shapes)
    graph.constant("both", [0, 2, heads, HEAD_WIDTH])
    graph.constant("one", [1])
    outputs: dict[str, list[Any]] = {}
    for block in range(depth_of(shapes)):
        name = f"decoder/layer_{block}/attention/linear_1"
        product = graph.node("MatMul", ["last", graph.weight(f"{name}/weight")], f"b{block}_product")
        both = graph.node("Add", [product, graph.weight(f"{name}/bias")], f"b{block}_both")
        split = graph.node("Reshape", [both, "both"], f"b{block}_split")
        keys, values = graph.several("Split", [split], [f"b{block}_k", f"b{block}_v"], axis=1, num_outputs=2)
        for kind, part, order in (("keys", keys, [1, 2, 0]), ("values", values, [1, 0, 2])):
            squeezed = graph.node("Squeeze", [part, "one"], f"{part}_heads")
            graph.node("Transpose", [squeezed], f"{kind}_{block}", perm=order)
        outputs[f"keys_{block}"] = [heads, HEAD_WIDTH, "frames"]
        outputs[f"values_{block}"] = [heads, "frames", HEAD_WIDTH]
    return graph.model("whisper_cross", {"last": (_FLOAT, ["frames", width])}, outputs)


def build_decoder(shapes: dict[str, tuple[int, ...]], alignment_heads: list[tuple[int, int]]) -> onnx.ModelProto:
    """One token of a transcript, told what was before it: several at once would share one range of int8, and be less exact.

    token int64 [1], past float32 [2 blocks, heads, t, 64], and `keys_L`, `values_L` as `cross` gives them -> logits float32
    [vocabulary] of what comes next, present float32 [2 blocks, heads, t + 1, 64], attention float32 [alignment heads, 1, frames].
    """
    width = shapes[EMBEDDINGS][1]
    depth, heads = depth_of(shapes), width // HEAD_WIDTH
    graph = _Graph(shapes)
    graph.constant("split_heads", [0, 3, heads, HEAD_WIDTH])
    graph.constant("one_head", [0, heads, HEAD_WIDTH])
    graph.constant("join_heads", [0, width])
    graph.constant("scale", HEAD_WIDTH**-0.5, np.float32)
    graph.constant("axis_0", [0])
    row = graph.node("Cast", [graph.node("Gather", [graph.weight(EMBEDDINGS), "token"], "row")], "embedded", to=_FLOAT)
    begin = graph.node("Shape", ["past"], "begin", start=2, end=3)
    end = graph.node("Add", [begin, graph.constant("one", [1])], "end")
    positions = graph.node("Slice", [graph.weight("decoder/position_encodings/encodings"), begin, end, "axis_0"], "positions")
    x = graph.node("Add", [row, positions], "x0")
    before = graph.several("Split", ["past"], [f"past_{i}" for i in range(2 * depth)], axis=0, num_outputs=2 * depth)
    present: list[str] = []
    attention: list[str] = []
    for block in range(depth):
        prefix, out = f"decoder/layer_{block}", f"b{block}"
        y = graph.normalised(x, f"{prefix}/self_attention/layer_norm", f"{out}_norm1")
        qkv = graph.linear(y, f"{prefix}/self_attention/linear_0", f"{out}_qkv")
        split = graph.node("Reshape", [qkv, "split_heads"], f"{out}_split")
        turned = graph.node("Transpose", [split], f"{out}_turned", perm=[1, 2, 0, 3])
        q, k, v = graph.several("Split", [turned], [f"{out}_{name}" for name in "qkv"], axis=0, num_outputs=3)
        k = graph.node("Concat", [before[2 * block], k], f"{out}_keys", axis=2)
        v = graph.node("Concat", [before[2 * block + 1], v], f"{out}_values", axis=2)
        present += [k, v]
        scores = graph.node("MatMul", [q, graph.node("Transpose", [k], f"{out}_kt", perm=[0, 1, 3, 2])], f"{out}_scores")
        scaled = graph.node("Mul", [scores, "scale"], f"{out}_scaled")
        weights = graph.node("Softmax", [scaled], f"{out}_weights", axis=-1)
        mixed = graph.node("MatMul", [weights, v], f"{out}_mixed")
        back = graph.node("Transpose", [mixed], f"{out}_back", perm=[0, 2, 1, 3])
        joined = graph.node("Reshape", [graph.node("Squeeze", [back, "axis_0"], f"{out}_one"), "join_heads"], f"{out}_joined")
        attended = graph.linear(joined, f"{prefix}/self_attention/linear_1", f"{out}_attended")
        x = graph.node("Add", [x, attended], f"{out}_x1")

        y = graph.normalised(x, f"{prefix}/attention/layer_norm", f"{out}_norm2")
        # Scaled here and not beside the product: fused with it, a product of one row by the frames' keys takes 2.5 times as long.
        q = graph.node("Mul", [graph.linear(y, f"{prefix}/attention/linear_0", f"{out}_cq"), "scale"], f"{out}_cscaled")
        q = graph.node("Transpose", [graph.node("Reshape", [q, "one_head"], f"{out}_cheads")], f"{out}_cturned", perm=[1, 0, 2])
        scores = graph.node("MatMul", [q, f"keys_{block}"], f"{out}_cscores")
        chosen = [head for layer, head in alignment_heads if layer == block]
        if chosen:
            heads_here = graph.constant(f"{out}_aligned", chosen)
            attention.append(graph.node("Gather", [scores, heads_here], f"{out}_attention", axis=0))
        mixed = graph.node(
            "MatMul", [graph.node("Softmax", [scores], f"{out}_cweights", axis=-1), f"values_{block}"], f"{out}_cmixed"
        )
        back = graph.node("Transpose", [mixed], f"{out}_cback", perm=[1, 0, 2])
        joined = graph.node("Reshape", [back, "join_heads"], f"{out}_cjoined")
        x = graph.node("Add", [x, graph.linear(joined, f"{prefix}/attention/linear_2", f"{out}_heard")], f"{out}_x2")

        y = graph.normalised(x, f"{prefix}/ffn/layer_norm", f"{out}_norm3")
        y = graph.node("Gelu", [graph.linear(y, f"{prefix}/ffn/linear_0", f"{out}_wide")], f"{out}_active")
        x = graph.node("Add", [x, graph.linear(y, f"{prefix}/ffn/linear_1", f"{out}_narrow")], f"{out}_x3")
    graph.node("Concat", present, "present", axis=0)
    graph.node("Concat", attention, "attention", axis=0)
    inputs = [graph.normalised(x, "decoder/layer_norm", "normalised"), graph.weight(PROJECTION), graph.weight(scale_of(PROJECTION))]
    product = graph.node("DynamicQuantizeMatMul", inputs, "logits_row", domain="com.microsoft")
    graph.node("Squeeze", [product, "axis_0"], "logits")
    memory = {f"keys_{block}": (_FLOAT, [heads, HEAD_WIDTH, "frames"]) for block in range(depth)}
    memory |= {f"values_{block}": (_FLOAT, [heads, "frames", HEAD_WIDTH]) for block in range(depth)}
    return graph.model(
        "whisper_decoder",
        {
            "token": (TensorProto.INT64, [1]),
            "past": (_FLOAT, [2 * depth, heads, "t", HEAD_WIDTH]),
            **memory,
        },
        {
            "logits": [shapes[EMBEDDINGS][0]],
            "present": [2 * depth, heads, "all", HEAD_WIDTH],
            "attention": [len(alignment_heads), 1, "frames"],
        },
    )
