"""Whisper's decoder, greedy: what it attends to is projected once, and serves the language, the words and their times.

Keys and values of the encoder's states are a linear map of each frame alone. So those of silence, which follow a stretch's own
up to 30 s, stay where they are, and a decoding only writes its own frames over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from streamser.features.alignment import token_starts
from streamser.features.whisper_tokens import Vocabulary
from streamser.packs.whisper import GRAPH_FILES
from streamser.sessions import open_session

FRAME_SECONDS = 0.02
LONGEST_KEPT = 600  # frames; a memory that held a longer stretch, which a transcript hardly has, is made anew


@dataclass(frozen=True)
class Written:
    """Text tokens; their mean log probability, with that of the end; the probability that nobody speaks; whether it ended."""

    tokens: list[int]
    log_probability: float
    no_speech: float
    ended: bool


@dataclass(frozen=True)
class Spoken:
    """A word with the space before it, when it was spoken (seconds from the stretch's start), and its tokens' mean probability."""

    text: str
    start: float
    end: float
    probability: float


class Decoder:
    """The graphs and the vocabulary; safe to call from several threads, each of which decodes with a memory of its own."""

    device = "cpu"

    def __init__(self, folder: Path, silence: np.ndarray) -> None:
        """silence: the encoder's states of as much of it as is attended to at most, float32 [frames, width]."""
        self.vocabulary = Vocabulary(folder)
        self._cross, self.session = (open_session(folder / name) for name in GRAPH_FILES[2:])
        blocks, heads, _, width = next(entry.shape for entry in self.session.get_inputs() if entry.name == "past")
        self.nothing = np.zeros((blocks, heads, 0, width), np.float32)
        self._memories = [output.name for output in self._cross.get_outputs()]
        self._silence = silence
        self._short_silence = self._projected(silence[:LONGEST_KEPT])
        self._free: SimpleQueue[_Memory] = SimpleQueue()

    @property
    def languages(self) -> tuple[str, ...]:
        return self.vocabulary.languages

    @contextmanager
    def listen(self, states: np.ndarray) -> Iterator[Listening]:
        """Decode a stretch by its encoder states float32 [T, width]."""
        try:
            memory = self._free.get_nowait()
        except Empty:
            memory = _Memory(self._projected(self._silence), self._short_silence)
        try:
            memory.write(self._projected(states), len(states))
            yield Listening(self, memory.arrays, len(states))
        finally:
            if len(states) <= LONGEST_KEPT:
                self._free.put(memory)

    def _projected(self, states: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._memories, self._cross.run(self._memories, {"last": states}), strict=True))


class Listening:
    """One decoding: the tokens fed so far, as keys and values, and what they attended to in the stretch's own frames."""

    def __init__(self, decoder: Decoder, memory: dict[str, np.ndarray], frames: int) -> None:
        """memory: every block's keys float32 [heads, 64, all frames] and values [heads, all frames, 64], by name."""
        self._decoder = decoder
        self._vocabulary = decoder.vocabulary
        self._memory = memory
        self._frames = frames
        self._past = decoder.nothing
        self._attention: list[np.ndarray] = []
        self._probabilities: list[float] = []  # of the tokens written, among all that are text
        self._begun = self._feed(self._vocabulary.begin)
        self._asked: np.ndarray | None = None

    def language_log_probabilities(self) -> dict[str, float]:
        """Of every language, from the sound alone."""
        found = _log_softmax(self._begun[self._vocabulary.language_ids])
        return dict(zip(self._vocabulary.languages, map(float, found), strict=True))

    def write(self, language: str, limit: int, penalty: float) -> Written:
        """The likeliest token after the other until the end, at most `limit`; penalty: for tokens that were written before."""
        task = self._vocabulary.task(language)
        if self._asked is None:
            self._asked = [self._feed(mark) for mark in task][-1]
        self._forget(1 + len(task))
        tokens: list[int] = []
        logits, total = self._asked, 0.0
        no_speech = float(np.exp(_log_softmax(self._begun)[self._vocabulary.no_speech]))
        self._probabilities = []
        while len(tokens) < limit:
            allowed = self._allowed(logits, tokens, penalty)
            token = int(np.argmax(allowed))
            total += float(_log_softmax(allowed)[token])
            if token == self._vocabulary.end:
                break
            self._probabilities.append(float(np.exp(_log_softmax(logits[: self._vocabulary.end])[token])))
            tokens.append(token)
            logits = self._feed(token)
        return Written(tokens, total / max(len(tokens), 1), no_speech, len(tokens) < limit)

    def words(self, tokens: Sequence[int], language: str) -> list[Spoken]:
        """The words of what was last written, with their times."""
        before = len(self._vocabulary.task(language))  # the last mark of the prompt predicts the first token
        starts = token_starts(np.concatenate(self._attention, axis=1), before) * FRAME_SECONDS
        words, first = [], 0
        for text, count in self._vocabulary.words(tokens, language):
            last = first + count
            probability = float(np.mean(self._probabilities[first:last]))
            words.append(Spoken(text, float(starts[first]), float(starts[last]), probability))
            first = last
        return words

    def _allowed(self, logits: np.ndarray, written: list[int], penalty: float) -> np.ndarray:
        logits = logits.copy()
        if penalty != 1.0:
            again = logits[written]
            logits[written] = np.where(again < 0, again * penalty, again / penalty)
        logits[self._vocabulary.never] = -np.inf
        logits[self._vocabulary.end + 1 :] = -np.inf  # marks, a language's among them, that `never` may leave out
        if not written:
            logits[self._vocabulary.not_first] = -np.inf
        return logits

    def _feed(self, token: int) -> np.ndarray:
        """The logits float32 [vocabulary] of what follows this token."""
        inputs = {"token": np.array([token], np.int64), "past": self._past, **self._memory}
        logits, self._past, attention = self._decoder.session.run(["logits", "present", "attention"], inputs)
        self._attention.append(attention[:, :, : self._frames].copy())  # or the rest is kept as well
        return np.asarray(logits)

    def _forget(self, count: int) -> None:
        """All but the first `count` tokens."""
        self._past = self._past[:, :, :count]
        self._attention = [np.concatenate(self._attention, axis=1)[:, :count]]


class _Memory:
    """Keys and values of all that is attended to, by name."""

    def __init__(self, arrays: dict[str, np.ndarray], silence: dict[str, np.ndarray]) -> None:
        """arrays: of silence alone, to be written over. silence: their first frames, to be put back."""
        self.arrays = arrays
        self._silence = silence
        self._own = 0

    def write(self, own: dict[str, np.ndarray], frames: int) -> None:
        """Put a stretch's own at the beginning, and silence where the one before was longer."""
        for name, array in self.arrays.items():
            whole, silence, new = (_frames_first(name, part) for part in (array, self._silence[name], own[name]))
            whole[:frames] = new
            whole[frames : self._own] = silence[frames : self._own]
        self._own = frames


def _frames_first(name: str, array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 2 if name.startswith("keys") else 1, 0)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
