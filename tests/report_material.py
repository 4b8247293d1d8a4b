"""A toy fusion graph with all inputs and outputs, and made-up collections for it, for tests of the report.

The toy's nodes are sums of directions: one a label, one a voice, one of what is no speech. Every speaker also leans towards a
wrong label, and only a history of the same voice takes that away: the toy is better with a history by construction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.toy_graph import MEAN_OF_WHISPER, STATISTICS, TWO_MEMBERS, UNUSUAL, WIDTH, Step, write_toy
from train.corpora import LABELS, Clip
from train.features import Collection
from train.fusion.inputs import Inputs
from train.report import context as report_context
from train.report.context import Context

VOICES = 8  # columns of `voice`
STRENGTH, LEAN = 3.0, 2.2  # of a label's direction, of a speaker's towards a wrong label
DIRECTIONS = np.linalg.qr(np.random.default_rng(3).normal(size=(WIDTH, len(LABELS) + VOICES + 1)))[0].T.astype(np.float32)
LABEL_DIRECTIONS, VOICE_DIRECTIONS, STRANGE = DIRECTIONS[:7], DIRECTIONS[7:-1], DIRECTIONS[-1]
SETTINGS = {
    "labels": list(LABELS),
    "step_uncertain_below": 0.3,
    "utterance_uncertain_below": 0.3,
    "prior": dict.fromkeys(LABELS, 0.0),
    "history": {"floor": 0.25, "voice_threshold": 24.0},
}


def write_graph(folder: Path, remembers: bool = True, **told: object) -> Path:
    """`fusion.onnx` and `fusion.json` in a folder; unless it `remembers`, without the new inputs and outputs."""
    constants = {
        "least": np.array(1.0, np.float32),
        "nothing": np.array(0.0, np.float32),
        "half_way": np.array(5.0, np.float32),
        "weights": np.concatenate([LABEL_DIRECTIONS.T, np.zeros((WIDTH, 7), np.float32)]) * 2,
        "bias": np.array([STRENGTH, *[0.0] * 6], np.float32),
        "unsure": np.array(0.7, np.float32),
        "voices": np.concatenate([VOICE_DIRECTIONS.T, np.zeros((WIDTH, VOICES), np.float32)]) * 4,
        "strange": np.concatenate([STRANGE, np.zeros(WIDTH, np.float32)])[:, None] * -3,
        "ordinary": np.array(4.0, np.float32),
    }
    steps: list[Step] = [
        *MEAN_OF_WHISPER,
        ("Mul", ["masked", "masked"], "squares", {}),
        ("ReduceSum", ["squares", "one"], "square_sums", {"keepdims": 0}),
        ("Reshape", ["square_sums", "flat"], "square_sum", {}),
        ("Div", ["square_sum", "nodes"], "square", {}),
        ("Mul", ["mean", "mean"], "mean_squared", {}),
        ("Sub", ["square", "mean_squared"], "raw_variance", {}),
        ("Max", ["raw_variance", "nothing"], "variance", {}),
        ("Sqrt", ["variance"], "deviation", {}),
        ("Concat", ["mean", "deviation"], "statistics", {"axis": 1}),
        ("MatMul", ["statistics", "voices"], "voice", {}),
        ("MatMul", ["statistics", "strange"], "strangeness", {}),
        ("Add", ["strangeness", "ordinary"], "speechness", {}),
        ("Sigmoid", ["speechness"], "known_column", {}),
        ("Squeeze", ["known_column", "one"], "known", {}),
        *(UNUSUAL if remembers else []),
        ("MatMul", ["unusual" if remembers else "statistics", "weights"], "scores", {}),
        ("Add", ["scores", "bias"], "logits", {}),
        *TWO_MEMBERS,
    ]
    outputs: dict[str, list[Any]] = {"log_probabilities": [2, "batch", 7], "arousal": [2, "batch"]}
    if remembers:
        outputs |= {"statistics": ["batch", STATISTICS], "voice": ["batch", VOICES], "known": ["batch"]}
    folder.mkdir(parents=True, exist_ok=True)
    path = write_toy(folder / "fusion.onnx", steps, constants, outputs, remembers)
    path.with_suffix(".json").write_text(json.dumps(SETTINGS | told))
    return path


def made_up_inputs(
    collection: Collection,
    labels: Sequence[str] = LABELS,
    speakers: Sequence[str] = ("a", "b"),
    clips: int = 6,
    seconds: float = 2.0,
    noise: float = 0.3,
    strange: float = 0.0,
    seed: int = 0,
) -> Inputs:
    """Clips of every speaker and label, two rows each; the second has heard `seconds` of speech, the first half of that.

    clips: of one speaker and label. strange: how much of what is no speech there is in it (2 makes `known` small).
    """
    rng = np.random.default_rng(seed)
    kinds = [(speaker, label) for speaker in speakers for label in labels for _ in range(clips)]
    clip = np.repeat(np.arange(len(kinds)), 2)
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("whisper", "pitch", "spectral")}
    for index in clip:
        speaker, label = kinds[index]
        number = sorted(set(speakers)).index(speaker)
        sound = STRANGE * strange + VOICE_DIRECTIONS[number % VOICES] * 4
        sound = sound + LABEL_DIRECTIONS[1 + number % 6] * LEAN
        if label != "neutral":
            sound = sound + LABEL_DIRECTIONS[LABELS.index(label)] * STRENGTH
        wander = rng.normal(size=len(DIRECTIONS)).astype(np.float32) @ DIRECTIONS * noise  # the same in all nodes of the row
        nodes = rng.normal(size=(int(rng.integers(4, 9)), 3, 512)) * 0.1
        arrays["whisper"].append((nodes + (sound + wander).reshape(3, 512)).astype(np.float16))
        arrays["pitch"].append(rng.integers(1, 257, int(rng.integers(1, 20))).astype(np.int16))
        arrays["spectral"].append(rng.normal(size=(int(rng.integers(1, 5)), 192)).astype(np.float16))
    slices, together = {}, {}
    for name, values in arrays.items():
        ends = np.cumsum([len(value) for value in values])
        slices[name] = np.stack([ends - [len(value) for value in values], ends], 1)
        together[name] = np.concatenate(values)
        together[f"{name}_age"] = rng.uniform(0, 4, len(together[name])).astype(np.float32)
    return Inputs(
        collection=collection,
        clip=clip,
        now=np.tile([16000, 32000], len(kinds)),
        heard=np.tile(np.array([seconds / 2, seconds], np.float32), len(kinds)),
        clip_label=np.array([LABELS.index(label) for _, label in kinds]),
        clip_speaker=np.array([speaker for speaker, _ in kinds]),
        clip_gender=np.array(["fm"[sorted(set(speakers)).index(speaker) % 2] for speaker, _ in kinds]),
        arrays=together,
        slices=slices,
    )


def made_up_clips(inputs: Inputs) -> list[Clip]:
    """The manifest's rows of made-up inputs, named as RAVDESS names its files; repetitions in turn, every other neutral calm."""
    found: list[Clip] = []
    seen: dict[tuple[str, int], int] = {}
    for label, speaker, gender in zip(inputs.clip_label.tolist(), inputs.clip_speaker, inputs.clip_gender, strict=True):
        count = seen[speaker, label] = seen.get((speaker, label), -1) + 1
        calm = label == 0 and count // 2 % 2 == 1
        emotion = 2 if calm else label + 3 if label else 1
        path = Path(f"03-01-{emotion:02d}-01-{count // 4 % 2 + 1:02d}-{count % 2 + 1:02d}-{speaker}.flac")
        raw = "calm" if calm else LABELS[label]
        found.append(Clip(inputs.collection.corpus, path, raw, LABELS[label], str(speaker), str(gender), "en", 3.0, ""))
    return found


def made_up_context(graph: Path, monkeypatch: pytest.MonkeyPatch, *parts: Inputs) -> Context:
    """A context whose collections are the made-up ones; a manifest's rows go with each."""
    known = {part.collection: part for part in parts}

    def load(collection: Collection, *_: object) -> Inputs:
        if collection not in known:
            raise SystemExit(f"no features of {collection.name}")
        return known[collection]

    monkeypatch.setattr(report_context, "load_inputs", load)
    monkeypatch.setattr(Collection, "clips", lambda self: made_up_clips(known[self]))
    return Context(graph)
