"""Words of successive hypotheses: which are agreed, which may still change, and where the decoder goes on."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from streamser.clock import SAMPLE_RATE, to_samples
from streamser.features.whisper import FRAME, Word

CUT_MARGIN = to_samples(0.2)  # around the aligned end of a word, where the quietest moment is looked for
ENERGY_HOP = 160  # samples
QUIET_FRAMES = 8  # of 10 ms, over which a moment's quietness is taken
LEAST_WORDS = 3  # different ones, before words count: "No!" and "Go, go!" are said in every mood
SENTENCE_ENDS = tuple(".?!\u3002\uff1f\uff01\u0964")


@dataclass(frozen=True)
class Text:
    """The words of one utterance: those that will not change any more, and those that may. Words carry the space before them.

    heard_until: sample index up to which they were heard.
    """

    final: tuple[Word, ...] = ()
    open: tuple[Word, ...] = ()
    heard_until: int = 0
    language: str | None = None

    def final_part(self) -> str:
        return "".join(word.text for word in self.final).strip()

    def open_part(self) -> str:
        """With the space before it."""
        return "".join(word.text for word in self.open)

    def counted_part(self) -> str:
        """The words that may say something of emotion."""
        return counted((*self.final, *self.open))


@dataclass
class RunText:
    """What is known of the words of one stretch of speech without a pause; times in seconds since the stream's start.

    settled: committed, and behind the decoder. committed, pending: of the open stretch, which begins at sample `anchor`.
    """

    anchor: int
    settled: list[Word] = field(default_factory=list)
    committed: list[Word] = field(default_factory=list)
    pending: list[Word] = field(default_factory=list)
    heard_until: int = 0
    language: str | None = None
    sure_language: str | None = None  # what its open hypotheses need not detect again

    def agree(self, words: list[Word], heard_until: int, language: str) -> None:
        """Commit what this hypothesis and the last begin with alike; committed words stay as they are."""
        agreed = 0
        for old, new in zip([*self.committed, *self.pending], words, strict=False):
            if plain(old.text) != plain(new.text):
                break
            agreed += 1
        self.committed += words[len(self.committed) : agreed]
        self.pending = words[len(self.committed) :]
        self.heard_until = heard_until
        self.language = language

    def commit_all(self) -> None:
        self.committed, self.pending = [*self.committed, *self.pending], []

    def sentence_end(self) -> int:
        """How many committed words the last whole sentence ends behind; 0 without one."""
        return max((i for i, word in enumerate(self.committed, 1) if word.text.rstrip().endswith(SENTENCE_ENDS)), default=0)

    def settle(self, count: int, anchor: int) -> None:
        """Put the first `count` committed words behind the decoder, which goes on at `anchor`."""
        self.settled += self.committed[:count]
        del self.committed[:count]
        self.anchor = anchor

    def replace_from(self, anchor: int, words: list[Word]) -> None:
        """The last hypothesis of all, heard from `anchor` on: it stands for everything spoken after that."""
        self.settled = [word for word in self.settled if _middle(word) < anchor] + words
        self.committed, self.pending = [], []

    def forget_before(self, sample: int) -> None:
        """Drop what was settled before a sample index: the words of utterances that are over."""
        self.settled = [word for word in self.settled if _middle(word) >= sample]

    def between(self, start: int | None, end: int | None) -> Text:
        """The words spoken between two sample indices, None being open."""

        def within(words: list[Word]) -> tuple[Word, ...]:
            return tuple(
                word for word in words if (start is None or _middle(word) >= start) and (end is None or _middle(word) < end)
            )

        return Text(within([*self.settled, *self.committed]), within(self.pending), self.heard_until, self.language)


def quietest_near(samples: np.ndarray, position: int) -> int:
    """The quietest moment, on a grid of 20 ms, within `CUT_MARGIN` of a position in float32 [n]."""
    first, last = max(position - CUT_MARGIN, 0), min(position + CUT_MARGIN, len(samples))
    frames = samples[first : first + (last - first) // ENERGY_HOP * ENERGY_HOP].reshape(-1, ENERGY_HOP)
    if len(frames) < QUIET_FRAMES:
        return min(position, len(samples)) // FRAME * FRAME
    energy = np.convolve((frames**2).sum(axis=1), np.ones(QUIET_FRAMES), mode="valid")
    return (first + int(np.argmin(energy)) * ENERGY_HOP + QUIET_FRAMES * ENERGY_HOP // 2) // FRAME * FRAME


def counted(words: Iterable[Word]) -> str:
    """Those words that may say something of emotion: the recogniser does not doubt them, and there are more than a call or two."""
    sure = [word for word in words if not word.doubted]
    different = {plain(word.text) for word in sure} - {""}
    return "".join(word.text for word in sure).strip() if len(different) >= LEAST_WORDS else ""


def plain(word: str) -> str:
    """A word without case, space and punctuation, for comparison."""
    return "".join(c for c in word.casefold() if unicodedata.category(c)[0] in "LNM")


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2 * SAMPLE_RATE
