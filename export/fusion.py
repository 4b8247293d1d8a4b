"""`python -m export fusion`: all members of the ensemble in one graph, checked against torch, and their calibration.

Weights are stored as float16 and computed in float32; the members were rounded to float16 before they were calibrated, so
nothing is lost. Writes `fusion.onnx` and `fusion.json` (members, temperatures, the thresholds of `uncertain`).
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from export.left_out import clip_temperature, joint_ratio, left_out_ratios, taught_by
from export.thresholds import thresholds
from streamser.fusion_input import MODALITIES
from streamser.sessions import open_session
from train.corpora import TRAINING_CORPORA
from train.features import GRAPHS, PACK, Collection
from train.fusion.data import Batch, arousal_levels, checkpoint_folder, in_order, without_history
from train.fusion.ensemble import Ensemble
from train.fusion.histories import FLOOR
from train.fusion.inputs import load_inputs
from train.fusion.mdat import SPECTRAL_WIDTH, STATISTICS, TEXT_WIDTH, WHISPER_WIDTH
from train.fusion.members import as_tensors, load_member
from train.fusion.sounds import FILE as SOUNDS_FILE
from train.fusion.sounds import load_sounds

HISTORY = ("history_mean", "history_square", "history_seconds")
INPUTS = (*(f"{name}{suffix}" for name in MODALITIES for suffix in ("", "_age", "_mask")), "heard", *HISTORY)
OUTPUTS = ("log_probabilities", "arousal", "statistics", "voice", "known")
TOLERANCE = 1e-4
SMALL = 256  # tensors of fewer numbers stay float32


class Positional(nn.Module):
    """The ensemble with its inputs in the order of INPUTS, as the exporter wants them."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.ensemble(dict(zip(INPUTS, inputs, strict=True)))
        return found


def example_batch(rng: np.random.Generator, rows: int = 3, nodes: tuple[int, int, int, int] = (7, 11, 5, 6)) -> Batch:
    """Random inputs whose last rows lack some nodes or a whole modality."""
    shapes = ((3, WHISPER_WIDTH), (), (SPECTRAL_WIDTH,), (TEXT_WIDTH,))
    batch: Batch = {"heard": rng.uniform(0.3, 4, (rows, 1)).astype(np.float32)}
    for name, count, shape in zip(MODALITIES, nodes, shapes, strict=True):
        values = rng.integers(0, 257, (rows, count)) if name == "pitch" else rng.standard_normal((rows, count, *shape))
        batch[name] = values.astype(np.int64 if name == "pitch" else np.float32)
        batch[f"{name}_age"] = rng.uniform(0, 4, (rows, count)).astype(np.float32)
        mask = np.ones((rows, count), bool)
        mask[-1, count // 2 :] = False
        if name != "whisper":
            mask[0] = False
        batch[f"{name}_mask"] = mask
    for name in HISTORY:
        batch[name] = np.abs(rng.standard_normal((rows, 1 if name == "history_seconds" else STATISTICS))).astype(np.float32)
        batch[name][-1] = 0
    return batch


def export_graph(ensemble: Ensemble) -> onnx.ModelProto:
    """The ensemble as ONNX with the contract's inputs and outputs; batch and node counts are free."""
    ensemble.eval()
    batch = example_batch(np.random.default_rng(0))
    size = torch.export.Dim("batch", min=1, max=1024)
    shapes: list[dict[int, Any]] = []
    for name in MODALITIES:
        shapes += [{0: size, 1: torch.export.Dim(f"{name}_nodes", min=1, max=4096)}] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about axes that share a name, as they are meant to
        program = torch.onnx.export(
            Positional(ensemble).eval(),
            tuple(torch.from_numpy(batch[name]) for name in INPUTS),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=((*shapes, *({0: size} for _ in ("heard", *HISTORY))),),
            dynamo=True,
            optimize=False,  # onnxruntime does that when it opens the graph, and in far less time
            verbose=False,
        )
    assert program is not None
    return with_half_weights(with_products(program.model_proto))


def with_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """The mixes of Whisper's layers as products of matrices: the same bits as Einsum's, which copies its operands about first.

    Raises:
        SystemExit: another Einsum than `bnlw,l->bnw`.
    """
    for node in model.graph.node:
        if node.op_type == "Einsum":
            equation = helper.get_node_attr_value(node, "equation").decode()
            if equation != "bnlw,l->bnw":
                raise SystemExit(f"the members have an Einsum that is no mix of layers: {equation}")
            nodes, mix = node.input
            node.CopyFrom(helper.make_node("MatMul", [mix, nodes], list(node.output), name=node.name))
    return model


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large float32 constants stored as float16, each behind a cast that onnxruntime folds when it opens the graph."""
    casts, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
        casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    for node in nodes:
        del node.metadata_props[:]  # where in the source each came from: a third of the file
    del model.graph.initializer[:], model.graph.node[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return model


def parity(ensemble: Ensemble, path: Path, batches: list[Batch]) -> float:
    """The largest difference of a probability, arousal, `known` or (by its size) statistic between torch and onnxruntime."""
    session = open_session(path)
    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            ours = ensemble(as_tensors(batch))
        theirs = session.run(list(OUTPUTS), batch)
        for name, one, other in zip(OUTPUTS, ours, theirs, strict=True):
            values = one.numpy()
            if name == "log_probabilities":
                values, other = np.exp(values), np.exp(other)
            scale = max(1.0, float(np.abs(values).max())) if name in ("statistics", "voice") else 1.0
            worst = max(worst, float(np.abs(values - other).max()) / scale)
    return worst


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("members", nargs="+", help="names of trained members, as `python -m train fusion` prints them")
    parser.add_argument(
        "--left-out", nargs="+", default=[], metavar="TUNED", help="tuned copies that left a corpus out: they calibrate"
    )
    parser.add_argument("--neutral", type=float, default=0.0, help="log offset of neutral: the deployment prior (default: 0)")
    parser.add_argument("-o", "--output", type=Path, default=PACK)


def export_members(
    names: list[str], output: Path, left_out: tuple[str, ...] = (), neutral: float = 0.0
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write `fusion.onnx` and `fusion.json` of trained members into a folder; returns the corpora that taught them, their labels.

    The validation speakers of these corpora calibrate it, together with copies that left a corpus out. What
    `python -m train sounds` made goes in where all members have a history, and comes from the corpora at hand.

    Raises:
        SystemExit: no such member, members of different labels, a cache that is missing, or a graph unlike torch.
    """
    loaded = [load_member(checkpoint_folder() / f"{name}.pt") for name in names]
    labels = loaded[0][0].config.labels
    for name, (member, _) in zip(names, loaded, strict=True):
        if member.config.labels != labels:
            raise SystemExit(
                f"{name} tells apart {', '.join(member.config.labels)}; {names[0]} {', '.join(labels)}: one pack, one set"
            )
    corpora = tuple(dict.fromkeys(corpus for _, saved in loaded for corpus in saved.get("corpora", TRAINING_CORPORA)))
    validation = [load_inputs(Collection(corpus, "validation", 0, labels), tuple(GRAPHS)) for corpus in corpora]
    steps = [saved["temperature"] for _, saved in loaded]
    whole = clip_temperature([member for member, _ in loaded], steps, validation, taught_by(list(corpora), labels))
    apart = left_out_ratios(list(left_out))
    own = [value * whole * joint_ratio(apart) for value in steps]
    sounds_file = checkpoint_folder() / SOUNDS_FILE
    prior, history = {"neutral": neutral} if neutral else {}, None
    if set(corpora) & set(TRAINING_CORPORA) and all(member.config.history for member, _ in loaded):
        voice, known, told = load_sounds(sounds_file)
        standard = told.pop("standard")
        if standard is not None and not torch.equal(standard, loaded[0][0].whisper.mean):
            raise SystemExit(
                f"{sounds_file} and the members were trained on different corpora: run `python -m train sounds` as they were"
            )
        ensemble = Ensemble([member for member, _ in loaded], own, voice, known)
        history = {"floor": FLOOR, "voice_threshold": told["voice_threshold"]}
    else:
        ensemble, told = Ensemble([member for member, _ in loaded], own), {}
    output.mkdir(parents=True, exist_ok=True)
    path = output / "fusion.onnx"
    onnx.save(export_graph(ensemble), path)
    some = (without_history(batch, STATISTICS) for part in validation for batch in list(in_order(part))[:4])
    worst = parity(ensemble, path, [*some, example_batch(np.random.default_rng(1))])
    if worst > TOLERANCE:
        raise SystemExit(f"{path} differs from torch by {worst:.2e}: more than {TOLERANCE:.0e}")
    calibration = {
        "labels": list(labels),
        "arousal": bool((arousal_levels(labels) >= 0).any()),
        "words": any(member.config.text for member, _ in loaded),
        "members": names,
        "temperatures": [round(value, 4) for value in own],
        "clip_temperature": round(whole, 4),
        "left_out_ratios": apart,
        "prior": prior,
        "history": history,
        "sounds": told,
        "member_validation": [{corpus: round(value, 4) for corpus, value in saved["validation"].items()} for _, saved in loaded],
        "parity": worst,
        **thresholds(path, validation, prior),
    }
    (output / "fusion.json").write_text(json.dumps(calibration, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes, {len(loaded)} members; largest difference from torch {worst:.2e}")
    print(json.dumps(calibration))
    return corpora, labels


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    export_members(args.members, args.output, tuple(args.left_out), args.neutral)
    return 0
