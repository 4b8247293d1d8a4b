"""Word error rates of the streamed transcript on real spoken clips, in the languages that are written in Latin script."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import jiwer
import numpy as np
import pytest
from num2words import num2words
from whisper_normalizer.basic import BasicTextNormalizer

from streamser import Recognizer
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.events import UtteranceEvent

SAMPLES = files("pytest_audioeval") / "samples" / "audio"
LANGUAGES = ("en", "es", "fr", "it", "pl", "pt")
MAX_ERROR_RATE = 0.12  # of one language's three clips together, on the multilingual base size


@cache
def recognizer() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


def plain(text: str, language: str) -> str:
    spelt = re.sub(r"\d+", lambda number: f" {num2words(int(number[0]), lang=language)} ", text)
    return " ".join(BasicTextNormalizer(remove_diacritics=True)(spelt).split())


def streamed(path: Path, language: str) -> list[UtteranceEvent]:
    stream = recognizer().stream(language=language)
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])
    return [event for event in stream.feed(samples) + stream.finish() if isinstance(event, UtteranceEvent)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_heard(language: str) -> None:
    references, hypotheses = [], []
    for path in sorted(Path(str(SAMPLES / language)).glob("*.wav")):
        references.append(plain(path.with_suffix(".txt").read_text(), language))
        hypotheses.append(plain(" ".join(event.text for event in streamed(path, language)), language))
    assert len(references) == 3
    assert jiwer.wer(references, hypotheses) <= MAX_ERROR_RATE, list(zip(references, hypotheses, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_is_recognised(language: str) -> None:
    clips = sorted(Path(str(SAMPLES / language)).glob("*.wav"))
    found = [event.language for path in clips for event in streamed(path, "auto")]
    assert found.count(language) >= 0.6 * len(found), found
