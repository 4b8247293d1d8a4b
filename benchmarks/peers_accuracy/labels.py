"""What other systems answer, in our labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

SEVEN = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
# Of SenseVoice's seven emotions its makers score these alone, and call the others weaker (SenseVoice issues 31 and 188).
FOUR = ("neutral", "anger", "happiness", "sadness")
NAMES = {
    "neutral": "neutral",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}
TAG = re.compile(r"<\|([^|]+)\|>")
UNKNOWN_TAGS = ("EMO_UNKNOWN", "EMO_UNK", "SPECIAL_TOKEN_1")


class UnexpectedAnswerError(Exception):
    """An answer of another form than the documented one."""


def our_label(name: str) -> str | None:
    """Ours for one of theirs, "生气/angry" or "ANGRY"; None for `other`, `unknown` and anything else."""
    return NAMES.get(name.rpartition("/")[2].strip().lower())


def among(names: Sequence[str], scores: Sequence[float], wanted: Sequence[str]) -> np.ndarray:
    """The scores of the wanted labels, renormalised: float64 [wanted], all 0 where all was given to other labels.

    Args:
        names, scores: all of theirs, as emotion2vec+ gives them.

    Raises:
        UnexpectedAnswerError: a wanted label has no score.
    """
    given = {our_label(name): float(score) for name, score in zip(names, scores, strict=True)}
    missing = [label for label in wanted if label not in given]
    if missing:
        raise UnexpectedAnswerError(f"it gives no score for {', '.join(missing)} (only for {', '.join(names) or 'nothing'})")
    found = np.array([given[label] for label in wanted])
    total = found.sum()
    return found / total if total > 0 else found


def likeliest(shares: np.ndarray, wanted: Sequence[str]) -> str | None:
    """The label with the largest share; None where all are 0."""
    return wanted[int(shares.argmax())] if shares.any() else None


def emotion_tag(text: str) -> str:
    """SenseVoice's emotion in its rich transcription: "<|en|><|HAPPY|><|Speech|><|woitn|>hello" says HAPPY.

    Of several (one a segment) the first counts. "" where there is none: neither an emotion's tag nor one for unknown.
    """
    for tag in TAG.findall(text):
        if tag in UNKNOWN_TAGS or our_label(tag):
            return str(tag)
    return ""
