"""`python -m export published-spectral`: published CED weights -> one ONNX graph, checked against torch before it is kept.

The graph hears one chunk: mel float32 [batch, 64, frames], decibels of `train.spectral.published_mel`, 16 to 1012 frames, to
    tokens     float32 [batch, 4 (frames // 16), width]   token 4 j + b is band b of the j-th 160 ms
    embedding  float32 [batch, width]                      their mean
    logits     float32 [batch, classes]
Of a longer recording, run each 1012 frames, and average the chunks' embeddings by their numbers of tokens.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from streamser.errors import PackError
from train.spectral.published import CHUNK_FRAMES, PATCH, PUBLISHED_SIZES, PublishedCed
from train.spectral.published_mel import HOP, MEL_BANDS, PublishedMel
from train.spectral.published_weights import load_published

FORMAT = "streamser-published-ced-1"
OPSET = 17
TOLERANCE = 1e-4  # of the largest value of an output
OUTPUTS = ("tokens", "embedding", "logits")


class _OneChunk(nn.Module):
    """The network without the split into chunks, which no graph of fixed nodes can hold."""

    def __init__(self, network: PublishedCed) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> tuple[Tensor, ...]:
        return self.network.summarise(self.network.encode(self.network.init_bn(mel)))


def write_graph(network: PublishedCed, path: Path) -> None:
    """Write the float32 graph; batch and frames are free."""
    axes = {name: {0: "batch"} for name in ("mel", *OUTPUTS)}
    axes["mel"][2] = "frames"
    axes["tokens"][1] = "tokens"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _OneChunk(network).eval(),
            (torch.zeros(2, MEL_BANDS, 10 * PATCH),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["mel"],
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {"format": FORMAT, "chunk_frames": str(CHUNK_FRAMES), "heads": str(network.size.heads)})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def largest_difference(network: PublishedCed, path: Path) -> float:
    """onnxruntime against torch for the shortest, odd and full lengths and batches of 1 and 2, relative to each output's peak.

    Raises:
        PackError: it is above the tolerance.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch, frames in ((1, PATCH), (2, 107), (1, CHUNK_FRAMES)):
        # Bursts of noise: loud and silent frames, as speech has.
        samples = 0.1 * torch.randn(batch, (frames - 1) * HOP, generator=generator)
        mel = PublishedMel()(samples * (torch.arange(samples.shape[1]) % 4000 < 2500))
        with torch.no_grad():
            expected = network(mel)
        for value, heard in zip(session.run(list(OUTPUTS), {"mel": mel.numpy()}), expected, strict=True):
            reference = heard.numpy()
            assert value.shape == reference.shape
            worst = max(worst, float(np.abs(value - reference).max() / np.abs(reference).max()))
    if not worst <= TOLERANCE:
        raise PackError(f"parity failed: onnxruntime and torch differ by {worst:.2g} of the peak (allowed {TOLERANCE:.0e})")
    return worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m export published-spectral`."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--weights", type=Path, required=True, help="a published file, or the folder of a Hugging Face download")
    parser.add_argument("--size", choices=list(PUBLISHED_SIZES), help="refuse weights of another size (default: what they are)")
    parser.add_argument("--output", type=Path, required=True)


def run(args: argparse.Namespace) -> int:
    """Export, check, and only then write the output."""
    torch.set_num_threads(1)
    network = load_published(args.weights, args.size)
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        # Beside the output, so that what is kept arrives by one rename, whole.
        with tempfile.TemporaryDirectory(dir=args.output.parent) as folder:
            written = Path(folder) / "published.onnx"
            write_graph(network, written)
            worst = largest_difference(network, written)
            written.replace(args.output)
    except OSError as error:
        raise PackError(f"cannot write {args.output}: {error.strerror or error}") from error
    size = network.size
    print(
        f"{args.output}: {args.output.stat().st_size / 2**20:.2f} MiB, width {size.width}, {size.depth} blocks, "
        f"{size.heads} heads, parity {worst:.1e}"
    )
    return 0
