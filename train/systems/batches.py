"""What systems learn from: the clips of corpora with what the frozen encoders say of them, read once for many trainings."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from train.corpora import SPLITS, Clip, clips_of, parse_shares, read_audio
from train.encodings import SPEECH, Encodings, load_encodings
from train.systems.config import SystemConfig
from train.systems.words import SentenceBank, sentence_bank

SAMPLE_RATE = 16_000
WAVEFORMS_KEPT = 2 * 2**30  # bytes of decoded waveforms that are kept in memory
HASHED_PIECES, PIECE = 64, 2**14  # of an encodings file: enough to tell two apart, quick enough for every training


class Nodes(Protocol):
    """A modality of the clips of one corpus and split. rate: nodes a second, 0 for tokens."""

    @property
    def rate(self) -> float: ...

    def counts(self) -> np.ndarray: ...

    def clip(self, index: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Encoded:
    """Nodes from a file of encodings. `layers`: those of an audio encoder that a system hears; None for the other kinds."""

    values: np.ndarray
    offsets: np.ndarray
    rate: float
    layers: tuple[int, ...] | None = None

    @classmethod
    def of(cls, encodings: Encodings, layers: tuple[int, ...] | None) -> Encoded:
        """Without numpy's memory-map class, whose slices are slow; one layer is a view."""
        values = encodings.values.view(np.ndarray)
        if layers is not None and len(layers) == 1:
            layer = layers[0] % values.shape[1]
            values, layers = values[:, layer : layer + 1], None
        return cls(values, np.asarray(encodings.offsets), encodings.rate, layers)

    def counts(self) -> np.ndarray:
        """int64 [clips]: nodes of every clip."""
        return np.diff(self.offsets)

    def clip(self, index: int) -> np.ndarray:
        """[nodes, ...] of one clip, as they are stored."""
        values = self.values[self.offsets[index] : self.offsets[index + 1]]
        return values if self.layers is None else values[:, list(self.layers)]


class Waveforms:
    """The speech of clips, decoded when asked for and kept as int16 while WAVEFORMS_KEPT lasts."""

    rate = float(SAMPLE_RATE)
    kept_bytes = 0

    def __init__(self, clips: Sequence[Clip], speech: Encodings) -> None:
        """speech: where each clip's speech is, which is all that the encoders hear of it."""
        self.clips = clips
        self.bounds = np.concatenate([speech.clip(index) for index in range(len(clips))])
        self._kept: dict[int, np.ndarray] = {}

    def counts(self) -> np.ndarray:
        """int64 [clips]: samples of every clip."""
        return np.asarray(self.bounds[:, 1] - self.bounds[:, 0])

    def clip(self, index: int) -> np.ndarray:
        """float32 [samples] of a clip's speech."""
        if index not in self._kept:
            start, end = self.bounds[index]
            samples = np.rint(read_audio(self.clips[index].path)[start:end] * 32767).clip(-32768, 32767).astype(np.int16)
            if Waveforms.kept_bytes + samples.nbytes > WAVEFORMS_KEPT:
                return samples.astype(np.float32) / 32767
            Waveforms.kept_bytes += samples.nbytes
            self._kept[index] = samples
        return self._kept[index].astype(np.float32) / 32767


@dataclass(frozen=True)
class Part:
    """The clips of one corpus and split.

    labels: int64 [clips]. shares: float32 [clips, labels], the annotators' votes, one-hot where there are none.
    nodes: by modality (audio, text, f0, spectral, samples). sentences: int64 [clips], rows of the bank that evaluation pairs the
    clips with, or None.
    """

    corpus: str
    clips: Sequence[Clip]
    label_names: tuple[str, ...]
    labels: np.ndarray
    shares: np.ndarray
    nodes: dict[str, Nodes]
    bank: SentenceBank | None = None
    sentences: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.clips)

    @functools.cached_property
    def duration(self) -> np.ndarray:
        """float64 [clips]: seconds of speech, by the longest modality that has a rate; 0 for words alone."""
        timed = [nodes.counts() / nodes.rate for nodes in self.nodes.values() if nodes.rate]
        return np.asarray(np.max(timed, axis=0)) if timed else np.zeros(len(self))


def kinds_of(config: SystemConfig) -> dict[str, str]:
    """The encodings that a system needs, by modality; `samples`, the waveform, needs to know where the speech is.

    Raises:
        SystemExit: a text encoder, but no words.
    """
    features = config.features
    kinds = {}
    if features.audio:
        kinds["audio"] = f"audio:{features.audio}@{features.rate:g}"
    if features.text and config.data.words == "transcripts":
        kinds["text"] = f"text:{features.text}"
    elif features.text and config.data.words == "none":
        raise SystemExit(f"{config.name}: a text encoder ({features.text}), but data.words = 'none': choose transcripts or pairs")
    if features.prosody != "none":
        kinds["f0"] = "f0"
    if features.spectral != "none":
        modality = "spectral" if features.spectral == "streamed" else "samples"
        kinds[modality] = "spectral" if features.spectral == "streamed" else SPEECH
    return kinds


@dataclass
class Data:
    """Clips, encodings and sentences, each read once and shared by all trainings that ask for them."""

    _clips: dict[tuple[Any, ...], list[Clip]] = field(default_factory=dict)
    _encodings: dict[tuple[Any, ...], Encodings] = field(default_factory=dict)
    _waveforms: dict[tuple[Any, ...], Waveforms] = field(default_factory=dict)
    _banks: dict[tuple[str, str], SentenceBank] = field(default_factory=dict)
    _hashes: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @classmethod
    def load(cls, config: SystemConfig) -> Data:
        """All that a system needs, so that what is missing is said at once.

        Raises:
            SystemExit: a corpus or an encoding is missing; the message says how to make it.
        """
        data = cls()
        for split in SPLITS:
            data.parts(config, split)
        return data

    def clips(self, corpus: str, split: str, labels: tuple[str, ...]) -> list[Clip]:
        key = (corpus, split, labels)
        if key not in self._clips:
            self._clips[key] = clips_of(corpus, split, labels)
        return self._clips[key]

    def encodings(self, kind: str, corpus: str, split: str, labels: tuple[str, ...]) -> Encodings:
        key = (kind, corpus, split, labels)
        if key not in self._encodings:
            self._encodings[key] = load_encodings(kind, corpus, split, labels)
        return self._encodings[key]

    def bank(self, config: SystemConfig, split: str) -> SentenceBank | None:
        """The sentences for pseudo-pairs and for text alone, or None where a system needs none."""
        if not config.features.text or not (config.data.words == "pairs" or config.data.text_only):
            return None
        key = (config.features.text, split)
        if key not in self._banks:
            self._banks[key] = sentence_bank(*key)
        return self._banks[key]

    def parts(self, config: SystemConfig, split: str) -> list[Part]:
        """The clips of one split, a part a corpus in the configuration's order."""
        labels = config.data.labels
        bank = self.bank(config, split)
        paired = bank if config.data.words == "pairs" else None
        parts = []
        for corpus in config.data.corpora:
            clips = self.clips(corpus, split, labels)
            if not clips:
                raise SystemExit(f"{corpus} has no {split} clips with labels {', '.join(labels)}")
            key = (corpus, split, labels)
            nodes: dict[str, Nodes] = {}
            for modality, kind in kinds_of(config).items():
                if modality == "samples":
                    if key not in self._waveforms:
                        self._waveforms[key] = Waveforms(clips, self.encodings(SPEECH, *key))
                    nodes[modality] = self._waveforms[key]
                else:
                    layers = config.features.audio_layers if modality == "audio" else None
                    nodes[modality] = Encoded.of(self.encodings(kind, corpus, split, labels), layers)
            indices = np.array([labels.index(clip.label) for clip in clips], np.int64)
            fixed = None if paired is None or split == "train" else paired.fixed(clips)
            parts.append(Part(corpus, clips, labels, indices, shares_of(clips, labels), nodes, paired, fixed))
        return parts

    def widths(self, config: SystemConfig) -> tuple[int, int]:
        """(width of the audio encoder, width of the text encoder); 0 where a system has none."""
        audio = text = 0
        corpus, labels = config.data.corpora[0], config.data.labels
        for modality, kind in kinds_of(config).items():
            if modality in ("audio", "text"):
                width = int(self.encodings(kind, corpus, "train", labels).values.shape[-1])
                audio, text = (width, text) if modality == "audio" else (audio, width)
        bank = self.bank(config, "train")
        return audio, (text if bank is None else int(bank.tokens.shape[1]))

    def described(self, config: SystemConfig) -> dict[str, Any]:
        """Hashes of the clips (names, labels, speakers, words) and of the encodings, by corpus and split."""
        labels = config.data.labels
        found: dict[str, Any] = {}
        for corpus in config.data.corpora:
            for split in SPLITS:
                clips = self.clips(corpus, split, labels)
                entry: dict[str, Any] = {"clips": len(clips), "manifest": self._hashed((corpus, split, labels), clips)}
                for kind in kinds_of(config).values():
                    entry[kind] = self._hashed((kind, corpus, split, labels), self.encodings(kind, corpus, split, labels))
                found[f"{corpus}/{split}"] = entry
        for split in SPLITS:
            bank = self.bank(config, split)
            if bank is not None:
                found[f"sentences/{split}"] = {"sentences": len(bank), "tokens": _digest([bank.tokens.tobytes()])}
        return found

    def _hashed(self, key: tuple[Any, ...], content: list[Clip] | Encodings) -> str:
        if key not in self._hashes:
            if isinstance(content, list):
                rows = ("\t".join(("/".join(c.path.parts[-2:]), c.label, c.speaker, c.text, c.shares)) for c in content)
                self._hashes[key] = _digest(f"{row}\n".encode() for row in rows)
            else:
                self._hashes[key] = _encodings_digest(content)
        return self._hashes[key]


def shares_of(clips: Sequence[Clip], labels: Sequence[str]) -> np.ndarray:
    """float32 [clips, labels], rows sum to 1: the annotators' votes for these labels, one-hot where there are none."""
    shares = np.zeros((len(clips), len(labels)), np.float32)
    for row, clip in enumerate(clips):
        votes = parse_shares(clip.shares)
        for label, count in votes.items():
            counted = "neutral" if label == "calm" and "calm" not in labels else label
            if counted in labels:
                shares[row, labels.index(counted)] += count
        if not shares[row].sum():
            shares[row, labels.index(clip.label)] = 1
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def _digest(pieces: Any) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()[:16]


def _encodings_digest(encodings: Encodings) -> str:
    """Of the offsets and of evenly spaced pieces of the values."""
    flat = encodings.values.view(np.ndarray).reshape(-1).view(np.uint8)
    starts = np.linspace(0, max(0, len(flat) - PIECE), HASHED_PIECES).astype(int)
    return _digest([np.asarray(encodings.offsets).tobytes(), *(flat[start : start + PIECE].tobytes() for start in starts)])
