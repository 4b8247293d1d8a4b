"""The speech of clips: where it begins and ends, how loud it is, and how loud what is behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from streamser.clock import to_samples
from streamser.features.voice_activity import FRAME, VoiceActivityDetector
from train.corpora import Clip, read_audio, read_split
from train.report.perturbations import power

SPEECH, MARGIN = 0.35, to_samples(0.05)  # the detector's probability, and what is kept before and after
FLOOR = 0.1  # the share of the speech's frames that are taken for its pauses
MOST = 30  # clips of one speaker and label, by the hash of their names
LEAST = to_samples(3.0)  # speech of one speaker and label, or it makes no segment

Voice = dict[str, "list[Part]"]  # of one speaker, by label


@dataclass(frozen=True)
class Part:
    """Samples [first, last) of a clip, which hold its speech. voice: mean power of the speech; floor: of its pauses."""

    clip: Clip
    first: int
    last: int
    voice: float
    floor: float

    @property
    def length(self) -> int:
        return self.last - self.first


def voices_of(corpus: str, split: str) -> list[Voice]:
    """By speaker, in order of name, the parts of each label that they have enough of; speakers with two labels or more."""
    clips: dict[str, dict[str, list[Clip]]] = {}
    for clip in sorted(read_split(corpus, split), key=lambda clip: hashlib.sha256(clip.path.name.encode()).digest()):
        of_label = clips.setdefault(clip.speaker, {}).setdefault(clip.label, [])
        if len(of_label) < MOST:
            of_label.append(clip)
    voices = []
    for _, labels in sorted(clips.items()):
        parts = {label: [part for clip in some if (part := speech_of(clip))] for label, some in sorted(labels.items())}
        enough = {label: some for label, some in parts.items() if sum(part.length for part in some) >= LEAST}
        if len(enough) >= 2:
            voices.append(enough)
    return voices


def speech_of(clip: Clip) -> Part | None:
    """None where the detector hears none."""
    samples = read_audio(clip.path)
    probability = _detector().stream().feed(np.pad(samples, (0, -len(samples) % FRAME))).probability
    speech = np.flatnonzero(probability >= SPEECH)
    if not len(speech):
        return None
    first = max(int(speech[0]) * FRAME - MARGIN, 0)
    last = min((int(speech[-1]) + 1) * FRAME + MARGIN, len(samples))
    spoken = samples[first:last]
    frames = spoken[: len(spoken) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME)
    return Part(clip, first, last, power(spoken), float(np.quantile(np.mean(frames**2, axis=1), FLOOR)))


@cache
def _detector() -> VoiceActivityDetector:
    return VoiceActivityDetector.load()
