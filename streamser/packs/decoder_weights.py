"""Whisper's decoder out of CTranslate2's `model.bin`, as the external data of two ONNX graphs: products in int8, the rest as it is.

The pack ships the graphs without weights; `write_decoder_weights` lays the arrays out in one file beside them, in the order
and at the offsets that `decoder_layout` gives to the graphs' writer (`python -m export whisper`) as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamser.packs.whisper_weights import ALIGNMENT, read_variables

WEIGHTS_FILE = "decoder.weights"
EMBEDDINGS = "decoder/embeddings/weight"
PROJECTION = "decoder/projection/weight"  # the embeddings again, to the vocabulary's logits
MEMORY = "/attention/linear_1/"  # what projects the encoder's states to keys and values
PREFIX = "decoder/"
_LARGEST = 127  # of int8, symmetric


@dataclass(frozen=True)
class DecoderPlacement:
    """Where one array stands in the weights file. dtype: int8, float16 or float32, as numpy writes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def scale_of(weight: str) -> str:
    """The name of an int8 weight's scales."""
    return weight.removesuffix("weight") + "scale"


def decoder_layout(shapes: dict[str, tuple[int, ...]]) -> dict[str, DecoderPlacement]:
    """Order and offsets of the decoder's arrays by name, from their shapes in `model.bin`.

    Linear weights are int8 [inputs, outputs] with scales float32 [outputs]; keys and values of the encoder's states float32.
    """
    placements: dict[str, DecoderPlacement] = {}
    offset = 0

    def place(name: str, shape: tuple[int, ...], dtype: str) -> None:
        nonlocal offset
        placements[name] = DecoderPlacement(name, shape, dtype, offset)
        offset += -(-placements[name].nbytes // ALIGNMENT) * ALIGNMENT

    for name in [*sorted(shapes), PROJECTION]:
        shape = shapes[EMBEDDINGS if name == PROJECTION else name]
        if name == EMBEDDINGS:
            place(name, shape, "<f2")
        elif _is_linear(name) and MEMORY not in name:
            place(name, shape[::-1], "|i1")
            place(scale_of(name), shape[:1], "<f4")
        else:
            place(name, shape[::-1] if _is_linear(name) else shape, "<f4")
    return placements


def decoder_shapes(model_bin: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the decoder's arrays by name."""
    return {name: array.shape for name, array in read_variables(model_bin, PREFIX) if array.size > 1}


def write_decoder_weights(model_bin: Path, target: Path) -> None:
    """Write the decoder's arrays in the layout that the graphs expect."""
    placements = decoder_layout(decoder_shapes(model_bin))
    with target.open("wb") as file:

        def write(name: str, array: np.ndarray) -> None:
            file.seek(placements[name].offset)
            file.write(np.ascontiguousarray(array, dtype=placements[name].dtype).tobytes())

        for name, array in read_variables(model_bin, PREFIX):
            if name == EMBEDDINGS:
                write(name, array)
                name = PROJECTION
            if name not in placements:
                continue
            if placements[name].dtype == "|i1":
                rounded, scales = _quantised(array)
                write(name, rounded.T)
                write(scale_of(name), scales)
            else:
                write(name, array.T if _is_linear(name) else array)


def _is_linear(name: str) -> bool:
    return name == PROJECTION or ("/linear_" in name and name.endswith("/weight"))


def _quantised(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float [outputs, inputs] as int8 of the same shape, and the scales float32 [outputs] that give it back."""
    weight = weight.astype(np.float32)
    scales = np.maximum(np.abs(weight).max(axis=1), 1e-12) / np.float32(_LARGEST)
    return np.rint(weight / scales[:, None]).astype(np.int8), scales
