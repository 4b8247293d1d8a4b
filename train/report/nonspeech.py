"""What is no emotion that the pack knows: laughter, crying, coughs, machines, street noise that pass the voice activity detector.

Through the runtime's own features and time line, every clip a fresh stream: the part of the seconds taken for speech whose
stable label is `uncertain`, and what the rest is called. The other side of it, from the cached features of test speakers: how much
real speech becomes `uncertain` because it is taken for none. None of these sounds has taught anything.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamser.clock import SAMPLE_RATE
from streamser.timeline import NO_SPEECH, UNCERTAIN
from train.corpora import TRAINING_CORPORA, data_root, read_audio, read_corpus
from train.features import STEP, Collection
from train.metrics import UNDECIDED
from train.pitch.noise import is_held_out
from train.report.context import Context
from train.report.listening import Heard, Listener, all_known, seconds_by_label, step_decisions

BURSTS, SOUNDS, NOISES = 12, 10, 60  # clips: of a class of deeply_nonverbal, of esc10; of the noise folder
BAR = 0.5  # the least part of the seconds taken for speech that should be `uncertain`: most
MUCH = 0.05  # of real speech that may become `uncertain` by it; our own mark, nobody's bar


@dataclass(frozen=True)
class Sound:
    """A recording: the corpus it is of, and what it is."""

    corpus: str
    kind: str
    name: str
    read: Callable[[], np.ndarray]


def figures(
    context: Context, bursts: int = BURSTS, sounds: int = SOUNDS, noises: int = NOISES, split: str = "test"
) -> dict[str, Any]:
    """The seconds by label of what is no speech, by corpus and kind, and the false alarms on speech, by corpus.

    Raises:
        SystemExit: the features of a corpus have not been made, or a sound is not at hand.
    """
    listener = Listener(context)
    found = heard_as(context, recordings(bursts, sounds, noises), listener.hear)
    speech = {corpus: false_alarms(context, Collection(corpus, split)) for corpus in TRAINING_CORPORA}
    known = [context.cold(Collection(corpus, split)).known for corpus in TRAINING_CORPORA]
    unlike = found.pop("known")
    area = ranked(np.concatenate(known), unlike) if len(unlike) else None
    return {**found, "split": split, "speech": speech, "known_area": None if area is None else round(area, 4)}


def recordings(bursts: int, sounds: int, noises: int) -> list[Sound]:
    """The recordings: some of each kind, always the same ones; the held-out half of the noise folder."""
    found = []
    for corpus, count in (("deeply_nonverbal", bursts), ("esc10", sounds)):
        clips = read_corpus(corpus, None)
        for kind in sorted({clip.label_raw for clip in clips}):
            chosen = sorted((clip.path for clip in clips if clip.label_raw == kind), key=lambda path: digest(path.name))
            found += [Sound(corpus, kind.lower(), path.name, _reader(path)) for path in chosen[:count]]
    files = sorted((data_root() / "noise").glob("*.flac"), key=lambda path: digest(path.name))
    held_out = [path for path in files if is_held_out(path.name)][:noises]
    return [
        *found,
        *(Sound("noise", path.stem.partition("-")[0].rstrip("0123456789"), path.name, _reader(path)) for path in held_out),
    ]


def _reader(path: Any) -> Callable[[], np.ndarray]:
    return lambda: read_audio(path)


def digest(name: str) -> bytes:
    """Orders names, the same in every run."""
    return hashlib.sha256(name.encode()).digest()


def heard_as(context: Context, sounds: Sequence[Sound], hear: Callable[[np.ndarray], Heard]) -> dict[str, Any]:
    """The seconds by label of all recordings, of every corpus and kind; `known`: float32, of the steps taken for speech."""
    began = time.monotonic()
    kinds: dict[str, dict[str, list[dict[str, float]]]] = {}
    known = [np.zeros(0, np.float32)]
    corpus = ""
    for sound in sounds:
        if sound.corpus != corpus:
            corpus = sound.corpus
            print(f"no speech, {corpus}: from {time.monotonic() - began:.0f} s on", flush=True)
        heard = hear(sound.read())
        kinds.setdefault(corpus, {}).setdefault(sound.kind, []).append(seconds_by_label(context, heard))
        if heard.outputs is not None:
            known.append(heard.outputs.known)
    by_kind = {corpus: {kind: told(context, clips) for kind, clips in entry.items()} for corpus, entry in kinds.items()}
    by_corpus = {corpus: told(context, [clip for clips in entry.values() for clip in clips]) for corpus, entry in kinds.items()}
    whole = told(context, [clip for entry in kinds.values() for clips in entry.values() for clip in clips])
    return {"all": whole, "corpora": by_corpus, "kinds": by_kind, "known": np.concatenate(known)}


def told(context: Context, clips: Iterable[dict[str, float]]) -> dict[str, Any]:
    """The shares of some clips. uncertain and the labels: of the seconds taken for speech, None without any."""
    clips = list(clips)
    totals: dict[str, float] = {}
    for seconds in clips:
        for label, value in seconds.items():
            totals[label] = totals.get(label, 0.0) + value
    length = sum(totals.values())
    speech = length - totals.get(NO_SPEECH, 0.0)
    shares = {label: round(totals.get(label, 0.0) / speech, 4) if speech else None for label in (UNCERTAIN, *context.labels)}
    uncertain = shares.pop(UNCERTAIN)
    return {
        "clips": len(clips),
        "seconds": round(length, 1),
        "no_speech": round(totals.get(NO_SPEECH, 0.0) / length, 4) if length else None,
        "speech_seconds": round(speech, 1),
        "uncertain": uncertain,
        "labels": shares,
        "passed": None if uncertain is None else bool(uncertain > BAR),
    }


def false_alarms(context: Context, collection: Collection) -> dict[str, Any]:
    """How much real speech becomes `uncertain`, and how much of that only because of `known`: of steps, and of clips."""
    inputs, cold = context.inputs(collection), context.cold(collection)
    count = len(inputs.clip_label)
    below = float(context.told["step_uncertain_below"])
    spoken = np.bincount(inputs.clip, minlength=count) > 0
    steps, clips = {}, {}
    for known, outputs in ((True, cold), (False, all_known(cold))):
        steps[known] = step_decisions(context, outputs)[1] < below
        clips[known] = context.emitted_of(outputs, inputs.heard, inputs.clip, count).labels()[spoken] == UNDECIDED
    return {
        "clips": int(spoken.sum()),
        "seconds": round(len(inputs.clip) * STEP / SAMPLE_RATE, 1),
        "steps_uncertain": round(float(steps[True].mean()), 4),
        "steps_uncertain_by_known": round(float((steps[True] & ~steps[False]).mean()), 4),
        "clips_uncertain": round(float(clips[True].mean()), 4),
        "clips_uncertain_by_known": round(float((clips[True] & ~clips[False]).mean()), 4),
        "steps_below_half": round(float((cold.known < 0.5).mean()), 4),
    }


def ranked(above: np.ndarray, below: np.ndarray) -> float:
    """How often one of `above` is larger than one of `below`, ties half: the area under the curve, 0.5 for no difference."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([above, below]))
    return float((ranks[: len(above)].sum() - len(above) * (len(above) + 1) / 2) / (len(above) * len(below)))


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    labels = list(figures["all"]["labels"])
    area = figures["known_area"]
    lines = [
        "### What is no emotion that the pack knows",
        "",
        f"Fresh streams of {figures['all']['clips']} recordings that hold no speech and taught nothing; parts of their seconds by "
        f"stable label. Bar: more than {BAR:g} of the seconds that pass the voice activity detector are `uncertain`.",
        "",
        "| sound | clips | seconds | no_speech | passed as speech, s | uncertain | passed | " + " | ".join(labels) + " |",
        "|---|---|---|---|---|---|---|" + "---|" * len(labels),
        _row("**all**", figures["all"]),
    ]
    for corpus, found in figures["corpora"].items():
        lines.append(_row(f"**{corpus}**", found))
        lines += [_row(kind, entry) for kind, entry in figures["kinds"][corpus].items()]
    lines += [
        "",
        f"The other side, speech of {figures['split']} speakers: what becomes `uncertain`, and what of it only because it "
        f"is taken for no speech (our mark: at most {MUCH:g})."
        + (f" A step of speech has a larger `known` than one of these sounds in {area:.3f} of pairs." if area is not None else ""),
        "",
        "| corpus | clips | seconds | steps uncertain | by `known` | clips uncertain | by `known` | within the mark |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for corpus, found in figures["speech"].items():
        within = "yes" if found["steps_uncertain_by_known"] <= MUCH else "no"
        lines.append(
            f"| {corpus} | {found['clips']} | {found['seconds']:g} | {found['steps_uncertain']:.3f} "
            f"| {found['steps_uncertain_by_known']:.3f} | {found['clips_uncertain']:.3f} | {found['clips_uncertain_by_known']:.3f} "
            f"| {within} |"
        )
    return "\n".join(lines) + "\n"


def _row(name: str, found: dict[str, Any]) -> str:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    passed = {True: "yes", False: "no", None: "-"}[found["passed"]]
    others = " | ".join(share(value) for value in found["labels"].values())
    return (
        f"| {name} | {found['clips']} | {found['seconds']:g} | {share(found['no_speech'])} | {found['speech_seconds']:g} "
        f"| {share(found['uncertain'])} | {passed} | {others} |"
    )
