"""What tests make miniature corpora of: recordings of 5 ms and text files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from train.corpora.manifest import LABELS, OTHER_LABELS, Clip, validate


def wav(path: Path, rate: int = 16_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(rate // 200, np.float32), rate)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


def by_name(clips: Sequence[Clip], labels: Sequence[str] = (*LABELS, *OTHER_LABELS)) -> dict[str, Clip]:
    """Clips by the name of their file, after a check that they are valid and were measured."""
    validate(clips, "here", labels)
    assert {round(clip.duration, 3) for clip in clips} == {0.005}
    return {clip.path.stem: clip for clip in clips}
