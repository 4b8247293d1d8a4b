"""A pack for CUDA out of another: the large networks in float16, with a batch axis where the graph allows one.

What the default pack stores as int8 or float16 to be small, a GPU would unpack at every start and compute in float32. Whisper's
encoder, the text network and the spectral encoder are turned into float16; the pitch network and the fusion are so small that
their time is that of starting kernels, and stay as they are. The new pack is compared with the old one on recordings, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from export.half import halved, with_batch_axis
from export.pack import CARD_FILE, component
from streamser import Recognizer, sessions
from streamser.errors import PackError, UsageError
from streamser.events import EmotionEvent, UtteranceEvent
from streamser.packs.manifest import MANIFEST_FILE, read_pack
from streamser.packs.resolve import find_pack

WHISPER = ("whisper_encoder", "whisper_last")
IN_HALF = (*WHISPER, "text", "spectral")
EXAMPLE = Path(__file__).parent.parent / "examples" / "hello.flac"
LEAST_AGREEMENT = 0.98  # of the labels of steps in speech
LARGEST_MEAN = 0.01  # difference of a probability, on average


def write_pack(source: Path, target: Path) -> None:
    """Write the pack for CUDA into a folder that is not there yet, or is empty.

    Raises:
        UsageError: the folder holds something.
    """
    pack = read_pack(source)
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty: name a new folder")
    target.mkdir(parents=True, exist_ok=True)
    fields = json.loads((source / MANIFEST_FILE).read_text(encoding="utf-8"))
    for name, entry in pack.components.items():
        path = target / entry.file
        if name in IN_HALF:
            model = halved(source / entry.file)
            onnx.save(with_batch_axis(model) if name in WHISPER else model, path)
        else:
            shutil.copyfile(source / entry.file, path)
        fields["components"][name] = component(path)
    fields["name"] = f"{pack.name}-cuda"
    fields["training"] = {**fields["training"], "made_from": {"name": pack.name, "version": pack.version, "float16": list(IN_HALF)}}
    (target / MANIFEST_FILE).write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if (source / CARD_FILE).is_file():
        card = (source / CARD_FILE).read_text(encoding="utf-8")
        said = f"> `{pack.name}` {pack.version} for CUDA, in float16 ({', '.join(IN_HALF)}); the figures are that pack's.\n\n"
        (target / CARD_FILE).write_text(said + card, encoding="utf-8")
    read_pack(target)


def compare(source: Path, target: Path, recordings: list[Path], accelerator: str = "cpu") -> dict[str, Any]:
    """Both packs on recordings, without the transcript: how far probabilities lie apart in speech, how many labels agree.

    The words are compared apart, utterance by utterance: a decoder that stands at a word's middle may write anything there, so that
    the least rounding shows.

    Raises:
        PackError: there is no speech in them.
    """
    old = Recognizer.load(source, accelerator="cpu")
    with every_rounding() if accelerator == "cpu" else nullcontext():
        new = Recognizer.load(target, accelerator=accelerator)
    differences: list[float] = []
    equal: dict[str, list[bool]] = {"states": [], "labels": [], "texts": []}
    for path in recordings:
        for one, other in zip(steps(old, path), steps(new, path), strict=True):
            equal["states"].append(one.state == other.state)
            if one.probabilities and other.probabilities:
                differences += [abs(one.probabilities[label] - other.probabilities[label]) for label in one.probabilities]
                equal["labels"].append(one.label == other.label)
        equal["texts"] += [one == other for one, other in zip(texts(old, path), texts(new, path), strict=True)]
    if not differences:
        raise PackError("there is no speech in the recordings: nothing to compare the packs on")
    return {
        "steps": len(equal["states"]),
        "in_speech": len(equal["labels"]),
        "utterances": len(equal["texts"]),
        **{f"{name}_equal": round(float(np.mean(found)), 4) for name, found in equal.items()},
        "mean_difference": round(float(np.mean(differences)), 5),
        "largest_difference": round(float(np.max(differences)), 4),
    }


def steps(recognizer: Recognizer, path: Path) -> list[EmotionEvent]:
    return [event for event in recognizer.recognize(path, transcript=False) if isinstance(event, EmotionEvent)]


def texts(recognizer: Recognizer, path: Path) -> list[str]:
    return [event.text for event in recognizer.recognize(path) if isinstance(event, UtteranceEvent)]


@contextmanager
def every_rounding() -> Iterator[None]:
    """Sessions opened within round wherever their graphs say so: optimised for a CPU without float16, they would leave most out."""
    usual = sessions._options

    def unoptimised(threads: int, shapes: sessions.Shapes) -> onnxruntime.SessionOptions:
        options = usual(threads, shapes)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return options

    sessions._options = unoptimised
    try:
        yield
    finally:
        sessions._options = usual


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("pack", help="name or folder")
    parser.add_argument("output", type=Path, help="a new folder")
    parser.add_argument("--compare", type=Path, nargs="+", default=[EXAMPLE], metavar="RECORDING", help="(%(default)s)")
    parser.add_argument("--accelerator", default="cpu", choices=("cpu", "cuda"), help="for comparing (%(default)s)")


def run(args: argparse.Namespace) -> int:
    source = find_pack(args.pack).folder
    write_pack(source, args.output)
    pack = read_pack(args.output)
    print(f"{args.output}: {pack.name} {pack.version}, {pack.size / 1e6:.1f} MB")
    found = compare(source, args.output, args.compare, args.accelerator)
    print(json.dumps(found))
    if found["labels_equal"] < LEAST_AGREEMENT or found["mean_difference"] > LARGEST_MEAN:
        print(f"not good enough: {LEAST_AGREEMENT:.0%} of the labels and a mean difference of {LARGEST_MEAN} at most are asked for")
        return 1
    return 0
