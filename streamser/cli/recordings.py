"""The recordings that the paths of a command stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from streamser.errors import AudioError
from streamser.sinks.names import STANDARD_INPUT, file_name


@dataclass(frozen=True)
class Recording:
    """A file, an address or `-`.

    path: what to open, and what events call it.
    place: its path below the folder that was given, else its name; with its suffix.
    """

    path: str
    place: PurePath


def expanded(paths: Sequence[str]) -> Iterator[Recording | AudioError]:
    """Every recording that the paths stand for, folders opened; what is wrong with a folder comes in its place."""
    from streamser.audio.file import expand, is_address

    for path in paths:
        try:
            found = [path] if path == STANDARD_INPUT else expand(path)
        except AudioError as error:
            yield error
            continue
        for one in found:
            inside = not is_address(path) and Path(path).is_dir()
            yield Recording(one, Path(one).relative_to(path) if inside else PurePath(file_name(one)))
