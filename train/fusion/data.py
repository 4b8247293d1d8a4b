"""Batches for the fusion: cached inputs joined, padded and masked; modalities dropped; words paired with windows.

The acted corpora repeat their sentences, so their own words say nothing and would give the corpus away. Every window gets at
the same rates, whatever its corpus: no text, or a GoEmotions sentence that is neutral, of the window's label, or of any label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamser.features.text import TextEncoder
from streamser.fusion_input import MODALITIES
from train import own_data
from train.corpora import LABELS, cache_root, data_root
from train.features import GRAPHS, PACK, Collection, folder_of
from train.text.sentences import read_goemotions

Batch = dict[str, np.ndarray]
TEXT_SHARES = {"none": 0.60, "neutral": 0.25, "same": 0.11, "any": 0.04}
TEXT_AGES = (0.3, 4.0)  # seconds
UNVOICED_SHARE = 0.05  # windows whose pitch is taken away
SPECTRAL_DROPPED = 0.50  # more than the others: its columns, evenly spread, are learned by heart first
WHISPER_DROPPED = 0.01
NODE_SHARE = (0.6, 1.0)  # of the Whisper nodes that a training window keeps
AROUSAL = {"anger": 1.0, "fear": 1.0, "happiness": 1.0, "surprise": 1.0, "neutral": 0.0, "sadness": 0.0}
GROUP = 8  # batches drawn together, so that rows of like length share one
EMPTY = {"whisper": (3, 512), "pitch": (), "spectral": (192,), "text": (384,)}


@dataclass
class Inputs:
    """The cached inputs of one collection. `arrays` are mapped files; row r of modality m lies between
    `slices[m][r]`, int64 [2]."""

    collection: Collection
    clip: np.ndarray
    now: np.ndarray
    heard: np.ndarray
    clip_label: np.ndarray
    clip_speaker: np.ndarray
    clip_gender: np.ndarray
    arrays: Batch
    slices: dict[str, np.ndarray] = field(default_factory=dict)

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


def load_inputs(collection: Collection, kinds: Iterable[str] = tuple(GRAPHS)) -> Inputs:
    """The cache of one collection, joined from the kinds asked for; `whisper` must be one of them.

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
    kept = common_rows(records)
    arrays, slices = {}, {}
    for kind in kinds:
        for name in (kind, f"{kind}_age"):
            arrays[name] = np.load(folder_of(collection, kind) / f"{name}.npy", mmap_mode="r")
        counts = records[kind][f"{kind}_count"]
        slices[kind] = np.stack([np.cumsum(counts) - counts, np.cumsum(counts)], 1)[kept[kind]]
    first = records["whisper"]
    rows = {name: first[name][kept["whisper"]] for name in ("clip", "now", "heard")}
    clips = {name: first[name] for name in ("clip_speaker", "clip_gender")}
    clip_label = label_numbers(first["clip_label"], collection.labels)
    return Inputs(collection=collection, clip_label=clip_label, arrays=arrays, slices=slices, **rows, **clips)


def label_numbers(stored: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """int64 [clips]: the places among `labels` of what a cache holds, names or (older caches) places among the seven."""
    known = stored if stored.dtype.kind == "U" else np.array(LABELS)[stored]
    return np.array([labels.index(name) for name in known.tolist()])


def features_command(collection: Collection) -> str:
    """The command that makes the cache of a collection."""
    if collection.split == "all":
        return "python -m train evaluate --prepare"
    own = own_data.is_manifest(collection.corpus)
    return f"python -m train features {f'--manifest {collection.corpus}' if own else f'--corpora {collection.corpus}'}"


def common_rows(records: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """By kind, the rows that every kind has, in one order: streams and ends of steps name them."""
    places = {
        kind: {name: row for row, name in enumerate(zip(found["clip"].tolist(), found["now"].tolist(), strict=True))}
        for kind, found in records.items()
    }
    shared = sorted(set.intersection(*(set(names) for names in places.values())))
    return {kind: np.array([at[row] for row in shared], int) for kind, at in places.items()}


@dataclass(frozen=True)
class TextBank:
    """Token features of sentences, float16 [n, 384], grouped by label; `labels` are those that windows may have."""

    sentences: dict[str, list[np.ndarray]]
    labels: tuple[str, ...] = LABELS

    def draw(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """The tokens of one window: maybe none, maybe of a sentence that fits it."""
        kind = rng.choice(list(TEXT_SHARES), p=list(TEXT_SHARES.values()))
        if kind == "none":
            return np.zeros((0, *EMPTY["text"]), np.float16)
        wanted = {"neutral": "neutral", "same": label, "any": str(rng.choice(self.labels))}[str(kind)]
        return self.sentences[wanted][rng.integers(len(self.sentences[wanted]))]


def words_can_be_taught(labels: tuple[str, ...]) -> bool:
    """Whether there are sentences of every label: GoEmotions at hand, and no label that it does not have.

    With some labels only, words would tell these from the others by being there at all.
    """
    try:
        return set(labels) <= set(LABELS) and (data_root() / "text" / "goemotions" / "train.csv").is_file()
    except SystemExit:  # no data at hand but a user's own
        return False


def build_text_bank(labels: tuple[str, ...] = LABELS, per_label: int = 300) -> TextBank:
    """Encode GoEmotions sentences with one label, every second one cut short as a growing transcript is; cached."""
    import hashlib

    digest = hashlib.sha256((PACK / "text.onnx").read_bytes()).hexdigest()[:10]
    path = cache_root() / "fusion_features" / f"text-{digest}-{per_label}.npz"
    if not path.exists():
        encoder = TextEncoder.load(PACK)
        rng = np.random.default_rng(0)
        sentences = [sentence for sentence in read_goemotions("train") if sentence.single_label is not None]
        saved: dict[str, Any] = {}
        for index, label in enumerate(LABELS):
            fitting = [sentence.text for sentence in sentences if sentence.single_label == index]
            tokens: list[np.ndarray] = []
            for number in rng.permutation(len(fitting))[: per_label * (3 if label == "neutral" else 1)]:
                words = fitting[number].replace("[NAME]", "Anna").replace("[RELIGION]", "Christian").split()
                if len(tokens) % 2:
                    words = words[: int(rng.integers(1, len(words) + 1))]
                tokens.append(encoder.encode(" ".join(words), "en").tokens.astype(np.float16))
            tokens = [value for value in tokens if len(value)]
            saved[label], saved[f"{label}_count"] = np.concatenate(tokens), np.array([len(value) for value in tokens])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **saved)
    with np.load(path) as file:
        return TextBank({label: np.split(file[label], np.cumsum(file[f"{label}_count"])[:-1]) for label in LABELS}, labels)


def collate(rows: list[dict[str, np.ndarray]], heard: np.ndarray) -> Batch:
    """Pad rows to a batch: the inputs of the fusion graph. A modality that a row lacks is masked."""
    batch: Batch = {"heard": heard.astype(np.float32).reshape(-1, 1)}
    for name in MODALITIES:
        nodes = [row.get(name, np.zeros((0, *EMPTY[name]))) for row in rows]
        longest = max(1, *(len(values) for values in nodes))
        kind = np.int64 if name == "pitch" else np.float32
        values = np.zeros((len(rows), longest, *EMPTY[name]), kind)
        ages, mask = np.zeros((len(rows), longest), np.float32), np.zeros((len(rows), longest), bool)
        for index, row in enumerate(rows):
            count = len(nodes[index])
            if count:
                values[index, :count], ages[index, :count] = nodes[index], row[f"{name}_age"]
                mask[index, :count] = True
        batch[name], batch[f"{name}_age"], batch[f"{name}_mask"] = values, ages, mask
    return batch


def perturbed(row: dict[str, np.ndarray], label: str, bank: TextBank | None, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A training row: words drawn for it, some nodes left out, sometimes a whole modality."""
    row = dict(row)
    count = len(row["whisper"])
    if rng.random() < WHISPER_DROPPED and "spectral" in row:
        kept = np.zeros(0, int)
    else:
        kept = np.sort(rng.permutation(count)[: max(1, round(count * rng.uniform(*NODE_SHARE)))])
    row["whisper"], row["whisper_age"] = row["whisper"][kept], row["whisper_age"][kept]
    for name, share in (("pitch", UNVOICED_SHARE), ("spectral", SPECTRAL_DROPPED)):
        if name in row and rng.random() < share:
            del row[name], row[f"{name}_age"]
    if bank is not None:
        row["text"] = bank.draw(label, rng)
        row["text_age"] = np.full(len(row["text"]), rng.uniform(*TEXT_AGES), np.float32)
    return row


@dataclass(frozen=True)
class TrainingSet:
    """All training inputs. `parts` may hold several passes of one corpus."""

    parts: list[Inputs]
    bank: TextBank | None

    @property
    def corpora(self) -> list[str]:
        return sorted({part.collection.corpus for part in self.parts})

    @property
    def labels(self) -> tuple[str, ...]:
        return self.parts[0].collection.labels

    def class_weights(self) -> dict[str, np.ndarray]:
        """Per corpus, float32 [labels]: inverse class frequency with mean 1 over its rows; 0 for a label it lacks."""
        weights = {}
        for corpus in self.corpora:
            labels = np.concatenate([part.labels for part in self.parts if part.collection.corpus == corpus])
            counts = np.bincount(labels, minlength=len(self.labels))
            weights[corpus] = np.where(counts, len(labels) / (np.maximum(counts, 1) * (counts > 0).sum()), 0).astype(np.float32)
        return weights

    def batches(self, size: int, count: int, seed: int) -> Iterator[tuple[Batch, np.ndarray, np.ndarray]]:
        """(batch, labels int64 [size], index of the corpus int64 [size]); every corpus equally often."""
        rng = np.random.default_rng(seed)
        corpora = self.corpora
        rows = {
            corpus: [(part, index) for part in self.parts if part.collection.corpus == corpus for index in range(len(part))]
            for corpus in corpora
        }
        orders: dict[str, list[int]] = {corpus: [] for corpus in corpora}
        for first in range(0, count, GROUP):
            chosen = []
            for source in rng.integers(len(corpora), size=size * min(GROUP, count - first)):
                corpus = corpora[source]
                if not orders[corpus]:
                    orders[corpus] = rng.permutation(len(rows[corpus])).tolist()
                part, index = rows[corpus][orders[corpus].pop()]
                label = int(part.labels[index])
                row = perturbed(part.row(index), self.labels[label], self.bank, rng)
                chosen.append((row, float(part.heard[index]), label, int(source)))
            chosen.sort(key=lambda entry: len(entry[0]["whisper"]))  # like lengths together: less padding
            for start in rng.permutation(len(chosen) // size) * size:
                batch_rows, heard, labels, sources = zip(*chosen[start : start + size], strict=True)
                yield collate(list(batch_rows), np.array(heard)), np.array(labels), np.array(sources)


def in_order(inputs: Inputs, size: int = 64) -> Iterator[Batch]:
    """All rows of a collection as they are, without text, in batches."""
    for start in range(0, len(inputs), size):
        rows = range(start, min(start + size, len(inputs)))
        yield collate([inputs.row(row) for row in rows], inputs.heard[list(rows)])


def checkpoint_folder() -> Path:
    folder = cache_root() / "fusion_members"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
