"""When tokens were spoken, and which tokens make up a word."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer
from tokenizers import Tokenizer as HuggingFaceTokenizer

from streamser.features.alignment import _first_columns, _median, token_starts
from streamser.features.whisper_tokens import Vocabulary
from streamser.packs.resolve import find_pack
from streamser.packs.whisper import resolve_whisper


@cache
def folder() -> Path:
    pack = find_pack("default")
    return resolve_whisper(pack.whisper, pack.whisper_graphs)


def cheapest(cost: np.ndarray) -> float:
    """Of all paths from the first cell to the last by steps right, down or both, tried one by one."""
    rows, columns = cost.shape
    best = np.full((rows, columns), np.inf)
    for row, column in product(range(rows), range(columns)):
        before = [best[row - r, column - c] for r, c in ((0, 1), (1, 0), (1, 1)) if row >= r and column >= c]
        best[row, column] = cost[row, column] + (min(before) if before else 0.0)
    return float(best[-1, -1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 1), (3, 3), (5, 40), (12, 9)])
def test_the_path_is_the_cheapest(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(sum(shape)).normal(size=shape)
    first = _first_columns(cost)
    assert first[0] == 0
    assert np.all(np.diff(first) >= 0)
    columns = shape[1]
    last = [*first[1:], columns - 1]
    # The step into a row goes down or to both: the row before ends at its first column, or just before it.
    choices = [(end, max(end - 1, begin)) for begin, end in zip(first[:-1], last[:-1], strict=True)]
    paths = [
        sum(cost[row, first[row] : end + 1].sum() for row, end in enumerate([*ends, columns - 1])) for ends in product(*choices)
    ]
    assert min(paths) == pytest.approx(cheapest(cost))


def test_the_median_is_over_seven_frames_mirrored() -> None:
    values = np.array([[[3.0, 9.0, 1.0, 4.0, 7.0, 5.0, 2.0, 8.0]]])
    mirrored = np.array([4.0, 1.0, 9.0, *values[0, 0], 2.0, 5.0, 7.0])
    assert np.array_equal(_median(values)[0, 0], [np.median(mirrored[i : i + 7]) for i in range(8)])
    assert np.array_equal(_median(values[..., :3]), values[..., :3])


def test_tokens_are_found_where_their_heads_look() -> None:
    starts = [0, 10, 25, 40, 48]
    scores = np.random.default_rng(0).normal(0, 0.1, (3, 6, 60)).astype(np.float32)  # a mark, four tokens, the end
    for row, (begin, end) in enumerate(zip(starts, [*starts[1:], 60], strict=True)):
        scores[:, row + 1, begin:end] += 4.0
    assert np.abs(token_starts(scores, 1) - starts).max() <= 2


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", " Well, that's 3.5 % - isn't it?"),
        ("pl", " Żółć, źdźbło i gęś."),
        ("de", " »Größe«, sagte er…"),
        ("ja", "東京は、とても大きいです。"),
        ("zh", "你好,世界!"),
        ("en", " I am 😀 glad 👍🏽!"),
        ("hi", " नमस्ते दुनिया।"),
    ],
)
def test_words_are_those_of_faster_whisper(language: str, text: str) -> None:
    tokenizer = HuggingFaceTokenizer.from_file(str(folder() / "tokenizer.json"))
    theirs = Tokenizer(tokenizer, True, task="transcribe", language=language)
    tokens = theirs.encode(text)
    words, parts = theirs.split_to_word_tokens([*tokens, theirs.eot])
    found = Vocabulary(folder()).words(tokens, language)
    assert found == list(zip(words[:-1], map(len, parts[:-1]), strict=True))
    assert "".join(word for word, _ in found) == text


def test_the_vocabulary_is_faster_whispers() -> None:
    theirs = Tokenizer(HuggingFaceTokenizer.from_file(str(folder() / "tokenizer.json")), True, task="transcribe", language="fr")
    ours = Vocabulary(folder())
    assert [ours.begin, *ours.task("fr")] == [*theirs.sot_sequence, theirs.no_timestamps]
    assert (ours.end, ours.no_speech) == (theirs.eot, theirs.no_speech)
    assert len(ours.languages) == len(ours.language_ids) == 99
    assert {"en", "pl", "haw", "jw"} <= set(ours.languages)
