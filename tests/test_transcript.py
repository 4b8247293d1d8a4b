"""Word error rates of the streamed transcript on real spoken clips, in the languages that are written in Latin script."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from faster_whisper import WhisperModel
from num2words import num2words
from whisper_normalizer.basic import BasicTextNormalizer

from streamser import Recognizer
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.events import UtteranceEvent
from streamser.features.whisper import Encoding, Hypothesis, Whisper
from streamser.packs.resolve import find_pack
from streamser.packs.whisper import resolve_whisper

SAMPLES = files("pytest_audioeval") / "samples" / "audio"
LANGUAGES = ("en", "es", "fr", "it", "pl", "pt")
MAX_COST = 0.05  # what streaming may add to the error rate of the same model on whole recordings, all languages together


@cache
def recognizer() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


@cache
def whole_model() -> Any:
    pack = find_pack("default", verify=False)
    folder = resolve_whisper(pack.whisper, pack.whisper_graphs)
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def plain(text: str, language: str) -> str:
    spelt = re.sub(r"\d+", lambda number: f" {num2words(int(number[0]), lang=language)} ", text)
    return " ".join(BasicTextNormalizer(remove_diacritics=True)(spelt).split())


def streamed(path: Path, language: str) -> list[UtteranceEvent]:
    stream = recognizer().stream(language=language)
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])
    return [event for event in stream.feed(samples) + stream.finish() if isinstance(event, UtteranceEvent)]


def clips(language: str) -> list[Path]:
    return sorted(Path(str(SAMPLES / language)).glob("*.wav"))


def reference(path: Path, language: str) -> str:
    return plain(path.with_suffix(".txt").read_text(), language)


def heard(path: Path, language: str) -> str:
    return plain(" ".join(event.text for event in streamed(path, language)), language)


def heard_whole(path: Path, language: str) -> str:
    """The whole recording at once, as faster-whisper does it, with the same weights."""
    segments, _ = whole_model().transcribe(str(path), language=language, beam_size=1, temperature=0)
    return plain(" ".join(segment.text for segment in segments), language)


def test_english_is_heard_word_for_word() -> None:
    for path in clips("en"):
        assert heard(path, "en") == reference(path, "en")


def test_streaming_costs_few_words() -> None:
    pairs = [(path, language) for language in LANGUAGES for path in clips(language)]
    assert len(pairs) == 3 * len(LANGUAGES)
    references = [reference(*pair) for pair in pairs]
    whole = jiwer.wer(references, [heard_whole(*pair) for pair in pairs])
    ours = [heard(*pair) for pair in pairs]
    assert jiwer.wer(references, ours) <= whole + MAX_COST, list(zip(references, ours, strict=True))


def test_the_language_is_recognised() -> None:
    found = [(language, event.language) for language in LANGUAGES for path in clips(language) for event in streamed(path, "auto")]
    right = sum(language == heard for language, heard in found)
    assert right >= 0.6 * len(found), found


def test_a_language_once_sure_is_not_asked_for_again_before_the_utterance_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    decode = Whisper.decode

    def noted(self: Whisper, encoding: Encoding, language: str | None, *rest: Any) -> Hypothesis:
        asked.append(language)
        return decode(self, encoding, language, *rest)

    monkeypatch.setattr(Whisper, "decode", noted)
    [path] = [path for path in clips("en") if path.stem == "quick_brown_fox"]
    utterances = streamed(path, "auto")
    assert {event.language for event in utterances} == {"en"}
    assert asked[0] is None
    assert asked.count("en") >= 1
    assert asked.count(None) == len(asked) - asked.count("en") >= len(utterances)  # the last word on each asks again
