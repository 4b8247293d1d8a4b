"""`python -m export text`: the fine-tuned sentence network as `text.onnx` and `tokenizer.json`, checked against torch.

The table of token embeddings ships as int8 with a scale a row (the very values that it was trained with), the matrices of the
layers as int8 with a scale for every 32 numbers of a column. onnxruntime multiplies the latter out once, at load, and computes
in float32: with inputs rounded too (dynamic quantisation) far more labels change. The calibration is folded into the head.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

import streamser.packs
from streamser.features.text import MAX_TOKENS, TextEncoder
from train.corpora import LABELS
from train.text.measures import Calibration, scores
from train.text.network import TextModel, TextNetwork, round_rows
from train.text.sentences import Sentence, named, read_goemotions, read_meld_test
from train.text.train import checkpoint_path

OPSET = 20
BLOCK = 32  # rows that share a scale
SMALLEST_MATRIX = 384 * 384  # numbers; the head is smaller and stays as it is
LARGEST_FILE = 23_000_000  # bytes; the whole pack has 40 MB
LEAST_AGREEMENT = 0.99  # share of GoEmotions' dev sentences with the label of the float32 network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Path(streamser.packs.__file__).with_name("default")
    parser.add_argument("--out", type=Path, default=default, help="folder for text.onnx and tokenizer.json")


def load_trained() -> tuple[TextModel, dict[str, object]]:
    """The checkpoint of `python -m train text`, its calibration folded into the head, and what is told of it."""
    path = checkpoint_path()
    if not path.is_file():
        raise SystemExit(f"no checkpoint at {path}: run `python -m train text` first")
    kept = torch.load(path, weights_only=True)
    network = TextNetwork(kept["network"]["words.weight"].shape[0])
    network.load_state_dict(kept["network"])
    calibration = Calibration(**kept["calibration"])
    with torch.no_grad():
        network.head.weight /= calibration.temperature
        network.head.bias.copy_(torch.from_numpy(calibration.apply(network.head.bias.numpy())))
    return TextModel(network.eval(), kept["tokenizer"]), {name: kept[name] for name in ("stage", "seed", "dev", "calibration")}


class ShippedNetwork(nn.Module):
    """One text at a time, its embeddings looked up in the table of int8."""

    def __init__(self, network: TextNetwork) -> None:
        super().__init__()
        self.network = network
        table, scale = round_rows(network.words.weight.detach())
        self.register_buffer("table", table)
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """ids int64 [n] -> tokens float32 [n, 384], logits float32 [7]."""
        words = self.get_buffer("table")[ids].to(torch.float32) * self.get_buffer("scale")[ids]
        tokens, _, logits = self.network.encode(words[None])
        return tokens[0], logits[0]


def shrink_matrices(model: onnx.ModelProto) -> None:
    """Store every large float32 matrix that a MatMul multiplies by as int8 and a float16 scale a block, in place.

    Cast, Mul and Reshape rather than DequantizeLinear: onnxruntime folds them at load, but runs the latter every time.
    """
    graph, helper, to_tensor = model.graph, onnx.helper, onnx.numpy_helper.from_array
    matrices = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 2}
    multiplied = [name for node in graph.node if node.op_type == "MatMul" for name in node.input if name in matrices]
    unpacking: list[onnx.NodeProto] = []
    for name in dict.fromkeys(multiplied):
        matrix = onnx.numpy_helper.to_array(matrices[name])
        if matrix.size < SMALLEST_MATRIX:
            continue
        rows, columns = matrix.shape
        blocks = matrix.reshape(rows // BLOCK, BLOCK, columns)
        scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float16)
        rounded = np.clip(np.rint(blocks / scale.astype(np.float32)), -127, 127).astype(np.int8)
        graph.initializer.remove(matrices[name])
        graph.initializer.append(to_tensor(rounded, f"{name}_int8"))
        graph.initializer.append(to_tensor(scale, f"{name}_scale"))
        graph.initializer.append(to_tensor(np.array(matrix.shape), f"{name}_shape"))
        for part in ("int8", "scale"):
            unpacking.append(helper.make_node("Cast", [f"{name}_{part}"], [f"{name}_{part}_cast"], to=onnx.TensorProto.FLOAT))
        unpacking.append(helper.make_node("Mul", [f"{name}_int8_cast", f"{name}_scale_cast"], [f"{name}_blocks"]))
        unpacking.append(helper.make_node("Reshape", [f"{name}_blocks", f"{name}_shape"], [name]))
    nodes = [*unpacking, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def write_graph(network: TextNetwork, path: Path, metadata: dict[str, str]) -> None:
    """Export, shrink and write the graph with what it was made from."""
    program = torch.onnx.export(
        ShippedNetwork(network).eval(),
        (torch.arange(8),),
        dynamo=True,
        opset_version=OPSET,
        input_names=["ids"],
        output_names=["tokens", "logits"],
        dynamic_shapes=({0: torch.export.Dim("n", min=2, max=MAX_TOKENS)},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    shrink_matrices(model)
    for node in model.graph.node:
        del node.metadata_props[:]  # the exporter's stack traces, with this machine's paths
    model.doc_string = ""
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@torch.inference_mode()
def torch_logits(network: TextNetwork, ids: list[np.ndarray]) -> np.ndarray:
    """float32 [texts, 7], one text at a time."""
    return np.stack([network(torch.from_numpy(row)[None])[2][0].numpy() for row in ids])


def compare(network: TextNetwork, encoder: TextEncoder, sentences: list[Sentence]) -> dict[str, float]:
    """The shipped graph beside the float32 network: agreement of labels, closeness of tokens, scores, time."""
    usable = [sentence for sentence in sentences if encoder.token_ids(named(sentence.text)).size]
    texts = [named(sentence.text) for sentence in usable]
    expected = torch_logits(network, [encoder.token_ids(text) for text in texts])
    started = time.perf_counter()
    features = [encoder.encode(text, "en") for text in texts]
    milliseconds = (time.perf_counter() - started) / len(texts) * 1000
    shipped = np.stack([feature.probabilities for feature in features if feature.probabilities is not None])
    odds = np.exp(expected - expected.max(1, keepdims=True))
    with torch.inference_mode():
        reference = [network(torch.from_numpy(encoder.token_ids(text))[None])[0][0].numpy() for text in texts[:200]]
    cosines = [
        float((own * feature.tokens).sum() / np.linalg.norm(own) / np.linalg.norm(feature.tokens))
        for own, feature in zip(reference, features, strict=False)
    ]
    return {
        "sentences": len(usable),
        "unusable": len(sentences) - len(usable),
        "agreement": round(float((expected.argmax(1) == shipped.argmax(1)).mean()), 4),
        "mean_probability_difference": round(float(np.abs(odds / odds.sum(1, keepdims=True) - shipped).mean()), 5),
        "token_cosine": round(float(np.mean(cosines)), 5),
        "macro_f1_float32": round(scores(expected, usable)["macro_f1"], 4),
        "macro_f1_shipped": round(scores(shipped, usable)["macro_f1"], 4),
        "milliseconds_a_sentence": round(milliseconds, 2),
    }


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    model, told = load_trained()
    args.out.mkdir(parents=True, exist_ok=True)
    metadata = {
        "name": "streamser text: all-MiniLM-L6-v2 fine-tuned on GoEmotions",
        "licence": "Apache-2.0 (all-MiniLM-L6-v2: Apache-2.0, sentence-transformers; GoEmotions: Apache-2.0, Google)",
        "labels": " ".join(LABELS),
        "language": "en",
        "training": json.dumps(told),
    }
    graph = args.out / "text.onnx"
    write_graph(model.network, graph, metadata)
    (args.out / "tokenizer.json").write_text(model.tokenizer_json, encoding="utf-8")
    encoder = TextEncoder.load(args.out)
    size = graph.stat().st_size
    figures = {}
    for name, sentences in (("goemotions_dev", read_goemotions("dev")), ("meld_test", read_meld_test())):
        figures[name] = compare(model.network, encoder, sentences)
        print(json.dumps({"set": name, **figures[name]}), flush=True)
    agreement = figures["goemotions_dev"]["agreement"]
    print(json.dumps({"file": graph.name, "bytes": size, "agreement": agreement}))
    if size > LARGEST_FILE or agreement < LEAST_AGREEMENT:
        print(f"not good enough: at most {LARGEST_FILE} bytes and an agreement of at least {LEAST_AGREEMENT} are asked for")
        return 1
    return 0
