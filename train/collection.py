"""What features are made of and asked for by: one corpus, split and pass; and the two that carry no emotion label."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from train import own_data
from train.corpora import (
    AUXILIARY_CORPORA,
    EVALUATION_CORPORA,
    LABELS,
    OTHER_LABELS,
    TRAINING_CORPORA,
    Clip,
    clips_of,
    data_root,
    read_corpus,
)
from train.spectral.sources import held_out

MEETINGS, OTHER_SOUNDS = "meetings", "other_sounds"  # AMI's trn* files: soft neutral; bursts, cries, streets, noise: no emotion
EVERYONE = "everyone"  # a split of the caches alone: all speakers of a corpus that has folds
FOLDED = ("ravdess",)
PASSES = {
    "ravdess": (0, 1, 3),
    "nemo": (0, 1, 3),
    "banglaser": (0, 1, 3),
    "indian_emospeech": (0, 3),  # its channels are bad as they are
    "emogator": (3,),  # as many microphones as people
}
OWN_PASSES = (0, 1, 3)  # of a manifest
OTHER_PASSES = (0, 1)
BURSTS, STREETS = 1200, 500  # recordings of emogator and of urbansound8k_part, chosen by hash


@dataclass(frozen=True)
class Collection:
    """One corpus (a name, a fold's, or the path of a manifest), split and pass; `split` is `all` for an evaluation-only corpus.

    labels: those that count, in the order in which they are numbered.
    """

    corpus: str
    split: str
    number: int = 0
    labels: tuple[str, ...] = LABELS

    @property
    def title(self) -> str:
        """What the corpus is called in tables."""
        return own_data.title_of(self.corpus)

    @property
    def base(self) -> str:
        """The corpus of a fold."""
        return self.corpus if own_data.is_manifest(self.corpus) else self.corpus.partition("-fold")[0]

    @property
    def pool(self) -> Collection:
        """The collection whose cache holds this one's rows: of a corpus with folds, all its speakers, whatever the labels."""
        if self.base not in FOLDED or self.split == EVERYONE:
            return self
        kept = (*LABELS, *OTHER_LABELS)
        return Collection(self.base, EVERYONE, self.number if self.split == "train" else -1, kept)

    @property
    def training(self) -> bool:
        """Whether these are training streams, or fresh ones."""
        return self.number >= 0 if self.split == EVERYONE else self.split == "train"

    @cached_property
    def name(self) -> str:
        """Names the cache; of a manifest, or where other labels than the seven count, also by what the clips are."""
        if self.split == EVERYONE:
            return f"{self.corpus}-{EVERYONE}-{self.number if self.training else 'fresh'}"
        same = set(LABELS) <= set(self.labels) and not set(OTHER_LABELS) & set(self.labels)
        if same and not own_data.is_manifest(self.corpus):
            return f"{self.corpus}-{self.split}-{self.number}"
        clips, root = self.clips(), Path(self.corpus).resolve().parent
        told = [
            "/".join((os.path.relpath(clip.path, root), str(clip.path.stat().st_size), clip.speaker, clip.label)) for clip in clips
        ]
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:10]
        return f"{self.title}-{digest}-{self.split}-{self.number}"

    def clips(self) -> list[Clip]:
        """The clips in their order; those of `meetings` and `other_sounds` have no label."""
        if self.corpus == MEETINGS:
            return meeting_clips()
        if self.corpus == OTHER_SOUNDS:
            return [clip for clip in other_sounds() if held_out(clip.speaker) != (self.split == "train")]
        if self.split in ("all", EVERYONE):
            return [clip for clip in read_corpus(self.corpus, self.labels) if clip.label in self.labels]
        return clips_of(self.corpus, self.split, self.labels)


def unlabelled(corpus: str, path: Path, speaker: str) -> Clip:
    return Clip(corpus, path, "", "", speaker, "", "", 0.0, "")


def meeting_clips() -> list[Clip]:
    """AMI's training excerpts."""
    return [unlabelled(MEETINGS, path, path.stem) for path in sorted((data_root() / "meetings" / "ami").glob("trn*.flac"))]


def other_sounds() -> list[Clip]:
    """What is no emotional speech and may teach: vocal bursts, infants' cries, streets but esc10's, the training half of noise."""
    from train.pitch.noise import is_held_out

    def some(corpus: str, count: int) -> list[Clip]:
        found = sorted(read_corpus(corpus, None), key=lambda clip: hashlib.sha1(clip.path.name.encode()).hexdigest())
        return [unlabelled(OTHER_SOUNDS, clip.path, clip.speaker) for clip in found if clip.speaker not in in_esc10][:count]

    in_esc10 = {clip.speaker for clip in read_corpus("esc10", None)}
    noise = [path for path in sorted((data_root() / "noise").glob("*.flac")) if not is_held_out(path.name)]
    return [
        *some("emogator", BURSTS),
        *some("urbansound8k_part", STREETS),
        *some("donateacry", STREETS),
        *(unlabelled(OTHER_SOUNDS, path, path.stem) for path in noise),
    ]


def training_collections(corpus: str, splits: Iterable[str], labels: tuple[str, ...] = LABELS) -> list[Collection]:
    """The collections of a corpus, a fold or a manifest that may train; an auxiliary corpus only ever has those of train.

    Raises:
        SystemExit: the corpus is for evaluation only.
    """
    base = corpus.partition("-fold")[0]
    if base not in (*TRAINING_CORPORA, *AUXILIARY_CORPORA) and not own_data.is_manifest(corpus):
        raise SystemExit(f"{corpus!r} is for evaluation only: its features are made by `python -m train evaluate`")
    passes = PASSES.get(base, OWN_PASSES)
    if base in AUXILIARY_CORPORA:
        splits = [split for split in splits if split == "train"]
    return [Collection(corpus, split, number, labels) for split in splits for number in (passes if split == "train" else (0,))]


def sealed_collection(corpus: str, labels: tuple[str, ...] = LABELS) -> Collection:
    """An evaluation-only corpus, for `train.evaluate` and `train.report` alone."""
    if corpus not in EVALUATION_CORPORA:
        raise SystemExit(f"{corpus!r} is not one of {', '.join(EVALUATION_CORPORA)}")
    return Collection(corpus, "all", 0, labels)
