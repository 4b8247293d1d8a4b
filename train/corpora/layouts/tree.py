"""What all layouts need of a folder: where the corpus begins in it, its recordings, their lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from train.corpora.audio import seconds_of
from train.corpora.manifest import Clip

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mp4")


def start_of(folder: Path, inside: str, what: str) -> Path:
    """The folder itself, or the only one up to two levels below, that holds something that matches `inside`.

    Raises:
        SystemExit: no such folder, or none or several that hold it.
    """
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    for pattern in (inside, f"*/{inside}", f"*/*/{inside}"):
        starts = sorted({found.parent for found in folder.glob(pattern)})
        if len(starts) > 1:
            raise SystemExit(f"{folder}: {what} is in it more than once ({starts[0]}, {starts[1]}): name one of these folders")
        if starts:
            return starts[0]
    raise SystemExit(f"{folder}: not {what} as published: no {inside} in it")


def recordings(folder: Path) -> list[Path]:
    """All audio files below a folder in the order of their names; of files with one name (copies) only the first.

    Raises:
        SystemExit: no such folder.
    """
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    first: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("._"):
            first.setdefault(path.name, path)
    return sorted(first.values(), key=lambda path: path.name)


def recording(folders: Iterable[Path], stem: str) -> Path:
    """The recording of that name in the first of the folders that has it; a path that does not exist where none has."""
    wanted = [folder / f"{stem}{suffix}" for folder in folders for suffix in SUFFIXES]
    return next((path for path in wanted if path.is_file()), wanted[0])


def measured(clips: Sequence[Clip], where: str) -> list[Clip]:
    """The same clips with their durations; 0.0 for files that are not there, which `validate` then names.

    Raises:
        SystemExit: no clips, or a file that is not audio.
    """
    if not clips:
        raise SystemExit(f"{where}: no clips")
    shown = tqdm(clips, desc=where, unit="clip", disable=None)
    return [replace(clip, duration=seconds_of(clip.path) if clip.path.is_file() else 0.0) for clip in shown]


def code(value: str, meanings: Mapping[str, str], what: str, where: object) -> str:
    """What a code of the corpus means.

    Raises:
        SystemExit: a code that the corpus does not have; `where` names the file or the row.
    """
    if value not in meanings:
        known = list(meanings)
        shown = ", ".join(known) if len(known) <= 30 else f"{known[0]} ... {known[-1]}"
        raise SystemExit(f"{where}: {what} {value!r} is none of {shown}")
    return meanings[value]


def gender(value: str) -> str:
    """m, f or "" for whatever a corpus writes."""
    return {"male": "m", "m": "m", "female": "f", "f": "f"}.get(value.strip().lower(), "")


def shares(votes: Mapping[str, float]) -> str:
    """Votes as a manifest holds them: "anger:3 neutral:1"."""
    return " ".join(f"{label}:{number:g}" for label, number in votes.items() if number)
