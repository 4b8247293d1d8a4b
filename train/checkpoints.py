"""Opening the checkpoints of the front ends' training, with one clear line for a file that is none."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: Path, kind: str, holding: str) -> dict[str, Any]:
    """What `python -m train KIND` saved at `path`; only tensors and plain values are ever read.

    Args:
        path: the file.
        kind: the verb that wrote it, pitch or spectral.
        holding: a key that such a checkpoint has.

    Raises:
        SystemExit: there is no such file, or it is no checkpoint of that verb.
    """
    if not path.is_file():
        raise SystemExit(f"there is no checkpoint {path}: run `python -m train {kind}` or name another")
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError) as error:
        raise SystemExit(f"{path} is not a checkpoint, or a damaged one: run `python -m train {kind}` or name another") from error
    if not isinstance(content, dict) or holding not in content:
        raise SystemExit(f"{path} is not a checkpoint of `python -m train {kind}`: name another")
    return content
