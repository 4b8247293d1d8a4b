"""What an enrolment is worth: RAVDESS's unseen actors, known by one repetition's neutral and calm clips, heard in the other's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamser.enrolment import LEAST as LEAST_ENROLMENT
from streamser.enrolment import ONE_VOICE
from streamser.speaker_history import SpeakerStatistics, Voices
from train.corpora import LABELS
from train.features import Collection
from train.metrics import macro_f1
from train.report.context import Context
from train.report.paired import Answers, compare
from train.report.replay import Replay, Turn
from train.report.streams import difference, label_of, points, verdict

ACTORS = (Collection("ravdess", "validation"), Collection("ravdess", "test"))
REPETITIONS = ("01", "02")
BAR = 0.03


def figures(context: Context, collections: Sequence[Collection] = ACTORS) -> dict[str, Any]:
    """Macro-F1 over the seven labels of the same clips without and with the enrolment, for both repetitions and together."""
    if not context.remembers:
        return {"left_out": "no histories are made with this graph"}
    replay = Replay(context)
    parts: list[Answers] = []
    seconds: list[float] = []
    for enrolled_on, tested_on in (REPETITIONS, REPETITIONS[::-1]):
        ordinary, judged = by_actor(replay, collections, enrolled_on, True), by_actor(replay, collections, tested_on, False)
        known = {actor: enrol(replay, turns) for actor, turns in ordinary.items()}
        targets = [(actor, turn) for actor, turns in judged.items() if known.get(actor) is not None for turn in turns]
        if not targets:
            raise SystemExit(f"no actor has {LEAST_ENROLMENT:g} s of neutral and calm speech in repetition {enrolled_on}")
        turns = [turn for _, turn in targets]
        streams = {actor: replay.voices(found) for actor, found in known.items() if found is not None}
        seconds += [found.seconds for found in known.values() if found is not None]
        truth = np.array([label_of(replay, turn) for turn in turns])
        before = replay.hear(turns).decisions().labels()
        after = replay.hear(turns, [streams[actor] for actor, _ in targets]).decisions().labels()
        actors = np.array([actor for actor, _ in targets])
        parts.append(Answers(truth, before, after, np.full(len(turns), "ravdess"), actors))
    both = Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in Answers.__dataclass_fields__))
    found = {f"repetition {on}": compare(part, macro_f1) for on, part in zip(REPETITIONS, parts, strict=True)}
    found["both"] = compare(both, macro_f1)
    value = found["both"]["difference"]
    return {
        "enrolled_on": found,
        "seconds": round(float(np.mean(seconds)), 1),
        "bars": {"enrolment": {"value": value, "bar": BAR, "met": value >= BAR}},
    }


def by_actor(replay: Replay, collections: Sequence[Collection], repetition: str, ordinary: bool) -> dict[str, list[Turn]]:
    """The clips with speech of one repetition by actor; only the neutral and calm ones, or all."""
    found: dict[str, list[Turn]] = {}
    for collection in collections:
        rows = replay.rows(collection)
        for index, clip in enumerate(collection.clips()):
            if len(rows[index]) and repetition_of(clip.path.name) == repetition and (clip.label == LABELS[0] or not ordinary):
                found.setdefault(clip.speaker, []).append(Turn(collection, index))
    return found


def repetition_of(name: str) -> str:
    """The sixth field of a RAVDESS file's name.

    Raises:
        SystemExit: it is not named so.
    """
    fields = name.partition(".")[0].split("-")
    if len(fields) != 7 or fields[5] not in REPETITIONS:
        raise SystemExit(f"{name} is not named as RAVDESS names its clips (03-01-EE-II-SS-RR-AA): its repetition is not known")
    return fields[5]


def enrol(replay: Replay, turns: Sequence[Turn]) -> SpeakerStatistics | None:
    """As `Recognizer.enrol` does of a recording of these clips: one voice, all of it ordinary; None with too little speech."""
    voices = Voices(ONE_VOICE.voice_threshold)
    for turn in turns:
        replay.remember(replay.hear([turn]), [voices], ONE_VOICE.floor)
    found = voices.histories[0] if voices.histories else None
    return found if found is not None and found.seconds >= LEAST_ENROLMENT else None


def markdown(figures: dict[str, Any]) -> str:
    """A table, a row a repetition that was enrolled on."""
    heading = "### Enrolment\n\n"
    if "left_out" in figures:
        return f"{heading}Left out: {figures['left_out']}.\n"
    bar = figures["bars"]["enrolment"]
    lines = ["| enrolled on | clips | without | with | difference |", "|---|---:|---:|---:|---:|"]
    for name, found in figures["enrolled_on"].items():
        lines.append(f"| {name} | {found['clips']} | {found['before']:.3f} | {found['after']:.3f} | {difference_of(found)} |")
    return "\n".join(
        [
            heading
            + f"Unseen RAVDESS actors, enrolled on one repetition's neutral and calm clips ({figures['seconds']:.1f} s of speech),",
            "judged on the other's: macro-F1 over seven labels on the same clips.",
            "",
            *lines,
            "",
            f"At least 3 points better: {verdict(bar)}, {points(bar['value'])}.",
            "",
        ]
    )


def difference_of(found: dict[str, Any]) -> str:
    """Of one corpus: its own interval, a t-interval where there are few actors."""
    return difference(next(iter(found["by_corpus"].values())))
