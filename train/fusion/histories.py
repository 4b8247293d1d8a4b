"""What the fusion remembers of a voice, in training: random histories of the same speaker in the same session.

The runtime's history (`streamser.speaker_history`) is a weighted mean of the statistics of earlier utterances, of their squares,
and the seconds of evidence; utterances that seem neutral weigh more. Here earlier utterances are drawn from a session's
other clips, 0 to 120 s of them, in mixes that a stream may meet, some of them unfortunate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.fusion.inputs import Inputs

FLOOR = 0.25  # weight of an utterance that does not seem neutral at all
LONGEST = 120.0  # seconds of evidence
MIXES = {"none": 0.35, "any": 0.27, "mostly neutral": 0.23, "one": 0.15}
NEUTRAL_SHARE = 0.8  # of a mostly neutral history
MOST_CLIPS = 40
# How neutral clips seem to a fair recogniser (Beta parameters), by what they are: it is not taken from labels at run time.
SEEMS_NEUTRAL = {"neutral": (2.0, 1.5), "sadness": (0.9, 2.7), "": (0.6, 3.4)}


@dataclass(frozen=True)
class Histories:
    """The clips of one collection as a history sees them.

    statistics: float32 [clips, D]; seconds: float [clips] of speech heard; 0 for a clip without any.
    """

    statistics: np.ndarray
    seconds: np.ndarray
    label: np.ndarray
    session: np.ndarray
    neutral: int
    names: tuple[str, ...]

    def draw(self, clip: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
        """(mean, square, seconds of evidence) of a random history for a clip; zeros where there is none."""
        mix = str(rng.choice(list(MIXES), p=list(MIXES.values())))
        others = np.flatnonzero((self.session == self.session[clip]) & (self.seconds > 0))
        others = others[others != clip]
        if mix == "none" or not len(others):
            return nothing(self.statistics.shape[1])
        if mix == "one":
            others = others[self.label[others] == self.label[rng.choice(others)]]
        count = min(MOST_CLIPS, max(1, round(np.exp(rng.uniform(0, np.log(MOST_CLIPS))))))
        neutral, rest = others[self.label[others] == self.neutral], others[self.label[others] != self.neutral]
        if mix == "mostly neutral" and len(neutral) and len(rest):
            chosen = np.where(rng.random(count) < NEUTRAL_SHARE, rng.choice(neutral, count), rng.choice(rest, count))
        else:
            chosen = rng.choice(others, count)
        chosen = np.unique(chosen)
        seems = np.array([rng.beta(*SEEMS_NEUTRAL.get(self.names[self.label[index]], SEEMS_NEUTRAL[""])) for index in chosen])
        return moments(self.statistics[chosen], self.seconds[chosen] * (FLOOR + (1 - FLOOR) * seems))


def nothing(width: int) -> tuple[np.ndarray, np.ndarray, float]:
    return np.zeros(width, np.float32), np.zeros(width, np.float32), 0.0


def moments(statistics: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Weighted mean, mean of squares, and the evidence, at most LONGEST."""
    shares = (weights / weights.sum()).astype(np.float32)
    return shares @ statistics, shares @ statistics**2, float(min(weights.sum(), LONGEST))


def histories_of(part: Inputs, mean: np.ndarray, scale: np.ndarray) -> Histories:
    """The clips of a collection, each by the window that heard most of it.

    Args:
        part: its rows.
        mean: float32 [layers, width], of the nodes.
        scale: the same of their deviation, see `train.fusion.members.standardise`.
    """
    clips, labels = len(part.clip_label), part.collection.labels
    statistics, seconds = np.zeros((clips, 2 * mean.size), np.float32), np.zeros(clips)
    for row in part.longest_rows:
        clip = part.clip[row]
        nodes = np.asarray(part.arrays["whisper"][slice(*part.slices["whisper"][row])], np.float32)
        if len(nodes):
            statistics[clip] = statistics_of(nodes, mean, scale)
            seconds[clip] = part.heard[row]
    neutral = labels.index("neutral") if "neutral" in labels else -1
    return Histories(statistics, seconds, part.clip_label, part.clip_session, neutral, labels)


def statistics_of(nodes: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """What `train.fusion.mdat.WhisperNodes` makes of one window's nodes, float32 [n, layers, width] -> [2 * layers * width]."""
    from train.fusion.mdat import CLAMP, LEAST_VARIANCE, TYPICAL_DEVIATION

    flat = np.clip((nodes - mean) / scale, -CLAMP, CLAMP).reshape(len(nodes), -1)
    average = flat.mean(0)
    variance = np.maximum((flat * flat).mean(0) - average * average, LEAST_VARIANCE)
    return np.concatenate([average, np.sqrt(variance) - TYPICAL_DEVIATION]).astype(np.float32)
