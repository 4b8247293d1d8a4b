"""Batches for the fusion: cached inputs padded and masked; modalities dropped; words and histories drawn.

Corpora, classes and speakers are sampled evenly: first the corpus, then one of its labels, then a speaker by the root of how
much there is of them (so that a speaker with a thousand clips, or one who stands for many, does not count as a thousand).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamser.fusion_input import MODALITIES
from train.collection import MEETINGS
from train.corpora import AUXILIARY_CORPORA, cache_root
from train.fusion.histories import Histories, histories_of, nothing
from train.fusion.inputs import Batch, Inputs
from train.fusion.text_bank import TextBank

TEXT_AGES = (0.3, 4.0)  # seconds
UNVOICED_SHARE = 0.05  # windows whose pitch is taken away
SPECTRAL_DROPPED = 0.50  # more than the others: its columns, evenly spread, are learned by heart first
WHISPER_DROPPED = 0.01
NODE_SHARE = (0.6, 1.0)  # of the Whisper nodes that a training window keeps
EDGE_NODES = 3  # at most so many are left out at either end, as a detector that is late or early does
CORPUS_SHARES = {  # beside 1 of every other
    "indian_emospeech": 0.25,  # half-second words in noise, which teach others little
    "emogator": 0.4,  # bursts, not speech (decision 97)
}
LONGEST_SHARE = 0.7  # of the windows: the one that heard most of its clip, as decides about an utterance (decision 85)
MEETING_SHARE = 0.15  # of a batch
MEETING_NEUTRAL = 0.7  # of what a meeting's window says; the rest is spread over all labels
STANDARD_ROWS = 300  # of a collection, that say what is usual
SMOOTHING = 0.05
LEAST_SPREAD = 1e-4  # of a statistic, squared
AROUSAL = {"anger": 1.0, "fear": 1.0, "happiness": 1.0, "surprise": 1.0, "neutral": 0.0, "sadness": 0.0}
EMPTY = {"whisper": (3, 512), "pitch": (), "spectral": (192,), "text": (384,)}


@dataclass(frozen=True)
class Targets:
    """What a batch should say. shares: float32 [batch, labels], sums to 1. among: bool [batch, labels], the labels that the
    window's corpus has. arousal, intensity: float32 [batch], -1 where it is not known."""

    shares: np.ndarray
    among: np.ndarray
    arousal: np.ndarray
    intensity: np.ndarray


@dataclass(frozen=True)
class Standard:
    """Mean and deviation of the training nodes, float32 [layers, width]; every collection counts the same."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, parts: list[Inputs]) -> Standard:
        means, squares = [], []
        for part in parts:
            rows = part.slices["whisper"][:: max(1, len(part) // STANDARD_ROWS)]  # not the whole file: others may be in it
            nodes = np.concatenate([part.arrays["whisper"][slice(*row)] for row in rows]).astype(np.float64)
            means.append(nodes.mean(0))
            squares.append((nodes**2).mean(0))
        mean = np.mean(means, 0)
        scale = np.sqrt(np.maximum(np.mean(squares, 0) - mean**2, 1e-8))
        halves = (mean.astype(np.float16), np.maximum(scale, 1e-4).astype(np.float16))  # as the pack stores them
        return cls(*(values.astype(np.float32) for values in halves))


def collate(rows: list[dict[str, np.ndarray]], heard: np.ndarray) -> Batch:
    """Pad rows to a batch: the inputs of the fusion graph but for the history. A modality that a row lacks is masked."""
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


def with_histories(batch: Batch, histories: list[tuple[np.ndarray, np.ndarray, float]]) -> Batch:
    """The batch and, as the fusion graph takes them, a history (mean, square, seconds) for each of its rows."""
    means, squares, seconds = zip(*histories, strict=True)
    found = {"history_mean": np.stack(means), "history_square": np.stack(squares)}
    return batch | found | {"history_seconds": np.array(seconds, np.float32).reshape(-1, 1)}


def without_history(batch: Batch, width: int) -> Batch:
    """The batch with nothing heard before; width: of the statistics."""
    return with_histories(batch, [nothing(width)] * len(batch["heard"]))


def perturbed(row: dict[str, np.ndarray], label: str, bank: TextBank | None, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A training row: words drawn for it, some nodes left out, sometimes a whole modality. label: "" for none."""
    row = dict(row)
    count = len(row["whisper"])
    if rng.random() < WHISPER_DROPPED and "spectral" in row:
        kept = np.zeros(0, int)
    else:
        first, last = rng.integers(0, EDGE_NODES + 1, 2) if count > 4 * EDGE_NODES else (0, 0)
        inner = np.arange(first, count - last)
        kept = np.sort(rng.permutation(inner)[: max(1, round(len(inner) * rng.uniform(*NODE_SHARE)))])
    row["whisper"], row["whisper_age"] = row["whisper"][kept], row["whisper_age"][kept]
    for name, share in (("pitch", UNVOICED_SHARE), ("spectral", SPECTRAL_DROPPED)):
        if name in row and rng.random() < share:
            del row[name], row[f"{name}_age"]
    if bank is not None:
        row["text"] = bank.draw(label, rng)
        row["text_age"] = np.full(len(row["text"]), rng.uniform(*TEXT_AGES), np.float32)
    return row


@dataclass(frozen=True)
class Pick:
    """Where the rows of one label of one corpus are: by speaker, (part, row) each, and how likely each speaker is."""

    rows: list[list[tuple[int, int]]]
    shares: np.ndarray

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        rows = self.rows[int(rng.choice(len(self.rows), p=self.shares))]
        return rows[int(rng.integers(len(rows)))]


@dataclass(frozen=True)
class TrainingSet:
    """All training inputs. `parts` may hold several passes of one corpus; those of `meetings` are soft neutral."""

    parts: list[Inputs]
    bank: TextBank | None

    @property
    def corpora(self) -> list[str]:
        return sorted({part.collection.corpus for part in self.parts})

    @property
    def labels(self) -> tuple[str, ...]:
        return self.parts[0].collection.labels

    @cached_property
    def speech(self) -> list[int]:
        """The parts that say what is usual: all but auxiliary corpora."""
        return [number for number, part in enumerate(self.parts) if part.collection.corpus not in AUXILIARY_CORPORA]

    @cached_property
    def standard(self) -> Standard:
        return Standard.of([self.parts[number] for number in self.speech])

    @cached_property
    def histories(self) -> list[Histories]:
        """By part."""
        return [histories_of(part, self.standard.mean, self.standard.scale) for part in self.parts]

    @cached_property
    def variance(self) -> np.ndarray:
        """float32 [D]: of the statistics within a session, every part counts the same."""
        found = []
        for history in (self.histories[number] for number in self.speech):
            heard = history.seconds > 0
            total, count = np.zeros(history.statistics.shape[1]), 0
            for session in np.unique(history.session[heard]):
                rows = history.statistics[heard & (history.session == session)]
                if len(rows) > 1:
                    total, count = total + ((rows - rows.mean(0)) ** 2).sum(0), count + len(rows) - 1
            if count:
                found.append(total / count)
        return np.mean(found, 0).astype(np.float32) if found else np.ones(self.histories[0].statistics.shape[1], np.float32)

    @cached_property
    def usual(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the statistics of clips' longest windows, float32 [D] each; every part counts the same."""
        histories = [self.histories[number] for number in self.speech]
        heard = [history.statistics[history.seconds > 0].astype(np.float64) for history in histories]
        mean = np.mean([rows.mean(0) for rows in heard], 0)
        square = np.mean([(rows**2).mean(0) for rows in heard], 0)
        return mean.astype(np.float32), np.sqrt(np.maximum(square - mean**2, LEAST_SPREAD)).astype(np.float32)

    @cached_property
    def among(self) -> dict[str, np.ndarray]:
        """By corpus, bool [labels]: the labels that it has; meetings may be anything."""
        found = {}
        for corpus in self.corpora:
            labels = np.concatenate([part.labels for part in self.parts if part.collection.corpus == corpus])
            known = np.bincount(labels[labels >= 0], minlength=len(self.labels)) > 0
            found[corpus] = known if known.any() else np.ones(len(self.labels), bool)
        return found

    @cached_property
    def picks(self) -> dict[str, list[Pick]]:
        """By corpus, one for each of its labels."""
        places: dict[str, dict[int, dict[str, list[tuple[int, int]]]]] = {}
        for number, part in enumerate(self.parts):
            for row, (clip, label) in enumerate(zip(part.clip.tolist(), part.labels.tolist(), strict=True)):
                speakers = places.setdefault(part.collection.corpus, {}).setdefault(label, {})
                speakers.setdefault(str(part.clip_speaker[clip]), []).append((number, row))
        return {corpus: [pick_of(list(by.values())) for by in labels.values()] for corpus, labels in places.items()}

    def targets(self, part: Inputs, row: int) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Shares and labels of the corpus, float32 and bool [labels]; arousal; intensity."""
        among, label = self.among[part.collection.corpus], int(part.labels[row])
        if label < 0:
            shares = np.full(len(self.labels), (1 - MEETING_NEUTRAL) / len(self.labels), np.float32)
            shares[self.labels.index("neutral")] += MEETING_NEUTRAL
            return shares, among, -1.0, -1.0
        shares = (among / among.sum() * SMOOTHING).astype(np.float32)
        shares[label] += 1 - SMOOTHING
        return shares, among, float(self.levels[label]), float(part.clip_intensity[part.clip[row]])

    @cached_property
    def levels(self) -> np.ndarray:
        return arousal_levels(self.labels)

    def batches(self, size: int, count: int, seed: int) -> Iterator[tuple[Batch, Targets]]:
        """`count` batches of `size` windows with their targets."""
        rng = np.random.default_rng(seed)
        corpora = [corpus for corpus in self.corpora if corpus != MEETINGS]
        weights = np.array([CORPUS_SHARES.get(corpus.partition("-fold")[0], 1.0) for corpus in corpora])
        meetings = MEETING_SHARE if MEETINGS in self.picks else 0.0
        names = [*corpora, MEETINGS]
        shares = np.append(weights / weights.sum() * (1 - meetings), meetings)
        for _ in range(count):  # drawn at random: batches of like length (decision 82) teach badly
            rows, heard, histories, targets = zip(*(self._drawn(names, shares, rng) for _ in range(size)), strict=True)
            batch = with_histories(collate(list(rows), np.array(heard)), list(histories))
            wanted, among, arousal, intensity = (np.stack(column) for column in zip(*targets, strict=True))
            yield batch, Targets(wanted, among, arousal.astype(np.float32), intensity.astype(np.float32))

    def _drawn(self, names: list[str], shares: np.ndarray, rng: np.random.Generator) -> tuple[Any, ...]:
        """One window: its row, the seconds heard, a history, the targets."""
        picks = self.picks[names[int(rng.choice(len(names), p=shares))]]
        number, index = picks[int(rng.integers(len(picks)))].draw(rng)
        part = self.parts[number]
        if part.labels[index] >= 0 and rng.random() < LONGEST_SHARE:  # a meeting is one clip of many windows
            index = int(part.longest_row[part.clip[index]])
        label = int(part.labels[index])
        row = perturbed(part.row(index), self.labels[label] if label >= 0 else "", self.bank, rng)
        history = self.histories[number].draw(int(part.clip[index]), rng)
        return row, float(part.heard[index]), history, self.targets(part, index)


def pick_of(rows: list[list[tuple[int, int]]]) -> Pick:
    shares = np.sqrt([len(entries) for entries in rows])
    return Pick(rows, shares / shares.sum())


def arousal_levels(labels: tuple[str, ...]) -> np.ndarray:
    """float32 [labels]: 0 or 1; -1 where a label's is not known, and everywhere unless both levels occur."""
    known = [AROUSAL.get(label, -1.0) for label in labels]
    return np.array(known if {0.0, 1.0} <= set(known) else [-1.0] * len(known), np.float32)


def in_order(inputs: Inputs, size: int = 64) -> Iterator[Batch]:
    """All rows of a collection as they are, without text and history, in batches; see `without_history`."""
    for start in range(0, len(inputs), size):
        rows = range(start, min(start + size, len(inputs)))
        yield collate([inputs.row(row) for row in rows], inputs.heard[list(rows)])


def checkpoint_folder() -> Path:
    folder = cache_root() / "fusion_members"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
