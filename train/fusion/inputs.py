"""The cached inputs of a collection, joined from the caches of its networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from streamser.fusion_input import MODALITIES
from train import own_data
from train.collection import MEETINGS, OTHER_SOUNDS, Collection
from train.corpora import AUXILIARY_CORPORA, Clip
from train.features import GRAPHS, folder_of

Batch = dict[str, np.ndarray]


def _none() -> np.ndarray:
    return np.zeros(0, int)


@dataclass
class Inputs:
    """The cached inputs of one collection. `arrays` are mapped files; row r of modality m lies between
    `slices[m][r]`, int64 [2].

    clip: int64 [rows], which clip. now: end of the step. heard: seconds of speech in the window. clip_label: int64 [clips], -1
    for none. clip_session: which clips share a voice and a channel, unless given a speaker's. clip_intensity: 1 strong, 0 normal,
    -1 not known.
    """

    collection: Collection
    clip: np.ndarray
    now: np.ndarray
    heard: np.ndarray
    clip_label: np.ndarray
    clip_speaker: np.ndarray
    clip_gender: np.ndarray
    arrays: Batch
    slices: dict[str, np.ndarray] = field(default_factory=dict)
    clip_session: np.ndarray = field(default_factory=_none)
    clip_intensity: np.ndarray = field(default_factory=_none)

    def __post_init__(self) -> None:
        if not len(self.clip_session):
            self.clip_session = np.unique(self.clip_speaker, return_inverse=True)[1]
        if not len(self.clip_intensity):
            self.clip_intensity = np.full(len(self.clip_label), -1)

    def __len__(self) -> int:
        return len(self.clip)

    @property
    def labels(self) -> np.ndarray:
        """int64 [n], the label of every row."""
        return self.clip_label[self.clip]

    def row(self, index: int) -> dict[str, np.ndarray]:
        """The nodes and ages of one row, without text."""
        found: dict[str, np.ndarray] = {}
        for name in MODALITIES:
            if name in self.slices:
                part = slice(*self.slices[name][index])
                found[name], found[f"{name}_age"] = self.arrays[name][part], self.arrays[f"{name}_age"][part]
        return found

    @cached_property
    def longest_rows(self) -> np.ndarray:
        """int64 [clips with speech]: of every clip the row that heard most, the latest of equals."""
        return self.longest_row[self.longest_row >= 0]

    @cached_property
    def longest_row(self) -> np.ndarray:
        """int64 [clips]: that row of every clip, -1 where no step held speech."""
        best = np.full(len(self.clip_label), -1)
        for row, (clip, heard) in enumerate(zip(self.clip.tolist(), self.heard.tolist(), strict=True)):
            if best[clip] < 0 or heard >= self.heard[best[clip]]:
                best[clip] = row
        return best


def load_inputs(collection: Collection, kinds: Iterable[str] = tuple(GRAPHS)) -> Inputs:
    """The rows of one collection, joined from the kinds asked for; `whisper` must be one of them.

    Raises:
        SystemExit: a cache is missing.
    """
    records = {}
    for kind in kinds:
        path = folder_of(collection, kind) / "records.npz"
        if not path.exists():
            raise SystemExit(f"no {kind} features of {collection.name} at {path}: run `{features_command(collection)}`")
        with np.load(path) as file:
            records[kind] = dict(file)
    clips, first = collection.clips(), records["whisper"]
    place = _places(collection, clips, first["clip_name"])
    kept = common_rows(records)
    kept = {kind: rows[place[records[kind]["clip"][rows]] >= 0] for kind, rows in kept.items()}
    arrays, slices = {}, {}
    for kind in kinds:
        for name in (kind, f"{kind}_age"):
            arrays[name] = np.load(folder_of(collection, kind) / f"{name}.npy", mmap_mode="r")
        counts = records[kind][f"{kind}_count"]
        slices[kind] = np.stack([np.cumsum(counts) - counts, np.cumsum(counts)], 1)[kept[kind]]
    session = np.zeros(len(clips), int)
    session[place[place >= 0]] = first["clip_session"][place >= 0]
    return Inputs(
        collection=collection,
        clip=place[first["clip"][kept["whisper"]]],
        now=first["now"][kept["whisper"]],
        heard=first["heard"][kept["whisper"]],
        clip_label=np.array([collection.labels.index(clip.label) if clip.label else -1 for clip in clips]),
        clip_speaker=np.array([clip.speaker for clip in clips]),
        clip_gender=np.array([clip.gender for clip in clips]),
        arrays=arrays,
        slices=slices,
        clip_session=session,
        clip_intensity=np.array([intensity(clip) for clip in clips]),
    )


def _places(collection: Collection, clips: list[Clip], names: np.ndarray) -> np.ndarray:
    """int64 [clips of the cache]: where each stands among the collection's, -1 where it is not one of them."""
    if collection.pool is collection:
        return np.arange(len(names))
    wanted = {clip.path.name: index for index, clip in enumerate(clips)}
    return np.array([wanted.get(name, -1) for name in names.tolist()])


def intensity(clip: Clip) -> int:
    """RAVDESS tells strong from normal; neutral has no strength."""
    if "intensity" not in clip.extra or clip.label in ("neutral", ""):
        return -1
    return int("intensity02" in clip.extra)


def features_command(collection: Collection) -> str:
    """The command that makes the cache of a collection."""
    if collection.split == "all":
        return "python -m train evaluate --prepare"
    if collection.corpus in (MEETINGS, OTHER_SOUNDS, *AUXILIARY_CORPORA):
        return "python -m train features"
    own = own_data.is_manifest(collection.corpus)
    return f"python -m train features {f'--manifest {collection.corpus}' if own else f'--corpora {collection.base}'}"


def common_rows(records: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """By kind, the rows that every kind has, in one order: streams and ends of steps name them."""
    places = {
        kind: {name: row for row, name in enumerate(zip(found["clip"].tolist(), found["now"].tolist(), strict=True))}
        for kind, found in records.items()
    }
    shared = sorted(set.intersection(*(set(names) for names in places.values())))
    return {kind: np.array([at[row] for row in shared], int) for kind, at in places.items()}
