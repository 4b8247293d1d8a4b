"""The text network at its seam: what it refuses, what it bounds, and that it hears the plainest of words."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import streamser.packs
from streamser.errors import PackError
from streamser.features.text import MAX_TOKENS, WIDTH, TextEncoder, normalise_text

PACK = Path(streamser.packs.__file__).with_name("default")
LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load(PACK)


def test_shapes_and_types(encoder: TextEncoder) -> None:
    features = encoder.encode("Good morning, the train leaves at nine.", "en")
    assert features.tokens.dtype == np.float32
    assert features.tokens.shape[1] == WIDTH
    assert 10 <= len(features.tokens) <= 14  # eight words, two marks of punctuation, two that frame the text
    assert features.probabilities is not None
    assert features.probabilities.shape == (len(LABELS),)
    assert features.probabilities.dtype == np.float32
    assert features.probabilities.min() >= 0
    assert features.probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        (" \n\t ", "en"),
        ("... !? 42", "en"),
        ("\U0001f600 \U0001f621", "en"),
        ("我很高兴见到你", "en"),
        ("я очень рад тебя видеть", "en"),
        ("Ich bin so wütend auf dich", "de"),
        ("I am so happy", None),
        ("I am so happy", "fr"),
    ],
)
def test_unusable_text_has_no_features(encoder: TextEncoder, text: str, language: str | None) -> None:
    features = encoder.encode(text, language)
    assert features.tokens.shape == (0, WIDTH)
    assert features.probabilities is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so happy for you, this is wonderful!", "happiness"),
        ("i love it so much thank you", "happiness"),
        ("I'm so angry right now, I hate you!", "anger"),
        ("I miss her so much, I have been crying all day.", "sadness"),
        ("I'm scared, I'm really scared that he will hurt us.", "fear"),
        ("Wow, I can't believe it, what a surprise!", "surprise"),
        ("That is disgusting, it makes me sick, gross.", "disgust"),
        ("The meeting is on Tuesday at ten.", "neutral"),
    ],
)
def test_plain_words_get_their_label(encoder: TextEncoder, text: str, label: str) -> None:
    probabilities = encoder.encode(text, "en").probabilities
    assert probabilities is not None
    assert LABELS[int(probabilities.argmax())] == label


def test_long_text_keeps_its_end(encoder: TextEncoder) -> None:
    ending = "I am so happy, this is the best day of my life, thank you all! " * 8
    long = encoder.encode("I hate you. " * 3000 + ending, "en")
    assert len(long.tokens) == MAX_TOKENS
    assert long.probabilities is not None
    assert LABELS[int(long.probabilities.argmax())] == "happiness"
    np.testing.assert_array_equal(long.tokens, encoder.encode("You are awful. " * 3000 + ending, "en").tokens)


def test_no_spaces_at_all_is_bounded(encoder: TextEncoder) -> None:
    assert len(encoder.encode("a" * 1_000_000, "en").tokens) <= MAX_TOKENS


def test_words_decide_not_their_typing(encoder: TextEncoder) -> None:
    plain = encoder.encode('don\'t say "never" - please', "en").tokens
    np.testing.assert_array_equal(encoder.encode("Don\u2019t  say \u201cnever\u201d \u2013 please ", "en").tokens, plain)
    assert normalise_text("it\u2019s \n fine") == "it's fine"


def test_alike_in_every_call_and_thread(encoder: TextEncoder) -> None:
    texts = [f"I have told you {count} times, stop it!" for count in range(12)]
    alone = [encoder.encode(text, "en").tokens for text in texts]
    together: dict[int, np.ndarray] = {}

    def work(first: int) -> None:
        for number in range(first, len(texts), 4):
            together[number] = encoder.encode(texts[number], "en").tokens

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, tokens in enumerate(alone):
        np.testing.assert_array_equal(together[number], tokens)


def test_missing_and_wrong_files_are_pack_errors(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"text\.onnx"):
        TextEncoder.load(tmp_path)
    (tmp_path / "text.onnx").write_bytes(b"")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PackError, match=r"tokenizer\.json"):
        TextEncoder.load(tmp_path)
