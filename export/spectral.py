"""`python -m export spectral`: the trained spectral encoder -> a graph for one column at a time, checked against torch.

Weights are stored as int8 with one scale an output channel. `--compute float32` turns them back when the graph is
opened (Cast and Mul on constants fold), so that CPU and CUDA run the same numbers; `--compute int8` multiplies in
int8 with dynamic activations.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from streamser.features.spectral import SpectralEncoder as Runtime
from streamser.features.spectral_mel import COLUMN_FRAMES, COLUMN_SAMPLES, LOOK_AHEAD, MEL_BANDS, columns_decibels
from train.corpora import LABELS, cache_root
from train.spectral.model import BANDS, SIZES, SpectralEncoder, Student
from train.spectral.teacher import EMBEDDING, SCORES

PACK_FILE = Path(__file__).parent.parent / "streamser" / "packs" / "default" / "spectral.onnx"
OPSET = 18


class OneColumn(nn.Module):
    """`SpectralEncoder.step` as the forward of a module, which is what the exporter takes."""

    def __init__(self, encoder: SpectralEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor, past: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder.step(mel, past, distance)


def load_encoder(checkpoint: Path) -> SpectralEncoder:
    """The encoder of a checkpoint of `python -m train spectral`, in evaluation mode."""
    kept = torch.load(checkpoint, weights_only=True, map_location="cpu")
    student = Student(SIZES[kept["size"]], SCORES, EMBEDDING, len(LABELS))
    student.load_state_dict(kept["student"])
    return student.encoder.eval()


def export_float(encoder: SpectralEncoder, path: Path) -> None:
    """Write the float32 graph with fixed shapes."""
    size = encoder.size
    past = torch.zeros(size.depth, 2, size.heads, size.past, BANDS, size.width // size.heads)
    example = (torch.zeros(1, 1, COLUMN_FRAMES, MEL_BANDS), past, torch.zeros(size.past, dtype=torch.int64))
    torch.onnx.export(
        OneColumn(encoder),
        example,
        str(path),
        input_names=["mel", "past", "distance"],
        output_names=["column", "written"],
        opset_version=OPSET,
        dynamo=False,
    )


def shrink(source: Path, target: Path) -> None:
    """Store matrices as int8 with a scale a column; the graph computes in float32 with what Cast and Mul restore."""
    model = onnx.load(source)
    kept, restored = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim != 2 or values.size < 10_000:
            kept.append(tensor)
            continue
        scale = np.maximum(np.abs(values).max(axis=0, keepdims=True), 1e-12).astype(np.float32) / 127.0
        small = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        name = tensor.name
        kept += [numpy_helper.from_array(small, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]
        restored.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT))
        restored.append(helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]))
    nodes = restored + list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def quantise(source: Path, target: Path) -> None:
    """int8 multiplication with activations scaled at run time; 7-bit weights, as older x86 chips overflow with 8."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )


def check_sound(seconds: float) -> np.ndarray:
    """A sweep in syllable-like bursts, faint noise and silent stretches: float32 [n] at 16 kHz, always the same."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * 16_000)) / 16_000
    pulse = sum(np.sin(2 * np.pi * k * (140 * t + 20 * np.sin(2 * np.pi * 0.7 * t))) / k for k in range(1, 25))
    voice = pulse * np.maximum(0.0, np.sin(2 * np.pi * 2.3 * t)) * (t % 5.0 < 3.5)
    return (0.08 * voice + 0.002 * rng.standard_normal(len(t)) * (t % 7.0 < 6.0)).astype(np.float32)


def parity(encoder: SpectralEncoder, path: Path, seconds: float = 30.0) -> dict[str, float]:
    """The streamed graph against torch on the whole sound under the causal mask, and milliseconds a second of audio."""
    sound = check_sound(seconds)
    stream = Runtime.load(path).stream()
    stream.feed(sound[: COLUMN_SAMPLES * 2])
    stream.reset()
    start = time.perf_counter()
    streamed = np.concatenate([stream.feed(sound[begin : begin + 8000]) for begin in range(0, len(sound), 8000)])
    spent = time.perf_counter() - start
    with torch.no_grad():
        whole = encoder(torch.from_numpy(columns_decibels(sound))[None])[0].numpy()
    # What all columns share says nothing: the error is measured against how columns differ.
    varying = whole - whole.mean(axis=0)
    assert len(streamed) == (len(sound) - LOOK_AHEAD) // COLUMN_SAMPLES
    return {
        "max_difference": float(np.abs(streamed - whole).max()),
        "relative_error": float(np.linalg.norm(streamed - whole) / np.linalg.norm(varying)),
        "ms_per_second": 1000.0 * spent / seconds,
        "megabytes": path.stat().st_size / 1e6,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the cache's spectral/tiny/checkpoint.pt")
    parser.add_argument("--out", type=Path, default=PACK_FILE)
    parser.add_argument("--compute", choices=("float32", "int8"), default="int8")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    checkpoint = args.checkpoint or cache_root() / "spectral" / "tiny" / "checkpoint.pt"
    if not checkpoint.is_file():
        raise SystemExit(f"no checkpoint at {checkpoint}: run `python -m train spectral` or name one with --checkpoint")
    encoder = load_encoder(checkpoint)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        floats = Path(folder) / "float.onnx"
        export_float(encoder, floats)
        exact = parity(encoder, floats)
        print("float32 graph", exact)
        if exact["max_difference"] > 1e-3:
            raise SystemExit(f"the streamed float32 graph differs from torch by {exact['max_difference']:.2g}")
        small = Path(folder) / "small.onnx"
        (shrink if args.compute == "float32" else quantise)(floats, small)
        shipped = parity(encoder, small)
        print(f"{args.compute} on int8 weights", shipped)
        if shipped["relative_error"] > 0.15:
            raise SystemExit(f"int8 weights cost too much: error of {shipped['relative_error']:.3f} of the variation")
        partial = args.out.with_suffix(".partial")
        partial.write_bytes(small.read_bytes())
        partial.replace(args.out)
    print(f"wrote {args.out} ({shipped['megabytes']:.2f} MB)")
    return 0
