"""Which corpora and labels a run is about: the four at hand, a user's own manifests, or both; checked before any long work."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamser.timeline import NO_SPEECH, UNCERTAIN
from train.corpora import LABELS, SPLITS, TRAINING_CORPORA, Clip, clips_of, read_manifest

RESERVED = (UNCERTAIN, NO_SPEECH)  # what a stream says where it says none of the labels
HINT = "make the manifest with `python -m train corpus folder`, or move speakers by its column split"


@dataclass(frozen=True)
class Material:
    """corpora: names of corpora at hand, absolute paths of manifests. labels: what is told apart, in the networks' order."""

    corpora: tuple[str, ...]
    labels: tuple[str, ...] = LABELS


def is_manifest(corpus: str) -> bool:
    """Whether a corpus is a user's manifest (`train.corpora.clips_of` tells them by the same end)."""
    return corpus.endswith(".csv")


def title_of(corpus: str) -> str:
    """What a corpus is called in tables: its name, a manifest's file name, or its folder's where it is called manifest.csv."""
    path = Path(corpus)
    if not is_manifest(corpus):
        return corpus
    return path.resolve().parent.name if path.name == "manifest.csv" else path.stem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", nargs="+", default=[], metavar="CSV", help="your own data (`python -m train corpus folder`)")
    parser.add_argument("--labels", type=names, metavar="A,B", help="the labels to tell apart (default: all of the manifests)")
    parser.add_argument("--corpora", nargs="+", metavar="CORPUS", help="corpora at hand (default: the four; none with --manifest)")


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def material_of(args: argparse.Namespace) -> Material:
    """What `add_arguments` asked for.

    Raises:
        SystemExit: no such manifest, two of one name, or labels that cannot be told apart.
    """
    corpora = tuple(args.corpora if args.corpora is not None else () if args.manifest else TRAINING_CORPORA)
    manifests = []
    for given in args.manifest:
        path = Path(given)
        if not path.is_file() or not is_manifest(path.name):
            raise SystemExit(f"there is no manifest {path} (a .csv file): make one with `python -m train corpus folder`")
        manifests.append(str(path.resolve()))
    titles = [title_of(corpus) for corpus in (*corpora, *manifests)]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise SystemExit(f"two corpora are called {twice[0]}: rename one of the manifests")
    return Material((*corpora, *manifests), args.labels or labels_of(corpora, manifests))


def labels_of(corpora: Iterable[str], manifests: Iterable[str]) -> tuple[str, ...]:
    """The seven where corpora at hand take part, and those of the manifests: the seven's in their order, then by the alphabet."""
    found = {clip.label for path in manifests for clip in read_manifest(Path(path), None) if clip.label}
    if any(corpora):
        found |= set(LABELS)
    return (*(label for label in LABELS if label in found), *sorted(found - set(LABELS)))


def check(material: Material, splits: Iterable[str]) -> None:
    """Whether every split asked for has speakers and, for training, every label.

    Raises:
        SystemExit: labels that are reserved, too few or repeated; a manifest without speakers in a split; a label that no
            corpus has in train or validation.
    """
    reserved = [label for label in material.labels if label in RESERVED]
    if reserved:
        raise SystemExit(f"{reserved[0]!r} cannot be a label: a stream says it where no label fits; rename it in the manifest")
    if len(set(material.labels)) < 2 or len(set(material.labels)) < len(material.labels):
        raise SystemExit(f"at least two different labels are needed, not {', '.join(material.labels) or 'none'}")
    for corpus in filter(is_manifest, material.corpora):
        speakers = speakers_of(read_manifest(Path(corpus), None))
        empty = [split for split in splits if not speakers[split]]
        if empty:
            counts = ", ".join(f"{split} {len(found)}" for split, found in speakers.items())
            raise SystemExit(f"{corpus}: no speaker in {empty[0]} (speakers: {counts}): at least 3 are needed, one a split; {HINT}")
    for split in splits:
        held = {clip.label for corpus in material.corpora for clip in clips_of(corpus, split, material.labels)}
        lacking = [label for label in material.labels if label not in held]
        if lacking and split != "test":
            raise SystemExit(
                f"no clip of {split} is {lacking[0]!r} in {', '.join(title_of(corpus) for corpus in material.corpora)}: "
                "move a speaker who has it there (column split), or leave the label out with --labels"
            )


def speakers_of(clips: Iterable[Clip]) -> dict[str, set[str]]:
    """The speakers of every split."""
    found: dict[str, set[str]] = {split: set() for split in SPLITS}
    for clip in clips:
        if clip.split in found:
            found[clip.split].add(clip.speaker)
    return found
