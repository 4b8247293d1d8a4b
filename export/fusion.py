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

from streamser.fusion_input import MODALITIES
from streamser.sessions import open_session
from train.corpora import TRAINING_CORPORA
from train.features import PACK, Collection
from train.fusion.calibration import risk_coverage
from train.fusion.data import Batch, Inputs, checkpoint_folder, in_order, load_inputs
from train.fusion.decide import clip_confidence, decide, ensemble_posteriors
from train.fusion.mdat import SPECTRAL_WIDTH, TEXT_WIDTH, WHISPER_WIDTH, Ensemble
from train.fusion.train import arousal_levels, as_tensors, kinds_of, load_member
from train.metrics import calibration_error, coverage_threshold, macro_f1

INPUTS = (*(f"{name}{suffix}" for name in MODALITIES for suffix in ("", "_age", "_mask")), "heard")
OUTPUTS = ("log_probabilities", "arousal")
COVERAGES = (0.5, 0.7, 0.8, 0.9, 1.0)
COVERAGE = 0.9  # share of validation decisions that are not `uncertain`
EVEN_ROWS = 2000  # drawn from every corpus, so that all weigh the same
TOLERANCE = 1e-4
SMALL = 256  # tensors of fewer numbers stay float32


class Positional(nn.Module):
    """The ensemble with its inputs in the order of INPUTS, as the exporter wants them."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.ensemble(dict(zip(INPUTS, inputs, strict=True)))


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
            dynamic_shapes=((*shapes, {0: size}),),
            dynamo=True,
            optimize=False,  # onnxruntime does that when it opens the graph, and in far less time
            verbose=False,
        )
    assert program is not None
    return with_half_weights(program.model_proto)


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


def run_graph(path: Path, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities [members, batch, labels] and arousal [members, batch] by onnxruntime."""
    log_probabilities, arousal = open_session(path).run(list(OUTPUTS), batch)
    return log_probabilities, arousal


def parity(ensemble: Ensemble, path: Path, batches: list[Batch]) -> float:
    """The largest difference of a probability or an arousal between torch and onnxruntime."""
    session = open_session(path)
    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            ours = ensemble(as_tensors(batch))
        theirs = session.run(list(OUTPUTS), batch)
        worst = max(
            worst,
            float(np.abs(np.exp(ours[0].numpy()) - np.exp(theirs[0])).max()),
            float(np.abs(ours[1].numpy() - theirs[1]).max()),
        )
    return worst


def thresholds(path: Path, validation: list[Inputs]) -> dict[str, Any]:
    """Confidence thresholds and risk-coverage on validation speakers, for steps and for whole clips; corpora weigh the same.

    A step's confidence is the geometric mean of the members' probabilities, not renormalised, as `Ensemble.decide` has it.
    """
    session = open_session(path)
    surest: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"step": [], "utterance": []}
    posteriors, scores = [], {}
    for part in validation:
        logs = np.concatenate([session.run(["log_probabilities"], batch)[0] for batch in in_order(part)], axis=1)
        confidence, joint = np.exp(logs.mean(0).max(-1)), ensemble_posteriors(logs)
        decisions = decide(joint, part.heard, part.clip, len(part.clip_label))
        scores[part.collection.title] = round(macro_f1(part.clip_label, decisions.labels()), 4)
        posteriors.append((np.exp(joint), part.labels))
        surest["step"].append((confidence, joint.argmax(1) == part.labels))
        right = decisions.labels() == part.clip_label
        surest["utterance"].append(
            (clip_confidence(confidence, part.heard, part.clip, len(part.clip_label))[decisions.found], right[decisions.found])
        )
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"validation_macro_f1": scores}
    for name, parts in surest.items():
        rows = [rng.choice(len(right), EVEN_ROWS) for _, right in parts]
        confidence = np.concatenate([values[row] for (values, _), row in zip(parts, rows, strict=True)])
        right = np.concatenate([values[row] for (_, values), row in zip(parts, rows, strict=True)])
        half_way = (1 + 1 / len(validation[0].collection.labels)) / 2  # from chance to certainty: surer is never `uncertain`
        found[f"{name}_uncertain_below"] = round(min(coverage_threshold(confidence, COVERAGE), half_way), 4)
        found[f"{name}_risk_by_coverage"] = risk_coverage(confidence, right, COVERAGES)
    errors = [calibration_error(values, labels) for values, labels in posteriors]
    found["step_calibration_error"] = round(float(np.mean(errors)), 4)
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("members", nargs="+", help="names of trained members, as `python -m train fusion` prints them")
    parser.add_argument("-o", "--output", type=Path, default=PACK)


def export_members(names: list[str], output: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write `fusion.onnx` and `fusion.json` of trained members into a folder; returns the corpora that taught them, their labels.

    The validation speakers of these corpora calibrate it.

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
    kinds = sorted({kind for member, _ in loaded for kind in kinds_of(member.config)})
    validation = [load_inputs(Collection(corpus, "validation", 0, labels), kinds) for corpus in corpora]
    ensemble = Ensemble([member for member, _ in loaded], [saved["temperature"] for _, saved in loaded])
    output.mkdir(parents=True, exist_ok=True)
    path = output / "fusion.onnx"
    onnx.save(export_graph(ensemble), path)
    worst = parity(ensemble, path, [batch for part in validation for batch in list(in_order(part))[:4]])
    if worst > TOLERANCE:
        raise SystemExit(f"{path} differs from torch by {worst:.2e}: more than {TOLERANCE:.0e}")
    calibration = {
        "labels": list(labels),
        "arousal": bool((arousal_levels(labels) >= 0).any()),
        "words": any(member.config.text for member, _ in loaded),
        "members": names,
        "temperatures": [round(saved["temperature"], 4) for _, saved in loaded],
        "member_validation": [{corpus: round(value, 4) for corpus, value in saved["validation"].items()} for _, saved in loaded],
        "parity": worst,
        **thresholds(path, validation),
    }
    (output / "fusion.json").write_text(json.dumps(calibration, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes, {len(loaded)} members; largest difference from torch {worst:.2e}")
    print(json.dumps(calibration))
    return corpora, labels


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    export_members(args.members, args.output)
    return 0
