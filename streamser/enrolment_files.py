"""Enrolments by name, in the user's data folder: how people ordinarily sound, as statistics. Never audio."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streamser.errors import UsageError
from streamser.sinks.wording import JOINERS
from streamser.speaker_history import SpeakerStatistics

SUFFIX = ".npz"
LONGEST = 64  # characters of a name
LONGEST_FILE = 200  # bytes; file systems take 255


@dataclass(frozen=True)
class Stored:
    """An enrolment that is kept."""

    name: str
    path: Path
    made: datetime


def enrolments_folder() -> Path:
    """STREAMSER_ENROLMENTS, else XDG_DATA_HOME/streamser/enrolments, else ~/.local/share/streamser/enrolments."""
    if own := os.environ.get("STREAMSER_ENROLMENTS"):
        return Path(own)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "streamser" / "enrolments"


def is_name(name: str) -> bool:
    """Whether it can be a person's: words of any script, and nothing that means something to a file system or a terminal."""
    if not 0 < len(name) <= LONGEST or not name[0].isalnum() or name.endswith((SUFFIX, " ", ".")):
        return False
    fit = all(c.isalnum() or c in f" .@_-{JOINERS}" or unicodedata.category(c) in ("Mn", "Mc") for c in name)
    return fit and len(name.encode()) <= LONGEST_FILE


def enrolment_path(name: str) -> Path:
    """Where the enrolment of that name is or will be.

    Raises:
        UsageError: it is not fit to be a name.
    """
    if not is_name(name):
        raise UsageError(
            f"{name!r} is no name for an enrolment: take letters, digits, blanks and . @ _ - (at most {LONGEST}), as in `anna`"
        )
    return enrolments_folder() / f"{unicodedata.normalize('NFC', name)}{SUFFIX}"


def stored_enrolments() -> Iterator[Stored]:
    """Those that are kept, by name."""
    folder = enrolments_folder()
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        yield Stored(path.stem, path, datetime.fromtimestamp(path.stat().st_mtime))


def keep_enrolment(name: str, statistics: SpeakerStatistics, force: bool = False) -> Path:
    """Keep it under that name, readable by its owner alone; returns the file. One that was there stays until this one is whole.

    Raises:
        UsageError: there is one of that name and `force` is not set, or it cannot be written.
    """
    path = check_free(name, force)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            statistics.save(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"the enrolment {path} cannot be written: {error.strerror or error}") from error
    return path


def check_free(name: str, force: bool) -> Path:
    """Where an enrolment of that name may be kept.

    Raises:
        UsageError: there is one already and `force` is not set, or it is not fit to be a name.
    """
    path = enrolment_path(name)
    if path.exists() and not force:
        raise UsageError(f"{name} is enrolled already: take another name, make it again with --force, or forget it with --remove")
    return path


def remove_enrolment(name: str) -> None:
    """Forget a person.

    Raises:
        UsageError: nobody of that name is enrolled, or the file cannot be removed.
    """
    path = enrolment_path(name)
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise UsageError(f"nobody called {name} is enrolled: {known_names()}") from error
    except OSError as error:
        raise UsageError(f"the enrolment {path} cannot be removed: {error.strerror or error}") from error


def find_enrolment(wanted: str) -> SpeakerStatistics:
    """The enrolment of that name, else in that file.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    if is_name(wanted) and (path := enrolment_path(wanted)).exists():
        return SpeakerStatistics.load(path)
    if wanted.endswith(SUFFIX) or Path(wanted).name != wanted or Path(wanted).is_file():
        return SpeakerStatistics.load(wanted)
    enrolment_path(wanted)
    raise UsageError(f"nobody called {wanted} is enrolled, and there is no such file: {known_names()}")


def known_names() -> str:
    names = [stored.name for stored in stored_enrolments()]
    return f"enrolled are {', '.join(names)}" if names else "nobody is; `streamser enrol NAME` does it"
