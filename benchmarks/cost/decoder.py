"""What Whisper's decoder costs, computed from the shapes of its arrays in `model.bin`: CTranslate2 runs it, there is no graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamser.features.whisper import DECODER_FRAMES
from streamser.packs.whisper_weights import read_variables


@dataclass(frozen=True)
class DecoderSize:
    """width: of a token. layers. frames: encoder states that it attends to. sound: numbers of the matrices that turn these into
    keys and values, once a call. token: numbers of all other matrices, the vocabulary's projection among them, once a token."""

    width: int
    layers: int
    frames: int
    sound: int
    token: int

    def operations(self, calls: float, tokens: float, position: float) -> float:
        """Of so many calls with so many tokens in all (the prompt's too), at so many tokens heard before on average."""
        attention = 4 * self.width * self.layers * (self.frames + position)  # queries by keys, weights by values
        return calls * 2 * self.sound * self.frames + tokens * (2 * self.token + attention)

    def bytes(self, calls: float, tokens: float, position: float) -> float:
        """Weights in 8 bits, keys and values of sound and words in 32: read once a token, the sound's written once a call."""
        kept = 2 * 4 * self.width * self.layers
        return calls * (self.sound + kept * self.frames) + tokens * (self.token + kept * (self.frames + position))


def decoder_shapes(model_bin: Path) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in read_variables(model_bin, "decoder/")}


def decoder_size(shapes: Mapping[str, tuple[int, ...]]) -> DecoderSize:
    """By the arrays' names: `attention/linear_1` of a layer makes keys and values of the sound; the embeddings are the
    projection's matrix too."""
    matrices = {name: shape for name, shape in shapes.items() if name.endswith("weight") and len(shape) == 2}
    sound = {name: shape for name, shape in matrices.items() if name.endswith("/attention/linear_1/weight") and "self_" not in name}
    token = {name: shape for name, shape in matrices.items() if name not in sound}
    _, width = shapes["decoder/embeddings/weight"]
    token.pop("decoder/projection/weight", None)  # the same array as the embeddings, where it has a name of its own
    return DecoderSize(width, len(sound), DECODER_FRAMES, _numbers(sound), _numbers(token))


def _numbers(matrices: Mapping[str, tuple[int, ...]]) -> int:
    return sum(rows * columns for rows, columns in matrices.values())
