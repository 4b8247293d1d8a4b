"""`python -m export pitch`: the trained pitch network as one streaming ONNX graph, checked against torch before it is kept."""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streamser.errors import PackError
from streamser.features.pitch import FORMAT, PitchTracker
from train.checkpoints import read_checkpoint
from train.corpora import cache_root
from train.pitch.network import DELAY, MELS, PitchNetwork
from train.pitch.synthesis import harmonic_sound

PACK_FILE = Path("streamser/packs/default/pitch.onnx")
OPSET = 17
LARGEST_MIB = 4.0
TOLERANCE = 1e-4  # of salience, 0 to 1


class _Salience(nn.Module):
    """The network with the sigmoid that the runtime wants."""

    def __init__(self, network: PitchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        logits, state = self.network(mel, state)
        return logits.sigmoid(), state


def write_graph(network: PitchNetwork, threshold: float, path: Path, provenance: dict[str, str]) -> None:
    """Write the streaming graph: (mel f32[1, T, 128], state f32[1, S]) -> (salience f32[1, T, 360], new_state f32[1, S])."""
    import onnx

    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Salience(network).eval(),
            (torch.zeros(1, 50, MELS), network.initial_state()),
            str(path),
            dynamo=False,  # the newer exporter unrolls nothing here either, but writes weights beside the file
            opset_version=OPSET,
            input_names=["mel", "state"],
            output_names=["salience", "new_state"],
            dynamic_axes={"mel": {1: "frames"}, "salience": {1: "frames"}},
        )
    model = onnx.load(str(path))
    metadata = {
        "format": FORMAT,
        "threshold": f"{threshold:.4f}",
        "delay": str(DELAY),
        "state_size": str(network.state_size),
        **provenance,
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def largest_difference(network: PitchNetwork, path: Path) -> float:
    """Streaming ONNX in uneven blocks against torch on whole sounds: the largest difference of salience.

    Raises:
        PackError: it is above the tolerance, so the graph does not say what the network says.
    """
    from streamser.features.mel import HALF_WINDOW, log_mel

    tracker = PitchTracker.load(path)
    network.eval()
    generator = np.random.default_rng(0)
    worst = 0.0
    for _ in range(4):
        audio, _ = harmonic_sound(3.0, generator)
        audio = audio + 0.01 * generator.standard_normal(len(audio)).astype(np.float32)
        mel = log_mel(np.concatenate([np.zeros(HALF_WINDOW, np.float32), audio]))
        with torch.no_grad():
            whole = network(torch.from_numpy(mel)[None], network.initial_state())[0][0].sigmoid().numpy()
        state, at, rows = tracker.initial_state(), 0, []
        while at < len(mel):
            count = int(generator.integers(1, 60))
            salience, state = tracker.advance(mel[at : at + count], state)
            rows.append(salience)
            at += count
        worst = max(worst, float(np.abs(np.concatenate(rows) - whole).max()))
    if worst > TOLERANCE:
        raise PackError(f"parity failed: streaming ONNX and torch differ by {worst:.2g} (allowed {TOLERANCE:.0e})")
    return worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m export pitch`."""
    parser.description = __doc__
    parser.add_argument("--checkpoint", type=Path, help="default: the cache's pitch/checkpoint.pt")
    parser.add_argument("--output", type=Path, default=PACK_FILE)


def run(args: argparse.Namespace) -> int:
    """Export, check, and only then replace the pack's file."""
    torch.set_num_threads(1)
    path = args.checkpoint or cache_root() / "pitch" / "checkpoint.pt"
    content = read_checkpoint(path, "pitch", "average")
    network = PitchNetwork()
    try:
        network.load_state_dict(content["average"])
    except RuntimeError as error:
        raise PackError(f"{path} holds an earlier version's network: run `python -m train pitch` again") from error
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "pitch.onnx"
        write_graph(network, content["threshold"], written, {"steps": str(content["step"])})
        worst = largest_difference(network, written)
        size = written.stat().st_size / 2**20
        if size > LARGEST_MIB:
            raise PackError(f"the graph has {size:.1f} MiB, more than {LARGEST_MIB} MiB")
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_bytes(written.read_bytes())
    print(f"{args.output}: {size:.2f} MiB, step {content['step']}, threshold {content['threshold']:.2f}, parity {worst:.1e}")
    return 0
