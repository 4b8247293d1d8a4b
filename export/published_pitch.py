"""`python -m export published-pitch`: published RMVPE weights as one ONNX graph, checked against torch before it is kept."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from streamser.clock import SAMPLE_RATE
from streamser.errors import PackError
from streamser.sessions import open_session
from train.pitch.published import PublishedPitch, Sizes
from train.pitch.published_mel import BANDS, log_mel, pad_frames
from train.pitch.published_weights import UNUSED, fill_network, read_state_dict

FORMAT = "published-rmvpe-1"
OPSET = 17
TOLERANCE = 1e-4  # of salience, 0 to 1


def write_graph(network: PublishedPitch, path: Path, provenance: dict[str, str]) -> None:
    """Write (mel f32[1, T, 128], T a multiple of the metadata's `multiple`) -> salience f32[1, T, 360]."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 2 * network.sizes.multiple, BANDS),),
            str(path),
            dynamo=False,  # as in export.pitch: the newer exporter writes weights beside the file
            opset_version=OPSET,
            input_names=["mel"],
            output_names=["salience"],
            dynamic_axes={"mel": {1: "frames"}, "salience": {1: "frames"}},
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {"format": FORMAT, "multiple": str(network.sizes.multiple), **provenance})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def largest_difference(network: PublishedPitch, path: Path) -> float:
    """ONNX against torch on sounds of several lengths: the largest difference of salience.

    Raises:
        PackError: it is above the tolerance, so the graph does not say what the network says.
    """
    session = open_session(path, "cpu")
    generator = np.random.default_rng(0)
    worst = 0.0
    for seconds, hertz in ((0.05, 100.0), (1.0, 180.0), (2.5, 330.0)):
        times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        audio = 0.2 * (times * hertz % 1 - 0.5) + 0.01 * generator.standard_normal(len(times))
        mel = pad_frames(log_mel(audio.astype(np.float32)), network.sizes.multiple)[None]
        with torch.inference_mode():
            expected = network(torch.from_numpy(mel)).numpy()
        worst = max(worst, float(np.abs(session.run(None, {"mel": mel})[0] - expected).max()))
    if not worst <= TOLERANCE:  # not a number is a failure too
        raise PackError(f"parity failed: ONNX and torch differ by {worst:.2g} (allowed {TOLERANCE:.0e})")
    return worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m export published-pitch`."""
    parser.description = __doc__
    parser.add_argument("--weights", type=Path, required=True, help="model.pt of yxlllc/RMVPE or rmvpe.pt of RVC")
    parser.add_argument("--output", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--timbre-filter", action="store_true", help="the weights were trained with the paper's unet.tf in use")


def run(args: argparse.Namespace) -> int:
    """Open, export, check, and only then write the output."""
    torch.set_num_threads(1)
    state = read_state_dict(args.weights)
    network = fill_network(state, args.weights, Sizes(timbre_filter=args.timbre_filter))
    if not args.timbre_filter and any(name.startswith(UNUSED) for name in state):
        print("the file's unet.tf is left aside, as the published network does (--timbre-filter applies it)", file=sys.stderr)
    digest = hashlib.sha256(args.weights.read_bytes()).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "graph.onnx"
        write_graph(network, written, {"weights_sha256": digest})
        worst = largest_difference(network, written)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_bytes(written.read_bytes())
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    print(f"{args.output}: {args.output.stat().st_size / 2**20:.1f} MiB, {parameters:.2f} M parameters, parity {worst:.1e}")
    return 0
