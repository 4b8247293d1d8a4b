"""Write the graphs of Whisper (Radford et al. 2022, section 2.2) without its weights: here the encoder's two.

The first goes up to the last block whose output the fusion hears, and runs at every step; the second goes on to the end, and
runs where something is decoded. The weights stay where they are, in the user's copy of the model; both graphs name the
external file that `streamser.packs.whisper_weights` writes from it. Outputs, at 50 Hz: `layer_K` after block K for the chosen
K; `last`, after the final normalisation, which is what CTranslate2's decoder expects.

With --tuned the first graph's upper blocks carry low-rank factors (`python -m train tune`), which onnxruntime adds to the
weights when it opens the graph; the second then goes on from the last layer below them, through Whisper's own blocks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from export.whisper_decoder import build_cross, build_decoder
from streamser.errors import PackError
from streamser.packs.decoder_weights import decoder_shapes
from streamser.packs.whisper_weights import WEIGHTS_FILE, encoder_layout, encoder_shapes
from train.tuning.network import factors_by_block, load_tuned
from train.whisper import GRAPH_NAMES, PACK

OPSET = 20
HEAD_WIDTH = 64  # in every published size


Factors = dict[int, dict[str, tuple[np.ndarray, np.ndarray]]]  # by block from 0 and linear map: down [rank, in], up [out, rank]
LINEAR_OF = {  # a block's linear maps: as tuning calls them, and CTranslate2
    "queries_keys_values": "self_attention/linear_0",
    "attention_output": "self_attention/linear_1",
    "widen": "ffn/linear_0",
    "narrow": "ffn/linear_1",
}


def build_graphs(
    shapes: dict[str, tuple[int, ...]], layers: tuple[int, ...], factors: Factors | None = None
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The encoder in two: mel float32 [batch, mels, 2T] -> every `layer_K`, and a `layer_K` -> `last`: the largest that no
    factors reach.

    Raises:
        PackError: all layers are tuned, so that there is none to go on from.
    """
    names = [f"layer_{layer}" for layer in sorted(layers)]
    first = Extractor(build_graph(shapes, layers, factors)).extract_model(["mel"], names)
    plain = [layer for layer in sorted(layers) if layer <= min(factors or {max(layers): {}})]
    if not plain:
        raise PackError(f"layers {layers} are all tuned: name one below the tuned blocks, from which the decoder's way goes on")
    return first, Extractor(build_graph(shapes, layers)).extract_model([f"layer_{plain[-1]}"], ["last"])


def build_graph(shapes: dict[str, tuple[int, ...]], layers: tuple[int, ...], factors: Factors | None = None) -> onnx.ModelProto:
    """The whole encoder as ONNX: mel float32 [batch, mels, 2T] -> `layer_K` and `last` float32 [batch, T, width].

    factors: of tuned blocks, stored as float16.
    """
    width, mels, _ = shapes["encoder/conv1/weight"]
    depth = 1 + max(
        int(name.split("/")[1].split("_")[1]) for name in shapes if name.startswith("encoder/layer_") and "/self_" in name
    )
    heads = width // HEAD_WIDTH
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    tuned = {
        f"encoder/layer_{block}/{LINEAR_OF[name]}": pair for block, maps in (factors or {}).items() for name, pair in maps.items()
    }

    def weight_of(name: str) -> str:
        if name not in tuned:
            return f"{name}/weight"
        outputs, inputs = shapes[f"{name}/weight"]
        down, up = tuned[name]
        if (down.shape[1], up.shape[0]) != (inputs, outputs):
            raise PackError(f"the factors are of another size of Whisper: {name} has {inputs} inputs and {outputs} outputs")
        sides = []
        for side, values in zip(("down", "up"), tuned[name], strict=True):  # transposed, as the weights are stored
            half = constant(f"{name}/{side}_half", np.ascontiguousarray(values.T, np.float16))
            sides.append(node("Cast", [half], f"{name}/{side}", to=TensorProto.FLOAT))
        return node("Add", [f"{name}/weight", node("MatMul", sides, f"{name}/change")], f"{name}/tuned")

    def linear(x: str, name: str, output: str) -> str:
        product = node("MatMul", [x, weight_of(name)], f"{output}_product")
        return node("Add", [product, f"{name}/bias"], output) if f"{name}/bias" in shapes else product

    def normalised(x: str, name: str, output: str) -> str:
        return node("LayerNormalization", [x, f"{name}/gamma", f"{name}/beta"], output, axis=-1, epsilon=1e-5)

    constant("split_heads", np.array([0, 0, 3, heads, HEAD_WIDTH]))
    constant("join_heads", np.array([0, 0, width]))
    constant("scale", np.array(HEAD_WIDTH**-0.5, np.float32))
    for index in range(3):
        constant(f"index_{index}", np.array(index))
    constant("axis_0", np.array([0]))
    constant("zero", np.array([0]))

    for number, stride in ((1, 1), (2, 2)):
        source = "mel" if number == 1 else "conv1_active"
        name = f"encoder/conv{number}"
        node(
            "Conv",
            [source, f"{name}/weight", f"{name}/bias"],
            f"conv{number}",
            kernel_shape=[3],
            pads=[1, 1],
            strides=[stride],
        )
        node("Gelu", [f"conv{number}"], f"conv{number}_active")
    node("Transpose", ["conv2_active"], "frames", perm=[0, 2, 1])
    node("Shape", ["frames"], "length", start=1, end=2)
    node("Slice", ["encoder/position_encodings/encodings", "zero", "length", "axis_0"], "positions")
    x = node("Add", ["frames", "positions"], "x0")
    for block in range(depth):
        prefix, out = f"encoder/layer_{block}", f"b{block}"
        y = normalised(x, f"{prefix}/self_attention/layer_norm", f"{out}_norm1")
        qkv = linear(y, f"{prefix}/self_attention/linear_0", f"{out}_qkv")
        node("Reshape", [qkv, "split_heads"], f"{out}_split")
        node("Transpose", [f"{out}_split"], f"{out}_heads", perm=[2, 0, 3, 1, 4])
        q, k, v = (node("Gather", [f"{out}_heads", f"index_{i}"], f"{out}_{'qkv'[i]}", axis=0) for i in range(3))
        node("Transpose", [k], f"{out}_kt", perm=[0, 1, 3, 2])
        node("Mul", [q, "scale"], f"{out}_scaled")
        node("MatMul", [f"{out}_scaled", f"{out}_kt"], f"{out}_scores")
        node("Softmax", [f"{out}_scores"], f"{out}_weights", axis=-1)
        node("MatMul", [f"{out}_weights", v], f"{out}_mixed")
        node("Transpose", [f"{out}_mixed"], f"{out}_back", perm=[0, 2, 1, 3])
        node("Reshape", [f"{out}_back", "join_heads"], f"{out}_joined")
        x = node("Add", [x, linear(f"{out}_joined", f"{prefix}/self_attention/linear_1", f"{out}_attended")], f"{out}_x1")
        y = normalised(x, f"{prefix}/ffn/layer_norm", f"{out}_norm2")
        y = node("Gelu", [linear(y, f"{prefix}/ffn/linear_0", f"{out}_wide")], f"{out}_active")
        residual = linear(y, f"{prefix}/ffn/linear_1", f"{out}_narrow")
        x = node("Add", [x, residual], f"layer_{block + 1}" if block + 1 in layers else f"{out}_x2")
    normalised(x, "encoder/layer_norm", "last")

    for placement in encoder_layout(shapes):
        tensor = TensorProto(name=placement.name, data_type=TensorProto.FLOAT, dims=placement.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS_FILE), ("offset", placement.offset), ("length", placement.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        constants.append(tensor)
    outputs = [f"layer_{layer}" for layer in layers] + ["last"]
    graph = helper.make_graph(
        nodes,
        "whisper_encoder",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", mels, "twice_frames"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "frames", width]) for name in outputs],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("model_bin", type=Path, help="CTranslate2's model.bin of the Whisper size, with its config.json beside it")
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4], help="middle layers to return (default: 2 4)")
    parser.add_argument(
        "--tuned", type=Path, metavar="CHECKPOINT", help="factors for the upper blocks, from `python -m train tune`"
    )
    parser.add_argument("-o", "--output", type=Path, default=PACK, help="folder for the graphs (default: the default pack)")


def run(args: argparse.Namespace) -> int:
    for needed in (args.model_bin, args.model_bin.parent / "config.json"):
        if not needed.is_file():
            raise PackError(f"{needed}: no such file; name a folder's model.bin with its config.json beside it")
    factors = factors_by_block(load_tuned(args.tuned)[0]) if args.tuned else None
    decoder = decoder_shapes(args.model_bin)
    config = json.loads((args.model_bin.parent / "config.json").read_text())
    heads = [(int(layer), int(head)) for layer, head in config["alignment_heads"]]
    models = [
        *build_graphs(encoder_shapes(args.model_bin), tuple(args.layers), factors),
        build_cross(decoder),
        build_decoder(decoder, heads),
    ]
    for name, model in zip(GRAPH_NAMES, models, strict=True):
        onnx.save(model, args.output / name)
        print(f"{args.output / name}: {(args.output / name).stat().st_size} bytes")
    return 0
