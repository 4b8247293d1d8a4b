"""State as plain data and back: JSON beside numpy arrays, and nothing that could run when it is read, as a pickle can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def flattened(value: Any, name: str, arrays: Arrays) -> Any:
    """A value ready for JSON; its arrays and numpy scalars go into `arrays`, named after where in it they are.

    Args:
        value: None, a number, a text, an array, a dataclass whose fields can be kept, or a list, tuple or dict of such.
    """
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        arrays[name] = np.asarray(value)
        return {"array": name}
    if isinstance(value, list):
        return [flattened(one, f"{name}.{i}", arrays) for i, one in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": flattened(list(value), name, arrays)}
    if isinstance(value, dict):
        return {"dict": [[key, flattened(one, f"{name}.{key}", arrays)] for key, one in value.items()]}
    if is_dataclass(value) and not isinstance(value, type):
        inside = {field.name: getattr(value, field.name) for field in fields(value)}
        return {"kind": type(value).__name__, **flattened(inside, name, arrays)}
    raise TypeError(f"{name} is of type {type(value).__name__}, which cannot be kept")


def restored(plain: Any, arrays: Mapping[str, np.ndarray], kinds: Mapping[str, type]) -> Any:
    """What `flattened` was given; kinds: by name, the dataclasses that may be in it.

    Raises:
        KeyError, TypeError, ValueError: something else than it gave.
    """
    if isinstance(plain, list):
        return [restored(one, arrays, kinds) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        array = arrays[plain["array"]]
        return array if array.ndim else array[()]
    if "tuple" in plain:
        return tuple(restored(plain["tuple"], arrays, kinds))
    inside = {key: restored(one, arrays, kinds) for key, one in plain["dict"]}
    return kinds[plain["kind"]](**inside) if "kind" in plain else inside
