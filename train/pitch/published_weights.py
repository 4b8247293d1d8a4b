"""Opens files of published RMVPE weights, without running anything that is in them.

Two layouts are about: `{"model": state_dict, ...}` (model.pt of yxlllc/RMVPE's release 230917) and a bare state dict (rmvpe.pt of
RVC), in float32 or float16.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamser.errors import PackError
from train.pitch.published import PUBLISHED, PublishedPitch, Sizes

WHERE_FROM = "take model.pt of yxlllc/RMVPE's release 230917 or rmvpe.pt of RVC"
UNUSED = "unet.tf."  # a timbre filter that the published network builds and never calls
_COUNTER = "num_batches_tracked"  # of batch norm: only training reads it, and converted files often lack it
_NAMED = 3


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of either layout, by name.

    Raises:
        PackError: no file, not a file of torch tensors, or neither layout.
    """
    if not path.is_file():
        raise PackError(f"no weights at {path}: {WHERE_FROM}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other pickles' protocols
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, OSError) as error:
        raise PackError(
            f"{path} is not a file of tensors alone: damaged, or it would run code and is not opened; {WHERE_FROM}"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        found = "keys " + _some(sorted(map(str, content))) if isinstance(content, Mapping) else type(content).__name__
        raise PackError(f'{path} is neither a state dict nor {{"model": state dict}}, but {found}; {WHERE_FROM}')
    return dict(content)


def open_weights(path: Path, sizes: Sizes = PUBLISHED) -> PublishedPitch:
    """The network with the weights of a file; as `read_state_dict` and `fill_network`."""
    return fill_network(read_state_dict(path), path, sizes)


def fill_network(given: dict[str, Tensor], path: Path, sizes: Sizes = PUBLISHED) -> PublishedPitch:
    """The network with these weights, float32, in eval mode.

    Args:
        given: tensors by published name, of any float type. `unet.tf` is left aside unless `sizes.timbre_filter`.
        path: where they came from, for the error.
        sizes: of the network that they belong to.

    Raises:
        PackError: tensors are missing, unexpected or of another shape or type; it names them.
    """
    network = PublishedPitch(sizes)
    expected = network.state_dict()
    if not sizes.timbre_filter:
        given = {name: value for name, value in given.items() if not name.startswith(UNUSED)}
    needed = {name for name in expected if not name.endswith(_COUNTER)}
    wrong = [
        f"{name} {_described(given[name])} instead of {list(expected[name].shape)}"
        for name in sorted(needed & given.keys())
        if given[name].shape != expected[name].shape or not given[name].is_floating_point()
    ]
    faults = {
        "missing": sorted(needed - given.keys()),
        "unexpected": sorted(given.keys() - expected.keys()),
        "of another shape or type": wrong,
    }
    if any(faults.values()):
        told = "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in faults.items() if names)
        raise PackError(f"{path} does not fit the published RMVPE, tensors: {told}; {WHERE_FROM}")
    network.load_state_dict({name: given[name] for name in needed}, strict=False)  # strict would ask for the counters
    return network


def _described(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
