"""Operations of what ran: graphs of onnxruntime by their own counting, CTranslate2's Whisper from its arrays' shapes.

A multiply-add is two, of 8-bit and of float numbers alike; only matrix products, convolutions and recurrent layers count, as in
`benchmarks.cost.counting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cost.counting import count
from benchmarks.cost.watching import Watch
from benchmarks.peers.today import FRAMES, Heard
from streamser.packs.whisper_weights import read_variables

SHAPES = 4  # of a graph that are counted, where it had more: spread over their sizes
Shapes = tuple[Any, ...]  # (name, shape) of every input


def graph_operations(watch: Watch) -> dict[str, float]:
    """Of all runs, by graph's name, estimated from up to SHAPES of its shapes."""
    found = {}
    for path, graph in watch.runs.items():
        total = 0.0
        for shapes, runs in representatives({shapes: entry.count for shapes, entry in graph.items()}):
            cost = count(path, graph[shapes].feeds)
            total += runs * (cost.operations + cost.operations_int8)
        found[Path(path).name] = total
    return found


def representatives(runs: Mapping[Shapes, int], most: int = SHAPES) -> list[tuple[Shapes, int]]:
    """Shapes that stand for all, each with how many runs it stands for: the middle one of equal parts, in order of size."""
    order = sorted(runs, key=lambda shapes: sum(int(np.prod(shape)) for _, shape in shapes))
    if len(order) <= most:
        return [(shapes, runs[shapes]) for shapes in order]
    every = [shapes for shapes in order for _ in range(runs[shapes])]
    found: Counter[Shapes] = Counter()
    for part in np.array_split(np.arange(len(every)), most):
        found[every[part[len(part) // 2]]] += len(part)
    return list(found.items())


@dataclass(frozen=True)
class WhisperSize:
    """Of CTranslate2's Whisper.

    encoding: operations of one run of the encoder. width: of a token. layers: of the decoder. sound: numbers of the matrices
    that turn the encoder's states into keys and values, once a call. token: numbers of all the decoder's other matrices, the
    vocabulary's projection among them, once a token.
    """

    encoding: float
    width: int
    layers: int
    sound: int
    token: int

    @classmethod
    def of(cls, model_bin: Path) -> WhisperSize:
        encoder, decoder = (
            {name: array.shape for name, array in read_variables(model_bin, part)} for part in ("encoder/", "decoder/")
        )
        return cls(encoder_operations(encoder), *decoder_size(decoder))

    def decoding(self, tokens: int) -> float:
        """Operations of a call with so many tokens in all, the prompt's too."""
        attention = 4 * self.width * self.layers * (FRAMES + tokens / 2)  # queries by keys, weights by values
        return 2 * self.sound * FRAMES + tokens * (2 * self.token + attention)

    def operations(self, heard: Heard) -> dict[str, float]:
        """Of what CTranslate2 was asked for; a language detection is a call with one token."""
        decoded = sum(self.decoding(tokens) for tokens in heard.tokens) + heard.detections * self.decoding(1)
        return {ENCODER: heard.encodings * self.encoding, DECODER: decoded}


ENCODER, DECODER = "faster-whisper encoder", "faster-whisper decoder"


def encoder_operations(shapes: Mapping[str, Sequence[int]], frames: int = FRAMES) -> float:
    """Of one run of the whole encoder; shapes: of its arrays in `model.bin`, by name."""
    width, mels, kernel = shapes["encoder/conv1/weight"]
    convolutions = 2 * width * kernel * (2 * frames * mels + frames * width)  # the first has two steps a frame
    depth = sum(name.endswith("self_attention/linear_0/weight") for name in shapes)
    return float(convolutions + 2 * frames * _numbers(_matrices(shapes)) + depth * 4 * frames * frames * width)


def decoder_size(shapes: Mapping[str, Sequence[int]]) -> tuple[int, int, int, int]:
    """(width, layers, sound, token) by the arrays' names: `attention/linear_1` of a layer makes keys and values of the sound; the
    embeddings are the projection's matrix too."""
    matrices = _matrices(shapes)
    sound = {name: shape for name, shape in matrices.items() if name.endswith("/attention/linear_1/weight") and "self_" not in name}
    token = {name: shape for name, shape in matrices.items() if name not in sound}
    token.pop("decoder/projection/weight", None)  # the same array as the embeddings, where it has a name of its own
    return shapes["decoder/embeddings/weight"][1], len(sound), _numbers(sound), _numbers(token)


def _matrices(shapes: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    return {name: shape for name, shape in shapes.items() if name.endswith("weight") and len(shape) == 2}


def _numbers(matrices: Mapping[str, Sequence[int]]) -> int:
    return sum(rows * columns for rows, columns in matrices.values())
