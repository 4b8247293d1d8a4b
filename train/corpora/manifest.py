"""One format for every corpus: `manifest.csv`, a row a clip, read, written and checked."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
OTHER_LABELS = ("calm", "contempt", "boredom")  # that manifests may hold beside the seven
SPLITS = ("train", "validation", "test")
COLUMNS = ("path", "label_raw", "label", "speaker", "gender", "language", "duration", "extra")
OPTIONAL_COLUMNS = ("split", "text", "shares")
FIRST = 5  # wrong rows that a message names


@dataclass(frozen=True)
class Clip:
    """One recording of one speaker with one label.

    label: "" where it is none of those asked for. duration: seconds. split: train, validation, test, or "" where the
    manifest has none. text: what is said. shares: how many annotators chose what, "anger:3 neutral:1".
    """

    corpus: str
    path: Path
    label_raw: str
    label: str
    speaker: str
    gender: str
    language: str
    duration: float
    extra: str
    split: str = ""
    text: str = ""
    shares: str = ""


def counted_as(label: str, labels: Sequence[str] | None) -> str:
    """A manifest's label among `labels`: calm counts as neutral unless it is one of them; "" for all others.

    Without `labels` it stays what it is.
    """
    if labels is None or label in labels:
        return label
    return "neutral" if label == "calm" and "neutral" in labels else ""


def parse_shares(shares: str) -> dict[str, float]:
    """Votes by label: "anger:3 neutral:1" is {"anger": 3.0, "neutral": 1.0}.

    Raises:
        ValueError: not of that form, or a number that is no share.
    """
    votes = {}
    for entry in shares.split():
        label, _, number = entry.rpartition(":")
        value = float(number)
        if not label or label in votes or not math.isfinite(value) or value < 0.0:
            raise ValueError(entry)
        votes[label] = value
    return votes


def read_manifest(path: Path, labels: Sequence[str] | None = LABELS, corpus: str | None = None) -> list[Clip]:
    """All clips of a manifest, in its order; paths are relative to its folder.

    Args:
        path: the CSV file, UTF-8, with the columns of `COLUMNS` and perhaps some of `OPTIONAL_COLUMNS`.
        labels: those that count (see `counted_as`); None leaves every label as it is written.
        corpus: the name that clips get; by default the folder's (or the file's, where it is not called manifest.csv).

    Raises:
        SystemExit: no such file, a column missing, or a duration that is no number.
    """
    path = Path(path)
    name = corpus or (path.resolve().parent.name if path.name == "manifest.csv" else path.stem)
    clips = []
    for line, row in read_rows(path, COLUMNS):
        try:
            duration = float(row["duration"])
        except ValueError:
            raise SystemExit(f"{path}, line {line}: duration {row['duration']!r} is no number of seconds") from None
        clips.append(
            Clip(
                corpus=name,
                path=path.parent / row["path"],
                label_raw=row["label_raw"],
                label=counted_as(row["label"], labels),
                speaker=row["speaker"],
                gender=row["gender"],
                language=row["language"],
                duration=duration,
                extra=row["extra"],
                **{column: row.get(column) or "" for column in OPTIONAL_COLUMNS},
            )
        )
    return clips


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the number of the line that each ends on, checked for the columns that must be there.

    Raises:
        SystemExit: no such file, not UTF-8, a column missing, a row too short or too long.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise SystemExit(f"{path}: no column {', '.join(missing)}; there are {', '.join(reader.fieldnames or ['none'])}")
            for row in reader:
                if None in row or None in row.values():
                    wanted = len(reader.fieldnames or ())
                    raise SystemExit(f"{path}, line {reader.line_num}: not {wanted} values (quote a text that has a comma in it)")
                yield reader.line_num, row
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SystemExit(f"{path}: cannot be read as UTF-8 CSV: {error}") from None


def write_manifest(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips as a manifest: paths relative to its folder where they lie under it, else absolute.

    Raises:
        SystemExit: it cannot be written there.
    """
    # Not resolved: symbolic links stay as the user laid them.
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100
    rows = []
    for clip in clips:
        place = Path(os.path.abspath(clip.path))  # noqa: PTH100
        shown = place.relative_to(folder) if place.is_relative_to(folder) else place
        values = {column: getattr(clip, column) for column in (*COLUMNS, *OPTIONAL_COLUMNS)}
        rows.append(values | {"path": shown.as_posix(), "duration": f"{clip.duration:.3f}"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, (*COLUMNS, *OPTIONAL_COLUMNS), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise SystemExit(f"{path}: cannot be written: {error.strerror}") from None


def validate(clips: Sequence[Clip], where: str, labels: Sequence[str] = (*LABELS, *OTHER_LABELS)) -> None:
    """Check what a manifest must hold; `where` names it in messages, and rows are counted from 1 without the header.

    Raises:
        SystemExit: no clips, missing or repeated files, labels that are neither "" nor among `labels`, bad durations,
            splits or shares, clips without a speaker, or a speaker in two splits. The first bad rows are named.
    """
    if not clips:
        raise SystemExit(f"{where}: no clips")
    first_row: dict[Path, int] = {}
    for row, clip in enumerate(clips, 1):
        first_row.setdefault(clip.path, row)
    _refuse(where, "no such file", clips, [not clip.path.is_file() for clip in clips])
    _refuse(where, "listed twice", clips, [first_row[clip.path] != row for row, clip in enumerate(clips, 1)])
    _refuse(where, "label that is not known", clips, [clip.label not in ("", *labels) for clip in clips], "label")
    _refuse(where, "duration that is not above 0 s", clips, [not 0.0 < clip.duration < math.inf for clip in clips], "duration")
    _refuse(where, "no speaker", clips, [not clip.speaker for clip in clips])
    _refuse(where, "shares not like 'anger:3 neutral:1'", clips, [not _shares(clip.shares) for clip in clips], "shares")
    if any(clip.split for clip in clips):
        _refuse(where, "split that is not train, validation or test", clips, [clip.split not in SPLITS for clip in clips], "split")
    first_split: dict[str, Clip] = {}
    for row, clip in enumerate(clips, 1):
        first = first_split.setdefault(clip.speaker, clip)
        if first.split != clip.split:
            raise SystemExit(
                f"{where}: speaker {clip.speaker!r} is in {first.split!r} (row {clips.index(first) + 1}, {first.path.name}) and "
                f"in {clip.split!r} (row {row}, {clip.path.name}): a speaker belongs to one split"
            )


def _shares(text: str) -> bool:
    try:
        parse_shares(text)
    except ValueError:
        return False
    return True


def _refuse(where: str, what: str, clips: Sequence[Clip], bad: Sequence[bool], column: str = "path") -> None:
    rows = [(row, clip) for row, (clip, wrong) in enumerate(zip(clips, bad, strict=True), 1) if wrong]
    if rows:
        shown = ", ".join(f"row {row} ({_shown(clip, column)})" for row, clip in rows[:FIRST])
        more = f" and {len(rows) - FIRST} more" if len(rows) > FIRST else ""
        raise SystemExit(f"{where}: {what}: {shown}{more}")


def _shown(clip: Clip, column: str) -> str:
    value = getattr(clip, column)
    return str(value) if column == "path" else f"{clip.path.name}: {value!r}"
