"""`--choose`: how words join the decision, from development data alone: spoken GoEmotions dev, and the acted corpora's
validation speakers.

The text network's own prior, that of its training sentences, is taken out, and a temperature fitted on the spoken sentences. A
weight is allowed if it costs no acted corpus more than `MOST_COST`, and an expressive voice keeps its label in `LEAST_VOICE` of the
cases against contrary words: pairs of an acted clip in which the voice alone hears an emotion, and the words of a spoken sentence
that name another one. Of the weights that are allowed with a quarter more too, the best one on the spoken sentences is taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.text.evidence import Heard, Sound, Verdict, judge, sound_of
from streamser import Recognizer
from streamser.ensemble import Decision
from streamser.features.text import TextEncoder
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings
from train.metrics import macro_f1

WEIGHTS = tuple(round(0.1 * step, 1) for step in range(31))
TEMPERATURES = tuple(float(value) for value in np.geomspace(0.5, 4.0, 43))
MOST_COST = 0.005  # macro-F1 on the validation speakers of any corpus
LEAST_VOICE = 2 / 3  # of the pairs of an expressive voice and contrary words: the share that follows the voice
MARGIN = 1.25  # a choice is not at the brink
PAIRS = 4  # sentences that each acted clip is paired with
SILENT = WordSettings(in_fusion=False)


@dataclass(frozen=True)
class Candidate:
    """One way of joining, and how it does: macro-F1 on spoken development sentences, points lost by corpus, the voice's say."""

    settings: WordSettings
    spoken: float
    costs: dict[str, float]
    voice: float

    @property
    def allowed(self) -> bool:
        return max(self.costs.values()) <= MOST_COST and self.voice >= LEAST_VOICE

    def line(self) -> str:
        costs = " ".join(f"{100 * cost:+6.2f}" for cost in self.costs.values())
        fusion = "with" if self.settings.in_fusion else "without"
        return (
            f"graph {fusion:7} words, temperature {self.settings.temperature:4.2f}, weight {self.settings.weight:4.2f}: "
            f"spoken {100 * self.spoken:5.1f}, cost {costs}, voice {100 * self.voice:3.0f} % {'' if self.allowed else '(no)'}"
        )


def text_prior(text: TextEncoder) -> dict[str, float]:
    """By label, how common it was among the sentences that trained the text network; the graph carries it."""
    training = json.loads(text._session.get_modelmeta().custom_metadata_map["training"])
    return {label: round(share, 4) for label, share in zip(text.labels, training["calibration"]["prior"], strict=True)}


def fitted_temperature(heard: list[Heard], prior: dict[str, float], labels: tuple[str, ...]) -> float:
    """The temperature under which the words are the likeliest to name the sentences' labels."""
    said = [(part.words, clip.label) for clip in heard for part in clip.utterances[-1:] if part.words is not None]
    words, truth = np.log(np.maximum([entry for entry, _ in said], 1e-9)), np.array([label for _, label in said])
    removed = np.log([prior.get(label, 1.0) for label in labels])

    def loss(temperature: float) -> float:
        logs = words / temperature - removed
        logs -= np.log(np.exp(logs - logs.max(1, keepdims=True)).sum(1, keepdims=True)) + logs.max(1, keepdims=True)
        return float(-logs[np.arange(len(truth)), truth].mean())

    fitted: float = min(TEMPERATURES, key=loss)
    return round(fitted, 3)


def score(clips: list[Heard], verdict: Verdict, uncertain_below: float) -> float:
    """Macro-F1 of the emitted labels: `uncertain` is wrong."""
    return macro_f1(np.array([clip.label for clip in clips]), verdict.emitted(uncertain_below))


def contrary_pairs(acted: list[Sound], spoken: list[Heard], neutral: int) -> list[tuple[Decision, np.ndarray]]:
    """Decisions on acted voices, each an emotion, with the words of random sentences that name another emotion."""
    rng = np.random.default_rng(0)
    said = [part.words for clip in spoken for part in clip.utterances if part.words is not None]
    pairs = []
    for decision in (entry[0] for sound in acted for entries in sound for entry in entries):
        fitting = [words for words in said if words.argmax() not in (neutral, decision.winner)]
        if decision.winner != neutral and fitting:
            pairs += [(decision, fitting[index]) for index in rng.integers(len(fitting), size=PAIRS)]
    return pairs


def voice_share(pairs: list[tuple[Decision, np.ndarray]], late: LateFusion) -> float:
    """The share of the pairs that are decided as the voice alone is."""
    everything = np.arange(len(late.labels))
    return float(np.mean([late.join(decision, words, everything).winner == decision.winner for decision, words in pairs]))


def candidates(recognizer: Recognizer, spoken: list[Heard], acted: dict[str, list[Heard]]) -> list[Candidate]:
    """Every way of joining, with its figures."""
    ensemble, text_labels = recognizer.ensemble, recognizer.features.text.labels
    below = ensemble.uncertain_below["utterance"]
    prior = text_prior(recognizer.features.text)

    def late(settings: WordSettings) -> LateFusion:
        return LateFusion(settings, ensemble.labels, text_labels)

    sounds: dict[bool, tuple[Sound, dict[str, Sound]]] = {
        flag: (sound_of(spoken, ensemble, flag), {name: sound_of(clips, ensemble, flag) for name, clips in acted.items()})
        for flag in (False, True)
    }
    pairs = contrary_pairs(list(sounds[False][1].values()), spoken, ensemble.labels.index("neutral"))
    base = {name: score(clips, judge(sounds[False][1][name], late(SILENT)), below) for name, clips in acted.items()}
    found = []
    temperature = fitted_temperature(spoken, prior, text_labels)
    for in_fusion, (spoken_sound, acted_sound) in sounds.items():
        for weight in WEIGHTS:
            settings = WordSettings(weight, temperature, prior, in_fusion)
            joined = judge(spoken_sound, late(settings))
            costs = {
                name: base[name] - score(clips, judge(acted_sound[name], late(settings)), below) for name, clips in acted.items()
            }
            found.append(Candidate(settings, score(spoken, joined, below), costs, voice_share(pairs, late(settings))))
    return found


def best(found: list[Candidate]) -> Candidate:
    """The best on spoken sentences of the weights that are allowed with every lighter one and with up to `MARGIN` times as much."""
    safe = [
        entry
        for entry in found
        if all(
            other.allowed
            for other in found
            if other.settings.in_fusion == entry.settings.in_fusion and other.settings.weight <= MARGIN * entry.settings.weight
        )
    ]
    return max(safe, key=lambda entry: (round(entry.spoken, 3), -entry.settings.weight))


def as_fields(chosen: Candidate, amounts: dict[str, Any]) -> dict[str, Any]:
    """What `words.json` holds: the pack's settings, and where they come from."""
    settings = chosen.settings
    return {
        "weight": settings.weight,
        "temperature": settings.temperature,
        "prior": settings.prior,
        "in_fusion": settings.in_fusion,
        "chosen_on": {
            **amounts,
            "spoken_macro_f1": round(chosen.spoken, 4),
            "cost_by_corpus": {name: round(cost, 4) for name, cost in chosen.costs.items()},
            "follows_the_voice": round(chosen.voice, 3),
        },
    }
