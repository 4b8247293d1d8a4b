"""What is true of a composed stream: when which emotion is spoken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.timeline.plans import Place, Plan
from streamser.clock import to_samples

LONGEST_GAP = to_samples(0.35)  # within one emotion; more is a silence


@dataclass(frozen=True)
class Stretch:
    """Samples [start, end) of one emotion, from the beginning of its first clip to the end of its last; pauses within it count."""

    start: int
    end: int
    label: str
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Truth:
    """length: samples. stretches: each of another emotion than the one before. clips: int64 [n, 2], where speech lies.

    labels: of the clips.
    """

    length: int
    stretches: tuple[Stretch, ...]
    clips: np.ndarray
    labels: tuple[str, ...]

    @property
    def changes(self) -> int:
        return len(self.stretches) - 1

    def spoken(self, start: int, end: int) -> int:
        """Samples of speech within [start, end)."""
        return int(np.clip(np.minimum(self.clips[:, 1], end) - np.maximum(self.clips[:, 0], start), 0, None).sum())

    def without_silences(self) -> list[tuple[int, int, str]]:
        """The stretches, broken where nobody speaks for longer than a gap: start, end, label."""
        found: list[tuple[int, int, str]] = []
        for stretch in self.stretches:
            start = stretch.start
            for place, following in zip(stretch.places, stretch.places[1:], strict=False):
                if following.at - place.end > LONGEST_GAP:
                    found.append((start, place.end, stretch.label))
                    start = following.at
            found.append((start, stretch.end, stretch.label))
        return found


def truth_of(plan: Plan) -> Truth:
    groups: list[list[Place]] = []
    for place in plan.places:
        if groups and groups[-1][0].label == place.label:
            groups[-1].append(place)
        else:
            groups.append([place])
    stretches = tuple(Stretch(group[0].at, group[-1].end, group[0].label, tuple(group)) for group in groups)
    clips = np.array([(place.at, place.end) for place in plan.places], np.int64)
    return Truth(plan.length, stretches, clips, tuple(place.label for place in plan.places))
