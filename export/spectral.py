"""`python -m export spectral`: the trained spectral encoder -> a graph for one column at a time, checked against torch.

Weights are stored as float16 and turned back into float32 when the graph is opened, so that CPU and CUDA run the same numbers.
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
from train.checkpoints import read_checkpoint
from train.corpora import cache_root
from train.spectral.model import BANDS, SIZES, SpectralEncoder, Student
from train.spectral.train import HEADS, fill

PACK_FILE = Path(__file__).parent.parent / "streamser" / "packs" / "default" / "spectral.onnx"
OPSET = 18
SMALLEST_SHRUNK = 4_000  # numbers; smaller tensors are not worth a node
LARGEST_ERROR = 0.02  # of how columns differ


class OneColumn(nn.Module):
    """`SpectralEncoder.step` as the forward of a module, which is what the exporter takes."""

    def __init__(self, encoder: SpectralEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor, past: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder.step(mel, past, distance)


def load_encoder(checkpoint: Path) -> SpectralEncoder:
    """The encoder of a checkpoint of `python -m train spectral`, in evaluation mode."""
    kept = read_checkpoint(checkpoint, "spectral", "student")
    student = Student(SIZES[kept["size"]], HEADS)
    fill(student, kept, checkpoint)
    return student.encoder.eval()


def export_float(encoder: SpectralEncoder, path: Path) -> None:
    """Write the float32 graph with fixed shapes."""
    size = encoder.size
    past = torch.zeros(size.depth, 2, size.heads, size.past, BANDS, size.width // size.heads)
    example = (torch.zeros(1, 1, COLUMN_FRAMES, MEL_BANDS), past, torch.zeros(size.past, dtype=torch.int64))
    torch.onnx.export(
        OneColumn(encoder).eval(),  # else the exporter leaves the encoder in training mode
        example,
        str(path),
        input_names=["mel", "past", "distance"],
        output_names=["column", "written"],
        opset_version=OPSET,
        dynamo=False,
    )


def shrink(source: Path, target: Path) -> None:
    """Store matrices as float16; the graph computes in float32 with what Cast restores, folded when it is opened.

    int8 will not do: columns differ by less than its noise once loudness, which is most of them, is spread out.
    """
    model = onnx.load(source)
    kept, restored = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST_SHRUNK:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
        restored.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=TensorProto.FLOAT))
    nodes = restored + list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)


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
    parser.add_argument("--checkpoint", type=Path, default=None, help="default: the cache's spectral/half/checkpoint.pt")
    parser.add_argument("--out", type=Path, default=PACK_FILE)


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    checkpoint = args.checkpoint or cache_root() / "spectral" / "half" / "checkpoint.pt"
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
        shrink(floats, small)
        shipped = parity(encoder, small)
        print("float16 weights", shipped)
        if shipped["relative_error"] > LARGEST_ERROR:
            raise SystemExit(f"float16 weights cost too much: error of {shipped['relative_error']:.3f} of the variation")
        partial = args.out.with_suffix(".partial")
        partial.write_bytes(small.read_bytes())
        partial.replace(args.out)
    print(f"wrote {args.out} ({shipped['megabytes']:.2f} MB)")
    return 0
