"""The corpora at hand, and any manifest: which clips train, which validate, which test.

Splits are speaker-independent and committed (see `split_files`). All but the four training corpora are evaluation only, or
teach taggers alone, and asking to train on them is an error.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from train.corpora.manifest import LABELS, SPLITS, Clip, counted_as, read_manifest, validate
from train.corpora.roots import data_root
from train.corpora.split_files import SPLITS_FILE, corpora_at_hand

TRAINING_CORPORA = ("ravdess", "nemo", "banglaser", "indian_emospeech")
AUXILIARY_CORPORA = ("emogator",)  # vocal bursts of many people: they may teach beside the others, and nothing is scored on them
EVALUATION_CORPORA = ("ased", "emodb_2s", "turev", "korean_emotiontts")
EVALUATION_ONLY = (*EVALUATION_CORPORA, "deeply_nonverbal", "esc10")  # and what tests taggers: none of it reaches training


def read_corpus(name: str, labels: Sequence[str] | None = LABELS) -> list[Clip]:
    """All clips of a corpus at hand, in the order of its manifest; labels as `read_manifest` counts them."""
    manifest = data_root() / "corpora" / name / "manifest.csv"
    if not manifest.is_file():
        raise SystemExit(f"corpus {name!r} has no manifest at {manifest}")
    return read_manifest(manifest, labels, corpus=name)


def read_split(corpus: str, split: str, labels: Sequence[str] = LABELS) -> list[Clip]:
    """The clips of one split (train, validation, test) of a training corpus, or of a fold of it, that carry one of the labels; an
    auxiliary corpus has but one split, train.

    Raises:
        SystemExit: the corpus is for evaluation only or not known, there is no such split, or the committed file lacks a
            speaker.
    """
    known_corpora = corpora_at_hand()
    if corpus in AUXILIARY_CORPORA and split == "train":
        return [clip for clip in read_corpus(corpus, labels) if clip.label in labels]
    if corpus in AUXILIARY_CORPORA:
        raise SystemExit(f"{corpus!r} only teaches: it has no {split!r} split")
    if corpus in EVALUATION_ONLY:
        raise SystemExit(f"{corpus!r} is for evaluation only: it has no {split!r} split")
    if corpus not in known_corpora:
        raise SystemExit(f"no training corpus {corpus!r}: there are {', '.join(known_corpora)}, or give the path of a manifest.csv")
    speakers = known_corpora[corpus]
    if split not in speakers:
        raise SystemExit(f"no split {split!r}: choose from {', '.join(SPLITS)}")
    known = {speaker for names in speakers.values() for speaker in names}
    clips = read_corpus(corpus.partition("-fold")[0], labels)
    unknown = sorted({clip.speaker for clip in clips} - known)
    if unknown:
        raise SystemExit(f"{SPLITS_FILE.name} does not know speakers {unknown[:5]} of {corpus}: run `python -m train splits`")
    chosen = set(speakers[split])
    return [clip for clip in clips if clip.speaker in chosen and clip.label in labels]


def clips_of(corpus: str, split: str, labels: Sequence[str] = LABELS) -> list[Clip]:
    """The clips of one split that carry one of the labels, in the manifest's order.

    Args:
        corpus: a training corpus at hand, a fold of one (`ravdess-fold3`), or the path of a manifest with a split column
            (`python -m train corpus` makes one).
        split: train, validation or test.
        labels: those that count; with "calm" among them calm is not neutral.

    Raises:
        SystemExit: as `read_split`; or the manifest is not there, not valid, has no splits, or no clip of these labels.
    """
    if not corpus.endswith(".csv"):
        return read_split(corpus, split, labels)
    path = Path(corpus)
    everything = _checked_manifest(path, path.stat().st_mtime_ns if path.is_file() else 0)
    if split not in SPLITS:
        raise SystemExit(f"no split {split!r}: choose from {', '.join(SPLITS)}")
    if not everything[0].split:
        raise SystemExit(f"{path}: no split column: make the manifest with `python -m train corpus`")
    counted = [replace(clip, label=counted_as(clip.label, labels)) for clip in everything if clip.split == split]
    clips = [clip for clip in counted if clip.label in labels]
    if not clips:
        there = Counter(clip.label for clip in everything if clip.split == split and clip.label)
        held = ", ".join(there) or "no labels"
        raise SystemExit(f"{path}: no clip of {split} is {', '.join(labels)}; {split} has {held}")
    return clips


@functools.lru_cache(maxsize=8)
def _checked_manifest(path: Path, changed: int) -> tuple[Clip, ...]:
    """A manifest with its labels as written, checked once for every time that it was `changed`."""
    clips = read_manifest(path, None)
    held_back = Path(os.environ.get("STREAMSER_DATA", "../shared")).resolve() / "corpora"
    for folder in {clip.path.parent for clip in clips}:
        place = folder.resolve()
        if any(place.is_relative_to(held_back / name) for name in EVALUATION_ONLY):
            raise SystemExit(f"{path}: {folder} is of a corpus for evaluation only: nothing may be trained on it")
    validate(clips, str(path), tuple({clip.label for clip in clips}))
    return tuple(clips)
