"""Whisper's encoder out of CTranslate2's `model.bin`, as the external data of an ONNX graph.

The pack ships the graph without its weights; `write_encoder_weights` lays the encoder's arrays out in one file beside it,
in the order and at the offsets that `encoder_layout` gives to the graph's writer (`python -m export whisper`) as well.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from streamser.errors import PackError

WEIGHTS_FILE = "encoder.weights"
ALIGNMENT = 4096  # so that onnxruntime can map each array into memory
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


@dataclass(frozen=True)
class Placement:
    """Where one array stands in the weights file: float32, linear weights transposed to [inputs, outputs]."""

    name: str
    shape: tuple[int, ...]
    transposed: bool
    offset: int
    nbytes: int


def encoder_layout(shapes: dict[str, tuple[int, ...]]) -> list[Placement]:
    """Order and offsets of the encoder's arrays, from their shapes in `model.bin`."""
    placements = []
    offset = 0
    for name in sorted(shapes):
        shape = shapes[name]
        transposed = "/linear_" in name and name.endswith("/weight")
        stored = shape[::-1] if transposed else shape
        nbytes = 4 * int(np.prod(stored))
        placements.append(Placement(name, stored, transposed, offset, nbytes))
        offset += -(-nbytes // ALIGNMENT) * ALIGNMENT
    return placements


def read_variables(model_bin: Path, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of rank 1 and more whose name starts with `prefix`, one at a time.

    The format is CTranslate2's binary version 6: little-endian, strings with a length of 16 bits that counts the final NUL.

    Raises:
        PackError: the file is not such a model, or ends early.
    """
    with model_bin.open("rb") as file:
        try:
            version = _read(file, "<I")
            if version != 6:
                raise PackError(f"{model_bin} has CTranslate2 binary version {version}; version 6 is known")
            specification = _read_string(file)
            if specification != "WhisperSpec":
                raise PackError(f"{model_bin} holds a {specification!r}, not a Whisper model")
            _read(file, "<I")
            for _ in range(_read(file, "<I")):
                name = _read_string(file)
                rank = _read(file, "<B")
                shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
                dtype = _read(file, "<B")
                nbytes = _read(file, "<I")
                if rank == 0 or not name.startswith(prefix):
                    file.seek(nbytes, 1)
                    continue
                if dtype not in _DTYPES:
                    raise PackError(f"{model_bin}: array {name} has the unknown type {dtype}")
                yield name, np.frombuffer(file.read(nbytes), _DTYPES[dtype]).reshape(shape)
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise PackError(f"{model_bin} is cut short or is no CTranslate2 model: {error}") from error


def encoder_shapes(model_bin: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the encoder's arrays by name."""
    return {name: array.shape for name, array in read_variables(model_bin, "encoder/") if array.size > 1}


def write_encoder_weights(model_bin: Path, target: Path) -> None:
    """Write the encoder's arrays as float32 in the layout that the graph expects."""
    placements = {placement.name: placement for placement in encoder_layout(encoder_shapes(model_bin))}
    with target.open("wb") as file:
        for name, array in read_variables(model_bin, "encoder/"):
            if name in placements:
                placement = placements[name]
                file.seek(placement.offset)
                stored = array.T if placement.transposed else array
                file.write(np.ascontiguousarray(stored, dtype="<f4").tobytes())


def _read(file: BinaryIO, layout: str) -> int:
    (value,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return int(value)


def _read_string(file: BinaryIO) -> str:
    return file.read(_read(file, "<H")).rstrip(b"\0").decode()
