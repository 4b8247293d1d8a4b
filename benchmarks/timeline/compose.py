"""Draws streams from the clips of speakers, from a fixed seed: segments of one emotion, joined so that no join betrays itself.

As many boundaries between segments change the emotion as keep it, and all gaps are drawn alike, within a segment too: neither a
gap, nor the room, nor a speaker's level tells a change from a join.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from benchmarks.timeline.parts import Part, Voice, voices_of
from benchmarks.timeline.plans import VARIANTS, Place, Plan
from streamser.clock import SAMPLE_RATE, to_samples
from train.corpora import TRAINING_CORPORA, data_root
from train.pitch.noise import is_held_out

SEED = 6
SEGMENTS = 10  # of a stream
ROUNDS = {"validation": 2, "test": 1}  # every one draws as many streams again
STREAMS = {  # of a corpus and a round, at most two of the same speakers
    "validation": {"clean": 4, "noisy": 2, "silences": 2, "two speakers": 1},
    "test": {"clean": 4, "noisy": 2, "silences": 2, "two speakers": 2},
}
SEGMENT = (3.0, 12.0)  # seconds
STRETCH = 30.0  # the longest of one emotion
GAP = (0.0, 0.3)
PAUSE = (1.0, 6.0)  # in place of a gap, after half of the segments of the variant with silences
LEAD = to_samples(1.0)  # the room alone at the beginning and the end
VOICE_DB = -26.0  # of every speaker, by one gain
BED_DB = (-60.0, -46.0)  # the room is as loud as the pauses within the speaker's clips, within these bounds
SNR_DB = (5.0, 15.0)
NOISES = (("cafe",), ("street",), ("train",), ("noise", "traffic", "fridge"))  # files of one beginning, or alike


def compose(split: str) -> list[Plan]:
    """All streams of a split (validation or test), from the fixed seed."""
    plans = []
    for number, corpus in enumerate(TRAINING_CORPORA):
        voices = voices_of(corpus, split)
        for round_number in range(ROUNDS[split]):
            plans += _round(corpus, split, round_number, voices, np.random.default_rng([SEED + round_number, number, len(split)]))
    return plans


def _round(corpus: str, split: str, number: int, voices: list[Voice], rng: np.random.Generator) -> list[Plan]:
    plans = []
    for variant in VARIANTS:
        casts = [[voice] for voice in voices]
        if variant == "two speakers":
            casts = [list(pair) for pair in combinations(voices, 2) if len(set(pair[0]) & set(pair[1])) >= 2]
        order = rng.permutation(len(casts))
        streams = min(STREAMS[split][variant], 2 * len(casts))
        for index in range(streams):
            name = f"{corpus} {split} {variant} {number * streams + index + 1}"
            plans.append(_plan(name, (corpus, split, variant), casts[order[index % len(order)]], rng))
    return plans


def _plan(name: str, kind: tuple[str, str, str], voices: list[Voice], rng: np.random.Generator) -> Plan:
    """kind: corpus, split, variant."""
    corpus, split, variant = kind
    decks = [{label: _deck(parts, rng) for label, parts in voice.items()} for voice in voices]
    labels = sorted(set.intersection(*(set(voice) for voice in voices)))
    places: list[Place] = []
    at = LEAD
    speaker = 0
    for segment, (label, seconds) in enumerate(_segments(voices, labels, rng)):
        if segment and len(voices) > 1 and rng.random() < 0.5:
            speaker = 1 - speaker
        used: list[Part] = []
        start = at
        for part in decks[speaker][label]:
            length = at - start + part.length
            enough = places[-1].end - start >= to_samples(SEGMENT[0]) if used else False
            if enough and (length - part.length / 2 > to_samples(seconds) or length > to_samples(SEGMENT[1])):
                break
            if len(used) == len(voices[speaker][label]):
                break
            if part in used:
                continue
            path = part.clip.path.relative_to(data_root() / "corpora").as_posix()
            places.append(Place(path, part.first, part.last, at, label, part.clip.speaker, segment))
            used.append(part)
            at += part.length + to_samples(rng.uniform(*GAP))
        if variant == "silences" and rng.random() < 0.5:
            at = places[-1].end + to_samples(rng.uniform(*PAUSE))
    gains, floors = {}, []
    for voice in voices:
        parts = [part for some in voice.values() for part in some]
        gain = VOICE_DB - 10 * np.log10(np.median([part.voice for part in parts]))
        gains[parts[0].clip.speaker] = round(float(gain), 2)
        floors.append(gain + 10 * np.log10(np.median([part.floor for part in parts]) + 1e-12))
    noises: tuple[str, ...] = ()
    noise_db = 0.0
    if variant == "noisy":
        beginnings = NOISES[int(rng.integers(len(NOISES)))]
        files = sorted(path.name for path in (data_root() / "noise").glob("*.flac"))
        noises = tuple(name for name in files if name.startswith(beginnings) and is_held_out(name) == (split == "test"))
        noise_db = round(VOICE_DB - float(rng.uniform(*SNR_DB)), 2)
    return Plan(
        name=name,
        corpus=corpus,
        split=split,
        variant=variant,
        seed=int(rng.integers(2**31)),
        length=-(-(places[-1].end + LEAD) // SAMPLE_RATE) * SAMPLE_RATE,
        bed_db=round(float(np.clip(max(floors), *BED_DB)), 2),
        gains_db=gains,
        places=tuple(places),
        noises=noises,
        noise_db=noise_db,
    )


def _segments(voices: Sequence[Voice], labels: list[str], rng: np.random.Generator) -> list[tuple[str, float]]:
    """Label and seconds of each: as many changes as joins (one more of either, by chance, where their number is odd)."""
    changes = (SEGMENTS - 1 + int(rng.integers(2))) // 2
    boundaries = [True] * changes + [False] * (SEGMENTS - 1 - changes)
    while True:
        seconds = rng.uniform(*SEGMENT, SEGMENTS)
        order = [True, *rng.permutation(boundaries).tolist()]
        begins = np.cumsum(order)
        if max(np.bincount(begins, seconds)) <= STRETCH:
            break
    used = dict.fromkeys(labels, 0.0)
    found: list[tuple[str, float]] = []
    for change, length in zip(order, seconds.tolist(), strict=True):
        if change:
            others = [label for label in labels if not found or label != found[-1][0]]
            label = min(others, key=lambda name: used[name] + rng.uniform(0, 1))
        else:
            label = found[-1][0]
        most = min(sum(part.length for part in voice[label]) for voice in voices) / SAMPLE_RATE
        used[label] += min(length, most)
        found.append((label, min(length, most)))
    return found


def _deck(parts: list[Part], rng: np.random.Generator) -> Iterator[Part]:
    """All parts in a random order, then again in another: none comes again before all have come."""
    while True:
        for index in rng.permutation(len(parts)):
            yield parts[index]
