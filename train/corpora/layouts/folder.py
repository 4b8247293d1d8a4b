"""A user's own recordings: a folder with a CSV of path, label and speaker.

Other columns of a manifest (gender, language, text, shares, extra, split) may be there too. Labels are the user's own choice.
Without a split column speakers are drawn, so that every label is in training, validation and test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from train.corpora.draw import cut, deal, folds
from train.corpora.layouts.tree import gender, measured
from train.corpora.manifest import SPLITS, Clip, read_rows
from train.corpora.split_files import Speakers

DRAWS = 1000  # until one has every label in every part
FEW = 8  # speakers below which one split says little


def read(
    folder: Path,
    table: str = "",
    rename: Mapping[str, str] | None = None,
    seed: int = 1,
    fold: int = 0,
    of: int = 0,
) -> list[Clip]:
    """All clips of the table.

    Args:
        folder: what the table's paths are relative to.
        table: the CSV in it; "" where there is only one (a `manifest.csv`, which this command writes, does not count).
        rename: the user's words for labels, such as {"happy": "happiness"}.
        seed: of the draw; without folds a fifth of the speakers test and about as many validate.
        fold, of: with few speakers, the fold of so many that tests; the next one validates.

    Raises:
        SystemExit: no table, a row without label or speaker, fewer than three speakers, a label that cannot be in all three
            parts, or no such fold.
    """
    path = the_table(folder, table)
    words = dict(rename or {})
    clips = []
    for line, row in read_rows(path, ("path", "label", "speaker")):
        row = {key: value.strip() for key, value in row.items()}
        for column in ("path", "label", "speaker"):
            if not row[column]:
                raise SystemExit(f"{path}, line {line}: no {column}")
        label = words.get(row["label"], row["label"])
        if " " in label or ":" in label:
            raise SystemExit(f"{path}, line {line}: label {label!r} has a space or a colon: write it with a hyphen, or --rename it")
        clips.append(
            Clip(
                corpus=folder.resolve().name,
                path=folder / row["path"],
                label_raw=row["label"],
                label=label,
                speaker=row["speaker"],
                gender=gender(row.get("gender", "")),
                language=row.get("language", ""),
                duration=0.0,
                extra=row.get("extra", ""),
                split=row.get("split", ""),
                text=row.get("text", ""),
                shares=row.get("shares", ""),
            )
        )
    unused = [word for word in words if word not in {clip.label_raw for clip in clips}]
    if unused:
        raise SystemExit(f"{path}: no label {unused[0]!r} that could be renamed; there are {', '.join(labels_of(clips))}")
    if not any(clip.split for clip in clips):
        parts = in_folds(clips, seed, fold, of) if of or fold else drawn(clips, seed, str(path))
        split_of = {speaker: split for split, names in parts.items() for speaker in names}
        clips = [replace(clip, split=split_of[clip.speaker]) for clip in clips]
    elif of or fold:
        raise SystemExit(f"{path}: has a split column: folds cannot be drawn")
    check_parts(clips, str(path))
    return measured(clips, str(path))


def the_table(folder: Path, name: str) -> Path:
    """The CSV file of a folder. Raises SystemExit where there is none, or more than one and no name."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    if name:
        return folder / name
    found = sorted(path for path in folder.glob("*.csv") if path.name != "manifest.csv")
    if len(found) != 1:
        several = f"{len(found)} CSV files ({', '.join(path.name for path in found)}): name one with --table"
        raise SystemExit(f"{folder}: {several if found else 'no CSV file'}; wanted is one with columns path, label and speaker")
    return found[0]


def labels_of(clips: list[Clip]) -> list[str]:
    return sorted({clip.label for clip in clips})


def speakers_of(clips: list[Clip]) -> dict[str, str]:
    """The gender of every speaker, the first that is given."""
    genders: dict[str, str] = {}
    for clip in clips:
        genders[clip.speaker] = genders.get(clip.speaker) or clip.gender
    return genders


def drawn(clips: list[Clip], seed: int, where: str) -> Speakers:
    """A draw of speakers with every label in every part, the first from the seed on.

    Raises:
        SystemExit: fewer than three speakers, or a label that fewer than three speak, or no such draw.
    """
    genders = speakers_of(clips)
    if len(genders) < 3:
        only = f"{len(genders)} speaker{'s' if len(genders) != 1 else ''} ({', '.join(genders)})"
        raise SystemExit(f"{where}: {only}: at least 3 are needed, one each to train, validate and test on")
    speak = {label: {clip.speaker for clip in clips if clip.label == label} for label in labels_of(clips)}
    for label, names in speak.items():
        if len(names) < 3:
            raise SystemExit(
                f"{where}: label {label!r} is spoken by {', '.join(sorted(names))} alone: at least 3 speakers are needed, one each "
                "to train, validate and test on"
            )
    share = max(1, round(len(genders) / 5))
    for number in range(DRAWS):
        parts = cut(deal(genders, seed * DRAWS + number), share, share)
        if all(names & set(part) for names in speak.values() for part in parts.values()):
            return parts
    raise SystemExit(f"{where}: no split of {len(genders)} speakers found that has every label in training, validation and test")


def in_folds(clips: list[Clip], seed: int, fold: int, of: int) -> Speakers:
    """The speakers dealt into `of` groups, of which number `fold` tests.

    Raises:
        SystemExit: fewer than three folds, more than speakers, or no such fold.
    """
    order = deal(speakers_of(clips), seed)
    if not 3 <= of <= len(order):
        raise SystemExit(f"--of {of}: 3 to {len(order)} folds can be made of {len(order)} speakers")
    if not 1 <= fold <= of:
        raise SystemExit(f"--fold {fold}: there are 1 to {of}")
    return folds([order[number::of] for number in range(of)])[fold - 1]


def check_parts(clips: list[Clip], where: str) -> None:
    """Every part is there, every label is learned, and every label is heard again elsewhere.

    Raises:
        SystemExit: an empty part, or a label that training lacks, or that training alone has.
    """
    for split in SPLITS:
        if not any(clip.split == split for clip in clips):
            raise SystemExit(f"{where}: no clip is in {split}")
    for label in labels_of(clips):
        parts = {clip.split for clip in clips if clip.label == label}
        if "train" not in parts:
            raise SystemExit(f"{where}: label {label!r} is not in train, so it cannot be learned: more speakers, or another split")
        if parts == {"train"}:
            raise SystemExit(f"{where}: label {label!r} is in train alone, so nothing can be said of it: more speakers")
