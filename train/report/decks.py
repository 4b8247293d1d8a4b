"""What a stream plays: which clips of a speaker are heard before, which are judged after them, for every kind of stream.

A speaker's clips are dealt into two halves, evenly by label: what is judged never comes from the half that is heard. A half that
has been heard whole is heard again in another order: acted corpora have too few clips of one emotion for a minute of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from train.report.replay import Replay, Turn

KINDS = ("balanced", "80 % neutral", "one emotion", "two speakers")
LEAST_CLIPS, LEAST_LABELS = 12, 2  # of a speaker
LEAST_HEARD = 3  # different clips of a half, or nothing is learned of how the speaker sounds
NEUTRAL_OF_FIVE = 4

Half = dict[int, list[Turn]]  # by label


@dataclass(frozen=True)
class Speaker:
    """Clips with speech of one speaker: two halves."""

    corpus: str
    name: str
    halves: tuple[Half, Half]


@dataclass(frozen=True)
class Case:
    """A stream without an end, and the clips that are judged at several moments of it, of one speaker."""

    speaker: Speaker
    before: Iterator[Turn]
    targets: list[Turn]


def speakers_of(replay: Replay, collections: Sequence, seed: int = 0) -> list[Speaker]:
    """The speakers with clips enough, their clips dealt at random; collections are `train.features.Collection`."""
    found: dict[tuple[str, str], Half] = {}
    for collection in collections:
        inputs, rows = replay.context.inputs(collection), replay.rows(collection)
        for clip, (label, name) in enumerate(zip(inputs.clip_label.tolist(), inputs.clip_speaker.tolist(), strict=True)):
            if len(rows[clip]) and label >= 0:
                found.setdefault((collection.title, name), {}).setdefault(label, []).append(Turn(collection, clip))
    rng = np.random.default_rng(seed)
    speakers = []
    for (corpus, name), clips in sorted(found.items()):
        if len(clips) < LEAST_LABELS or sum(map(len, clips.values())) < LEAST_CLIPS:
            continue
        halves: tuple[Half, Half] = ({}, {})
        for number, label in enumerate(sorted(clips)):
            dealt = [clips[label][index] for index in rng.permutation(len(clips[label]))]
            for half in range(2):
                if dealt[half::2]:
                    halves[(half + number) % 2][label] = dealt[half::2]
        speakers.append(Speaker(corpus, name, halves))
    return speakers


def cases_of(kind: str, speakers: Sequence[Speaker], neutral: int, most: int, seed: int = 0) -> list[Case]:
    """The streams of one kind, two a speaker; of one emotion throughout, one for each emotion that a speaker has.

    Args:
        kind: of KINDS.
        speakers: those of one corpus that follow each other share a channel where the kind is two speakers.
        neutral: the number of that label.
        most: clips of one label to judge in a stream; shared by the emotions where the kind is one emotion.
        seed: of what is drawn.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    found = []
    for speaker in speakers:
        if kind == "one emotion":
            for number, label in enumerate(sorted({*speaker.halves[0], *speaker.halves[1]})):
                heard, judged = speaker.halves[number % 2], speaker.halves[1 - number % 2]
                if len(heard.get(label, [])) >= LEAST_HEARD:
                    found.append(Case(speaker, deck(heard[label], rng), some(judged, max(1, most // 4), rng)))
            continue
        for number in range(2):
            heard, judged = speaker.halves[number], speaker.halves[1 - number]
            before = _before(kind, speaker, heard, speakers, neutral, rng)
            if before is not None:
                found.append(Case(speaker, before, some(judged, most, rng)))
    return found


def _before(
    kind: str, speaker: Speaker, heard: Half, speakers: Sequence[Speaker], neutral: int, rng: np.random.Generator
) -> Iterator[Turn] | None:
    if sum(map(len, heard.values())) < LEAST_HEARD:
        return None
    if kind == "balanced":
        return balanced(heard, rng)
    if kind == "80 % neutral":
        enough = len(heard.get(neutral, [])) >= LEAST_HEARD - 1 and len(heard) > 1
        return mostly_neutral(heard, neutral, rng) if enough else None
    others = [other for other in speakers if other.corpus == speaker.corpus]
    partner = others[(others.index(speaker) + 1) % len(others)]
    if partner is speaker:
        return None
    return in_turn([balanced(heard, rng), balanced(partner.halves[0], rng)])


def deck(turns: Sequence[Turn], rng: np.random.Generator) -> Iterator[Turn]:
    """All turns in a random order, again and again."""
    while True:
        for index in rng.permutation(len(turns)):
            yield turns[index]


def balanced(half: Half, rng: np.random.Generator) -> Iterator[Turn]:
    """Every label once, in a random order, again and again."""
    decks = {label: deck(turns, rng) for label, turns in half.items()}
    while True:
        for label in rng.permutation(sorted(decks)).tolist():
            yield next(decks[label])


def mostly_neutral(half: Half, neutral: int, rng: np.random.Generator) -> Iterator[Turn]:
    """Of every five turns one that is not neutral."""
    ordinary = deck(half[neutral], rng)
    others = balanced({label: turns for label, turns in half.items() if label != neutral}, rng)
    while True:
        for place in rng.permutation(5).tolist():
            yield next(ordinary if place < NEUTRAL_OF_FIVE else others)


def in_turn(streams: Sequence[Iterator[Turn]]) -> Iterator[Turn]:
    """One of each, again and again."""
    while True:
        for stream in streams:
            yield next(stream)


def some(half: Half, most: int, rng: np.random.Generator) -> list[Turn]:
    """At most so many clips of every label."""
    return [half[label][index] for label in sorted(half) for index in rng.permutation(len(half[label]))[:most].tolist()]
