"""What a recording is called in outputs that name it by one word, and in the folder where they are put."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

STANDARD_INPUT = "-"
CHECKPOINT = ".checkpoint"  # what the file beside an unfinished output is called besides its name


def file_name(source: str) -> str:
    """The last part of a recording's path or address, with its suffix; of an address only what any file may be called."""
    if source == STANDARD_INPUT:
        return "standard-input"
    if "://" not in source:
        return PurePath(source).name
    host, _, path = re.sub(r"[?#].*", "", source.split("://", 1)[1]).partition("/")
    return one_word(path.rstrip("/").rsplit("/", 1)[-1] or host.rsplit("@", 1)[-1])  # a password may stand before @


def word_name(source: str) -> str:
    """A recording's name without folders, suffix and blanks."""
    return one_word(PurePath(file_name(source)).stem)


def one_word(text: str) -> str:
    """Letters, digits, `.`, `-` and `_` only; never empty."""
    return re.sub(r"[^\w.\-]+", "_", text) or "_"


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of an output lies."""
    return output.with_name(output.name + CHECKPOINT)
