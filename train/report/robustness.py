"""How much a decision holds when the sound changes a little, a background joins, or a telephone or a room comes between.

The tests and bars of audEERING's ser-tests on test speakers' clips, through the runtime's own features, without words: a
decision is the winning label of the whole clip (`uncertain` set aside, as that network knows none), and the share of decisions
that stay is held against the bar. What the stream emits, `uncertain` included, stands beside. Sounds: babble of validation
speakers' clips, the held-out half of the noise folder, street music, coughs and sneezes of deeply_nonverbal, the four rooms.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from train.corpora import TRAINING_CORPORA, Clip, data_root, read_audio, read_corpus
from train.features import Collection
from train.metrics import UNDECIDED, uar
from train.pitch.noise import recorded_noise
from train.report.context import Context
from train.report.listening import Heard, Listener, together
from train.report.perturbations import PHONE, SMALL, Effect, Float32, babble, background, interruption, room, white_noise
from train.report.published import ROBUSTNESS

CLIPS = 64  # a clip is 1.6 points of a share; about 4 s of one core each, for all effects
VOICES = 40  # clips that babble is made of
STREET_MUSIC = "9"  # urbansound8k's number of it


@dataclass(frozen=True)
class Bar:
    """The least share of decisions that stay, and the change of UAR that must be exceeded, if any."""

    unchanged: float
    uar: float | None = None


BARS = {"small": Bar(0.95), "background": Bar(0.90, -0.05), "phone": Bar(0.50, -0.05), "room": Bar(0.80)}
TITLES = {
    "small": "Small changes",
    "background": "Backgrounds",
    "phone": "Telephone",
    "room": "Recorded rooms (extra; ser-tests' bar for simulated rooms)",
}


@dataclass(frozen=True)
class Decided:
    """By clip, int64 [n]: the winning label (UNDECIDED without speech), and what a stream emits (UNDECIDED if `uncertain`, too)."""

    winner: np.ndarray
    emitted: np.ndarray


def figures(context: Context, clips: int = CLIPS, split: str = "test") -> dict[str, Any]:
    """The share of decisions that stay and the change of UAR, by effect; `clips` in all, drawn evenly.

    Raises:
        SystemExit: no features of the corpora, or a sound is not at hand.
    """
    chosen = [
        (clip, place) for corpus in TRAINING_CORPORA for clip, place in spoken_clips(context, Collection(corpus, split), clips // 4)
    ]
    other = "validation" if split == "test" else "test"
    effects = [*SMALL, *backgrounds(other), PHONE, *rooms()]
    listener = Listener(context)

    def decide(samples: Iterable[Float32]) -> Decided:
        return decided(context, [listener.hear(entry) for entry in samples])

    names = [clip.path.name for clip, _ in chosen]
    truth = np.array([place for _, place in chosen])
    found = measure([read_audio(clip.path) for clip, _ in chosen], names, truth, effects, decide)
    return {"split": split, "corpora": list(TRAINING_CORPORA), **found}


def measure(
    clips: Sequence[Float32],
    names: Sequence[str],
    truth: np.ndarray,
    effects: Sequence[Effect],
    decide: Callable[[Iterable[Float32]], Decided],
) -> dict[str, Any]:
    """The figures of some clips; those without speech as they are count nowhere. names: draw what is random in an effect."""
    began = time.monotonic()
    clean = decide(clips)
    kept = clean.winner != UNDECIDED
    if not kept.any():
        raise SystemExit("no speech was found in any of the clips: nothing can be said of their decisions")
    whole = uar(truth[kept], clean.winner[kept])
    found: dict[str, Any] = {}
    for effect in effects:
        heard = decide(effect.change(clip, generator(name, effect.name)) for clip, name in zip(clips, names, strict=True))
        stays = (heard.winner == clean.winner)[kept]
        change = uar(truth[kept], heard.winner[kept]) - whole
        bar = BARS[effect.kind]
        found[effect.name] = {
            "kind": effect.kind,
            "unchanged": round(float(stays.mean()), 4),
            "changed_clips": int((~stays).sum()),
            "uar_change": round(change, 4),
            "emitted_unchanged": round(float((heard.emitted == clean.emitted)[kept].mean()), 4),
            "passed": bool(stays.mean() >= bar.unchanged and (bar.uar is None or change > bar.uar)),
        }
        print(f"robustness, {effect.name}: {found[effect.name]['unchanged']:.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return {"clips": int(kept.sum()), "without_speech": int((~kept).sum()), "uar": round(whole, 4), "effects": found}


def generator(clip: str, effect: str) -> np.random.Generator:
    """Draws the same in every run, for this clip and effect."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{effect}/{clip}".encode()).digest()[:8]))


def decided(context: Context, heard: Sequence[Heard]) -> Decided:
    """What the graph decides of every clip."""
    found = together(heard)
    if found is None:
        return Decided(np.full(len(heard), UNDECIDED), np.full(len(heard), UNDECIDED))
    return Decided(context.decided(*found, len(heard)).labels(), context.emitted_of(*found, len(heard)).labels())


def spoken_clips(context: Context, collection: Collection, count: int) -> list[tuple[Clip, int]]:
    """Clips in which the cached features have speech, with their labels' places: labels in turn, in a fixed order by name."""
    inputs = context.inputs(collection)
    clips = collection.clips()
    speech = set(inputs.clip.tolist())
    groups: dict[int, list[int]] = {}
    for index in sorted(speech, key=lambda index: hashlib.sha256(clips[index].path.name.encode()).digest()):
        groups.setdefault(int(inputs.clip_label[index]), []).append(index)
    order = [
        group[turn] for turn in range(max(map(len, groups.values()))) for _, group in sorted(groups.items()) if turn < len(group)
    ]
    return [(clips[index], int(inputs.clip_label[index])) for index in order[:count]]


def backgrounds(split: str) -> list[Effect]:
    """Effects that put a background under a clip, with voices of a split."""
    voices = [
        read_audio(clip.path) for corpus in TRAINING_CORPORA for clip in drawn(Collection(corpus, split).clips(), VOICES // 4)
    ]
    music = [clip for clip in read_corpus("urbansound8k_part", None) if clip.label_raw == STREET_MUSIC]
    bursts = read_corpus("deeply_nonverbal", None)
    coughs, sneezes = ([read_audio(clip.path) for clip in bursts if clip.label_raw == kind] for kind in ("coughing", "sneezing"))
    changes = {
        "babble 20 dB": babble(voices, 20.0),
        "environment 20 dB": background(recorded_noise(held_out=True), 20.0),
        "music 20 dB": background([read_audio(clip.path) for clip in music], 20.0),
        "white noise 20 dB": white_noise(20.0),
        "cough 10 dB": interruption(coughs, 10.0),
        "sneeze 10 dB": interruption(sneezes, 10.0),
    }
    return [Effect(name, "background", change) for name, change in changes.items()]


def drawn(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Some clips, always the same."""
    return sorted(clips, key=lambda clip: hashlib.sha256(clip.path.name.encode()).digest())[:count]


def rooms() -> list[Effect]:
    """The recorded rooms at hand."""
    files = sorted((data_root() / "rooms").glob("*.flac"))
    return [Effect(f"room {path.stem}", "room", room(read_audio(path))) for path in files]


def markdown(figures: dict[str, Any]) -> str:
    """The section of the report."""
    effects = figures["effects"]
    lines = [
        "### Robustness",
        "",
        f"{figures['clips']} clips of {figures['split']} speakers, drawn evenly from {', '.join(figures['corpora'])} and their "
        f"labels, each a fresh stream without words; UAR as they are {figures['uar']:.3f}. The share of decisions (winning labels) "
        f"that stay; one clip is {1 / figures['clips']:.3f} of it. WavLM large: what ser-tests publish of it on other clips, and "
        "on how many of their data sets it passes. Tests and bars are theirs.",
    ]
    for kind, bar in BARS.items():
        chosen = {name: found for name, found in effects.items() if found["kind"] == kind}
        if not chosen:
            continue
        needed = f"at least {bar.unchanged:.2f}" + (f", UAR change above {bar.uar:.2f}" if bar.uar is not None else "")
        passed = sum(found["passed"] for found in chosen.values())
        lines += [
            "",
            f"{TITLES[kind]}: bar {needed}; {passed} of {len(chosen)} passed.",
            "",
            "| change | unchanged | UAR change | as emitted | passed | WavLM large unchanged | its passes |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, found in chosen.items():
            published = ROBUSTNESS.get("room" if kind == "room" else name)
            beside = f"{published.range()} | {published.passes(bar.unchanged, bar.uar)}" if published else "- | -"
            lines.append(
                f"| {name} | {found['unchanged']:.3f} | {found['uar_change']:+.3f} | {found['emitted_unchanged']:.3f} "
                f"| {'yes' if found['passed'] else 'no'} | {beside} |"
            )
    return "\n".join(lines) + "\n"
