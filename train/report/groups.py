"""Groups of speakers, for fairness: by sex, by mean pitch, by language; and clips balanced between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamser.features.quantised_f0 import DEFAULT_PACK_F0
from train.features import Collection
from train.report.context import Context

FEW_OF_SPEAKER = 25  # clips, for a speaker's mean pitch
PITCH_HZ = (50.0, 350.0)  # clips with another mean are left out
LOW_HZ, MEDIUM_HZ = 145.0, 190.0  # up to which a speaker's pitch is low, is medium
LANGUAGES = {"ravdess": "en", "nemo": "pl", "banglaser": "bn", "indian_emospeech": "en/hi"} | {
    "ased": "am",
    "emodb_2s": "de",
    "turev": "tr",
    "korean_emotiontts": "ko",
}


@dataclass(frozen=True)
class Clips:
    """Decided clips of one corpus, arrays [n]: the truth, what is emitted, the group ("" is none) and the speaker."""

    corpus: str
    truth: np.ndarray
    decided: np.ndarray
    group: np.ndarray
    speaker: np.ndarray

    def of(self, rows: np.ndarray) -> Clips:
        return Clips(self.corpus, self.truth[rows], self.decided[rows], self.group[rows], self.speaker[rows])


def clips_by(
    context: Context,
    collection: Collection,
    grouping: Callable[[Context, Collection], np.ndarray],
    allowed: Sequence[int] | None = None,
) -> Clips:
    """The clips of a collection that hold speech, with their groups; decided among the allowed labels."""
    inputs, decisions = context.inputs(collection), context.emitted(collection)
    decided = decisions.labels(allowed)
    clips = Clips(collection.corpus, inputs.clip_label, decided, grouping(context, collection), inputs.clip_speaker)
    return clips.of(np.flatnonzero(decisions.found))


def language(context: Context, collection: Collection) -> np.ndarray:
    """By clip that of the corpus."""
    return np.full(len(context.inputs(collection).clip_label), LANGUAGES[collection.corpus])


def sex(context: Context, collection: Collection) -> np.ndarray:
    """By clip "female", "male", or "" where it is not told."""
    names = {"f": "female", "m": "male"}
    return np.array([names.get(str(gender), "") for gender in context.inputs(collection).clip_gender])


def pitch(context: Context, collection: Collection) -> np.ndarray:
    """By clip the group of its speaker's mean pitch, or "" where the speaker has too few clips."""
    inputs = context.inputs(collection)
    hertz = clip_pitch(inputs.arrays["pitch"], inputs.slices["pitch"], inputs.clip, inputs.heard, len(inputs.clip_label))
    usual = (hertz >= PITCH_HZ[0]) & (hertz <= PITCH_HZ[1])
    group = np.full(len(hertz), "", dtype="<U6")
    for speaker in np.unique(inputs.clip_speaker):
        rows = inputs.clip_speaker == speaker
        if (rows & usual).sum() > FEW_OF_SPEAKER:
            mean = hertz[rows & usual].mean()
            group[rows] = "low" if mean <= LOW_HZ else "medium" if mean <= MEDIUM_HZ else "high"
    return group


def clip_pitch(tokens: np.ndarray, slices: np.ndarray, clip: np.ndarray, heard: np.ndarray, clips: int) -> np.ndarray:
    """float64 [clips]: the mean F0 in Hz of the voiced nodes of every clip's fullest step; 0 without any."""
    found = np.zeros(clips)
    for row in np.argsort(heard, kind="stable"):
        hertz = DEFAULT_PACK_F0.decode(np.asarray(tokens[slice(*slices[row])]))
        if (hertz > 0).any():
            found[clip[row]] = float(hertz[hertz > 0].mean())
    return found


def balanced(clips: Clips) -> Clips:
    """As many clips of every label in every group as the smallest has, always the same ones."""
    chosen: list[int] = []
    groups = sorted(set(clips.group.tolist()) - {""})
    for label in np.unique(clips.truth):
        rows = [np.flatnonzero((clips.group == group) & (clips.truth == label)) for group in groups]
        count = min(map(len, rows), default=0)
        for found in rows:
            chosen += sorted(found.tolist(), key=lambda row: hashlib.sha256(f"{clips.corpus}/{row}".encode()).digest())[:count]
    return clips.of(np.array(sorted(chosen), int))
