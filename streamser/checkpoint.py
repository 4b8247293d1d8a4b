"""The file beside an unfinished output that says how to go on with it. It holds networks' states and words, and no audio.

An npz of numpy arrays and one text, `state`, in JSON; nothing in it is executed. About 1 MB a channel, most of it the keys and
values of the spectral network, whatever the recording's length.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamser.audio.recollection import Position
from streamser.errors import StreamserError
from streamser.plain import Arrays, flattened, restored
from streamser.stream_state import KINDS, State

FORMAT = "streamser-checkpoint-2"


@dataclass
class Checkpoint:
    """What is written so far, and of what.

    made_with: the options, by name, and what else the result depends on. recordings: path, size and time of change of each.
    done: how many of them; failed: whether one of those could not be read to its end. bytes: of the output. sink: its state.
    position, channels: how far the next recording was heard, and the state of each channel's stream; none before it was begun.
    """

    made_with: dict[str, Any]
    recordings: list[list[Any]]
    done: int = 0
    failed: bool = False
    bytes: int = 0
    sink: dict[str, Any] = field(default_factory=dict)
    position: Position | None = None
    channels: list[State] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it in the place of an older one, which stays whole until then; raises OSError."""
        arrays: Arrays = {}
        fields = {**vars(self), "position": asdict(self.position) if self.position else None}
        state = json.dumps({"format": FORMAT, **{name: flattened(value, name, arrays) for name, value in fields.items()}})
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, state=np.frombuffer(state.encode(), np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote.

        Raises:
            StreamserError: it cannot be read, or is none of this version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            plain = json.loads(arrays.pop("state").tobytes())
            if plain.pop("format") != FORMAT:
                raise ValueError("of another version")
            fields = {name: restored(value, arrays, KINDS) for name, value in plain.items()}
            position = fields.pop("position")
            return cls(**fields, position=None if position is None else Position(**position))
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            told = getattr(error, "strerror", None) or error
            raise StreamserError(f"{path} is no checkpoint that can be read ({told}): start again with --force") from error
