"""What a voice's past is worth: the same clips judged with it and without, after more and more speech, on four kinds of stream.

On unseen speakers of the training corpora; where a bar is set on corpora never trained on, `sealed_figures` is given them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamser.speaker_history import Voices
from train.corpora import TRAINING_CORPORA
from train.features import Collection
from train.fusion.decide import Decisions
from train.metrics import macro_f1, uar
from train.report.context import Context
from train.report.decks import KINDS, Case, cases_of, speakers_of
from train.report.paired import Answers, compare
from train.report.replay import Replay, Turn
from train.scores import FOUR

UNSEEN = tuple(Collection(corpus, split) for corpus in TRAINING_CORPORA for split in ("validation", "test"))
SECONDS = (0.0, 5.0, 10.0, 30.0, 60.0)  # of speech heard before, whoever spoke
MOST = 6  # clips of one label judged in a stream, two streams a speaker
MOST_SEALED = 50
AT = 30.0
WORST_BAR, GAIN_BAR, SEALED_BAR = -0.01, 0.04, 0.71
GAIN_KIND = "80 % neutral"


def figures(context: Context, collections: Sequence[Collection] = UNSEEN) -> dict[str, Any]:
    """By kind and seconds heard: macro-F1 (a mean over corpora) without and with the history, their difference."""
    if not context.remembers:
        return {"left_out": "no histories are made with this graph"}
    replay = Replay(context)
    speakers = speakers_of(replay, collections)
    neutral = context.labels.index("neutral")
    kinds = {}
    for kind in KINDS:
        found = follow(replay, cases_of(kind, speakers, neutral, MOST), SECONDS)
        kinds[kind] = {
            f"{seconds:g}": compare(found.answers(seconds), macro_f1)
            | {"different_clips_seconds": round(found.different[seconds], 1)}
            for seconds in SECONDS
        }
    worst = min(
        ((found["difference"], kind, seconds) for kind, moments in kinds.items() for seconds, found in moments.items()),
        key=lambda entry: float(entry[0]),
    )
    gain = kinds[GAIN_KIND][f"{AT:g}"]["difference"]
    return {
        "kinds": kinds,
        "bars": {
            "worst": {"value": worst[0], "kind": worst[1], "seconds": worst[2], "bar": WORST_BAR, "met": worst[0] >= WORST_BAR},
            "gain": {"value": gain, "kind": GAIN_KIND, "seconds": f"{AT:g}", "bar": GAIN_BAR, "met": gain >= GAIN_BAR},
        },
    }


def sealed_figures(context: Context, collections: Sequence[Collection]) -> dict[str, Any]:
    """4-class UAR, restricted, after 30 s heard of the same speaker, on corpora never trained on; the caller logs the look."""
    if not context.remembers:
        return {"left_out": "no histories are made with this graph"}
    replay = Replay(context)
    speakers = speakers_of(replay, collections)
    neutral = context.labels.index("neutral")
    kinds = {}
    for kind in ("balanced", GAIN_KIND):
        cases = [
            Case(case.speaker, case.before, [turn for turn in case.targets if label_of(replay, turn) in FOUR])
            for case in cases_of(kind, speakers, neutral, MOST_SEALED)
        ]
        found = follow(replay, [case for case in cases if case.targets], (AT,))
        kinds[kind] = compare(found.answers(AT, FOUR), uar)
    value = kinds["balanced"]["after"]
    return {"kinds": kinds, "bars": {"after 30 s": {"value": value, "bar": SEALED_BAR, "met": value >= SEALED_BAR}}}


class Followed:
    """What was decided about the targets of all cases at some moments. `different`: by moment, the mean seconds of different clips
    that a stream had heard by then."""

    def __init__(self, replay: Replay, cases: Sequence[Case]) -> None:
        turns = [turn for case in cases for turn in case.targets]
        self.turns = turns
        self.truth = np.array([label_of(replay, turn) for turn in turns], int)
        self.corpora = np.array([turn.collection.title for turn in turns])
        self.speakers = np.array([f"{case.speaker.corpus} {case.speaker.name}" for case in cases for _ in case.targets])
        self.cold = replay.hear(turns).decisions()
        self.warm: dict[float, Decisions] = {}
        self.different: dict[float, float] = {}

    def answers(self, seconds: float, among: Sequence[int] | None = None) -> Answers:
        """Without and with what was heard by that moment, among all labels or some."""
        before, after = self.cold.labels(among), self.warm[seconds].labels(among)
        return Answers(self.truth, before, after, self.corpora, self.speakers)


def follow(replay: Replay, cases: Sequence[Case], moments: Sequence[float]) -> Followed:
    """Play all streams side by side; at each moment, in seconds of speech heard, judge each stream's targets beside its past.

    Raises:
        SystemExit: there are no cases.
    """
    if not cases:
        raise SystemExit("no speaker has clips enough for such a stream")
    found = Followed(replay, cases)
    voices = [replay.voices() for _ in cases]
    at_targets = [stream for stream, case in zip(voices, cases, strict=True) for _ in case.targets]
    heard, different = np.zeros(len(cases)), np.zeros(len(cases))
    met: list[set[Turn]] = [set() for _ in cases]
    for moment in sorted(moments):
        while (heard < moment).any():
            active = np.flatnonzero(heard < moment).tolist()
            turns = [next(cases[index].before) for index in active]
            seconds = play(replay, turns, [voices[index] for index in active])
            for index, turn, length in zip(active, turns, seconds.tolist(), strict=True):
                heard[index] += length
                different[index] += length * (turn not in met[index])
                met[index].add(turn)
        found.warm[moment] = replay.hear(found.turns, at_targets).decisions()
        found.different[moment] = float(different.mean())
    return found


def play(replay: Replay, turns: Sequence[Turn], voices: Sequence[Voices]) -> np.ndarray:
    """One turn of every stream, heard and remembered; returns the seconds of speech, float [turns]."""
    heard = replay.hear(turns, voices)
    replay.remember(heard, voices)
    return heard.seconds


def label_of(replay: Replay, turn: Turn) -> int:
    return int(replay.context.inputs(turn.collection).clip_label[turn.clip])


def markdown(figures: dict[str, Any]) -> str:
    """A table, a row a kind of stream and a column the seconds heard before."""
    heading = "### A voice's past: the same clips with it and without\n\n"
    if "left_out" in figures:
        return f"{heading}Left out: {figures['left_out']}.\n"
    first = next(iter(figures["kinds"].values()))
    lines = [
        "| stream | without | " + " | ".join(f"{seconds} s heard" for seconds in first) + " |",
        "|---|---:|" + "---:|" * len(first),
    ]
    for kind, moments in figures["kinds"].items():
        start = next(iter(moments.values()))
        cells = " | ".join(difference(found) for found in moments.values())
        lines.append(f"| {kind} ({start['clips']} clips, {start['speakers']} speakers) | {start['before']:.3f} | {cells} |")
    worst, gain = figures["bars"]["worst"], figures["bars"]["gain"]
    different = [moments[f"{AT:g}"]["different_clips_seconds"] for moments in figures["kinds"].values()]
    return "\n".join(
        [
            heading
            + "Macro-F1, a mean over corpora, of clips of unseen speakers; points of difference that the speech heard before",
            "makes, with its 95 % interval over speakers. Speech of either speaker counts; clips come again when all were heard:",
            f"after {AT:g} s a stream had heard {min(different):.0f} to {max(different):.0f} s of different clips.",
            "",
            *lines,
            "",
            f"Nowhere worse by more than 1 point: {verdict(worst)}; the worst is {points(worst['value'])} ({worst['kind']}, "
            f"{worst['seconds']} s). At least 4 points better after {gain['seconds']} s, {gain['kind']}: {verdict(gain)}, "
            f"{points(gain['value'])}.",
            "",
        ]
    )


def sealed_markdown(figures: dict[str, Any]) -> str:
    """A table, a row a corpus never trained on."""
    heading = "### Corpora never trained on, after 30 s of the same speaker\n\n"
    if "left_out" in figures:
        return f"{heading}Left out: {figures['left_out']}.\n"
    lines = ["| heard before | corpus | without | with | difference |", "|---|---|---:|---:|---:|"]
    for kind, found in figures["kinds"].items():
        for corpus, entry in [("mean", found), *found["by_corpus"].items()]:
            lines.append(f"| {kind} | {corpus} | {entry['before']:.3f} | {entry['after']:.3f} | {difference(entry)} |")
    bar = figures["bars"]["after 30 s"]
    told = f"Mean after 30 s, balanced, at least {bar['bar']:.2f}: {verdict(bar)}, {bar['value']:.3f}."
    return "\n".join([heading + "4-class UAR, restricted to the four labels; the same clips.", "", *lines, "", told, ""])


def difference(found: dict[str, Any]) -> str:
    """Points and their interval."""
    if found["low"] is None:
        return points(found["difference"])
    return f"{points(found['difference'])} [{points(found['low'])}, {points(found['high'])}]"


def points(value: float) -> str:
    return f"{100 * value:+.1f}"


def verdict(bar: dict[str, Any]) -> str:
    return "met" if bar["met"] else "**missed**"
