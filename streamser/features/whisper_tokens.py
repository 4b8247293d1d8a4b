"""Whisper's vocabulary: the marks that begin a transcript, and which tokens make up a word."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

SPACELESS = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # written without spaces: a word is a character
_INCOMPLETE = "\ufffd"  # what bytes that are no whole character decode to


class Vocabulary:
    """Of one Whisper model, read from the `tokenizer.json` and `config.json` beside it."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text())
        self.language_ids = np.array(config["lang_ids"])
        self.never = np.array(config["suppress_ids"])  # tokens that are no speech, and marks
        self.not_first = np.array(config["suppress_ids_begin"])
        self.begin, self.end, self._transcribe, self._no_timestamps = (
            self._number(name) for name in ("startoftranscript", "endoftext", "transcribe", "notimestamps")
        )
        self.no_speech = self._number("nospeech", "nocaptions")

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The codes, in the order of `language_ids`."""
        return tuple((self._tokenizer.id_to_token(number) or "").strip("<|>") for number in self.language_ids.tolist())

    def task(self, language: str) -> list[int]:
        """What follows the first mark: the language, that it is to be written down, and without times."""
        return [self._number(language), self._transcribe, self._no_timestamps]

    def words(self, tokens: Sequence[int], language: str) -> list[tuple[str, int]]:
        """The words of text tokens with the space before them, and how many tokens each has."""
        words: list[tuple[str, int]] = []
        for text, count in self._characters(tokens):
            joins = words and not text.startswith(" ") and text.strip() not in string.punctuation
            if language in SPACELESS or not joins:
                words.append((text, count))
            else:
                words[-1] = (words[-1][0] + text, words[-1][1] + count)
        return words

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, int]]:
        """The smallest runs of tokens that are whole characters."""
        whole = self._tokenizer.decode(list(tokens))
        pieces: list[tuple[str, int]] = []
        length = begin = 0
        for end in range(1, len(tokens) + 1):
            text = self._tokenizer.decode(list(tokens[begin:end]))
            broken = text.find(_INCOMPLETE)
            if broken >= 0 and whole[length + broken : length + broken + 1] != _INCOMPLETE:
                continue  # the next token completes the character
            pieces.append((text, end - begin))
            length += len(text)
            begin = end
        return pieces

    def _number(self, *names: str) -> int:
        for name in names:
            number = self._tokenizer.token_to_id(f"<|{name}|>")
            if number is not None:
                return int(number)
        raise KeyError(f"Whisper's vocabulary lacks <|{names[0]}|>")
