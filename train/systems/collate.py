"""From rows (clips and sentences) to padded batches: crops, words, augmentation, modality dropout, masks and ages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from train.augmentation.seqaug import seqaug
from train.augmentation.waveform import augment
from train.systems.batches import Part
from train.systems.config import SystemConfig
from train.systems.losses import Targets, class_counts
from train.systems.sampling import bucketed, drawn_rows, stratified_share
from train.systems.words import SentenceBank

SHUFFLED = ("audio", "text")  # modalities that SeqAug changes; F0 is left alone, as in the paper
WAVEFORM_SHARE = 0.5  # chance of each effect on a training waveform
EVALUATION_BATCH = 64

Batch = dict[str, Tensor]
Row = dict[str, np.ndarray]  # the nodes of one row by modality; a modality that it lacks is absent or empty


def padded(rows: Sequence[Row], blank: Row, rates: dict[str, float]) -> Batch:
    """Rows as one batch (see `train.systems.system`).

    Args:
        rows: nodes [n, ...] of every row by modality.
        blank: by modality, an array without nodes whose further shape and kind are right: what an absent one looks like.
        rates: nodes a second by modality; 0 gives no ages (tokens), and samples have none.

    Returns:
        For every modality values float32 [B, longest, ...], `<name>_mask` bool [B, longest] and, where it has a rate,
        `<name>_age` float32 [B, longest]: seconds between a node and the row's last one.
    """
    batch: Batch = {}
    for name, empty in blank.items():
        pieces = [row.get(name, empty) for row in rows]
        counts = np.array([len(piece) for piece in pieces])
        longest = max(1, int(counts.max()))
        values = np.zeros((len(rows), longest, *empty.shape[1:]), np.float32)
        for index, piece in enumerate(pieces):
            values[index, : len(piece)] = piece
        places = np.arange(longest)
        batch[name] = torch.from_numpy(values)
        batch[f"{name}_mask"] = torch.from_numpy(places < counts[:, None])
        if rates[name] and name != "samples":
            age = np.maximum(counts[:, None] - 1 - places, 0) / rates[name]
            batch[f"{name}_age"] = torch.from_numpy(age.astype(np.float32))
    return batch


def cropped(part: Part, index: int, start: float, seconds: float) -> Row:
    """The nodes of one clip between `start` and `start + seconds`, without words."""
    row: Row = {}
    for name, nodes in part.nodes.items():
        if name != "text":
            values = nodes.clip(index)
            first = min(int(start * nodes.rate), max(0, len(values) - 1))
            row[name] = values[first : first + max(1, round(seconds * nodes.rate))]
    return row


def blank_row(part: Part, bank: SentenceBank | None) -> Row:
    """By modality, an array without nodes: see `padded`."""
    blank = {name: nodes.clip(0)[:0] for name, nodes in part.nodes.items()}
    return blank if bank is None else {"text": bank.tokens[:0], **blank}


def rates_of(part: Part) -> dict[str, float]:
    """Nodes a second by modality, 0 for tokens."""
    return {"text": 0.0, **{name: nodes.rate for name, nodes in part.nodes.items()}}


class TrainingBatches:
    """The batches of a training, the same for the same configuration, seed and epoch.

    Every part is a corpus, by its number; rows that are sentences alone count as one more corpus, the last.
    """

    def __init__(self, config: SystemConfig, parts: Sequence[Part], bank: SentenceBank | None) -> None:
        """parts: of the training split. bank: its sentences, where the configuration needs them."""
        self.config, self.parts, self.bank = config, parts, bank
        labels = np.concatenate([part.labels for part in parts])
        corpora = np.concatenate([np.full(len(part), number) for number, part in enumerate(parts)])
        indices = np.concatenate([np.arange(len(part)) for part in parts])
        kept = stratified_share(labels, corpora, config.data.share, config.training.seed)
        self.labels, self.corpora, self.indices = labels[kept], corpora[kept], indices[kept]
        self.seconds = np.minimum(np.concatenate([part.duration for part in parts])[kept], config.data.longest)
        self.blank, self.rates = blank_row(parts[0], bank), rates_of(parts[0])
        self.alone = round(config.training.batch * config.data.text_only)
        if self.alone >= config.training.batch or (self.alone and bank is None):
            raise SystemExit(f"{config.name}: text_only = {config.data.text_only}: less than 1, and with a text encoder")
        self.sentences = np.zeros(0, np.int64)
        if self.alone and bank is not None:
            self.sentences = np.flatnonzero(np.isin(bank.labels, config.data.labels))

    def class_counts(self) -> np.ndarray:
        """int64 [corpora, labels]: what the training rows carry."""
        counts = class_counts(self.labels, self.corpora, len(self.config.data.labels))
        if not self.alone:
            return counts
        alone = [self._sentence_label(int(row)) for row in self.sentences]
        return np.concatenate([counts, [np.bincount(alone, minlength=counts.shape[1])]])

    def __len__(self) -> int:
        """Batches in an epoch."""
        clips = self.config.training.batch - self.alone
        return self.config.training.batches or -(-len(self.labels) // clips)

    def epoch(self, epoch: int, process: int = 0, processes: int = 1) -> Iterator[tuple[Batch, Targets]]:
        """The batches of one epoch; each of several processes gets its own rows of every batch."""
        training = self.config.training
        clips = training.batch - self.alone
        rng = np.random.default_rng((training.seed, epoch))
        count = training.batches * clips or len(self.labels)
        drawn = drawn_rows(self.labels, self.corpora, count, epoch, training, rng)
        for number, rows in enumerate(bucketed(drawn, self.seconds[drawn], clips, rng)):
            shared = rows if len(rows) >= processes else np.resize(rows, processes)
            yield self._batch(shared[process::processes], np.random.default_rng((training.seed, epoch, number, process)), processes)

    def _batch(self, rows: np.ndarray, rng: np.random.Generator, processes: int) -> tuple[Batch, Targets]:
        found = [self._row(self.parts[self.corpora[row]], int(self.indices[row]), rng) for row in rows]
        labels, corpora = self.labels[rows], self.corpora[rows]
        shares = [self.parts[self.corpora[row]].shares[self.indices[row]] for row in rows]
        if self.alone and self.bank is not None:
            alone = rng.choice(self.sentences, -(-self.alone // processes))
            found += [{"text": self.bank.sentence(int(row))} for row in alone]
            of_sentences = np.array([self._sentence_label(int(row)) for row in alone])
            labels = np.concatenate([labels, of_sentences])
            corpora = np.concatenate([corpora, np.full(len(alone), len(self.parts))])
            shares += list(np.eye(len(self.config.data.labels), dtype=np.float32)[of_sentences])
        targets = Targets(torch.from_numpy(labels), torch.from_numpy(corpora), torch.from_numpy(np.stack(shares)))
        return padded(found, self.blank, self.rates), targets

    def _row(self, part: Part, index: int, rng: np.random.Generator) -> Row:
        """One clip as a training hears it: a crop, words, then whatever the configuration does to them."""
        training, longest = self.config.training, self.config.data.longest
        spare = max(0.0, float(part.duration[index]) - longest)
        row = cropped(part, index, rng.uniform(0, spare), longest)
        if part.bank is not None:
            row["text"] = part.bank.sentence(part.bank.draw(part.clips[index].label, rng))
        elif "text" in part.nodes:
            row["text"] = part.nodes["text"].clip(index)
        for name in SHUFFLED:
            if training.seqaug and name in row and len(row[name]) and rng.random() < training.seqaug:
                row[name] = seqaug(row[name], rng, training.seqaug_independent)
        if training.waveform and "samples" in row:
            row["samples"] = augment(row["samples"], training.waveform, rng, WAVEFORM_SHARE)
        present = [name for name, values in row.items() if len(values)]
        if training.modality_dropout and len(present) > 1 and rng.random() < training.modality_dropout:
            del row[present[rng.integers(len(present))]]
        return row

    def _sentence_label(self, row: int) -> int:
        assert self.bank is not None
        return self.config.data.labels.index(str(self.bank.labels[row]))


def evaluation_batches(part: Part, words: bool = True, heard: float | None = None) -> Iterator[tuple[Batch, np.ndarray]]:
    """All clips of a part once, whole, by length: (batch, int64 [rows] the clips' places in the part).

    Args:
        part: of any split.
        words: with the clips' words, or the sentences that they are always paired with; otherwise without any.
        heard: seconds from the beginning that are heard, None for all.
    """
    blank, rates = blank_row(part, part.bank), rates_of(part)
    order = np.argsort(part.duration, kind="stable")
    for first in range(0, len(order), EVALUATION_BATCH):
        indices = order[first : first + EVALUATION_BATCH]
        rows = []
        for index in indices.tolist():
            row = cropped(part, index, 0.0, float(part.duration[index]) + 1 if heard is None else heard)
            if words and part.sentences is not None and part.bank is not None:
                row["text"] = part.bank.sentence(int(part.sentences[index]))
            elif words and "text" in part.nodes:
                row["text"] = part.nodes["text"].clip(index)
            rows.append(row)
        yield padded(rows, blank, rates), indices
