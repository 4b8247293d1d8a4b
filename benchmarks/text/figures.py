"""The figures: every way of joining words on spoken sentences, on acted clips, and where voice and words contradict each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.text.evidence import Heard, Sound, Verdict, judge, sound_of, words_alone
from benchmarks.text.material import Spoken
from streamser import Recognizer
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings
from train.metrics import macro_f1

DRAWS = 2000
EXPRESSIVE = "the voice alone hears an emotion"
ALONE, GRAPH, LATE, BOTH, WORDS = "sound alone", "words in the graph", "late fusion", "both", "words alone"


@dataclass(frozen=True)
class Score:
    """Macro-F1 with `uncertain` counted as wrong; what it is above the sound alone with a 95 % interval over clips; as argmax."""

    emitted: float
    gain: float
    low: float
    high: float
    argmax: float

    def __str__(self) -> str:
        return f"{self.emitted:.3f} ({self.argmax:.3f})  {100 * self.gain:+6.2f} [{100 * self.low:+6.2f}, {100 * self.high:+6.2f}]"

    def fields(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in vars(self).items()}


class Judges:
    """Every way of joining, with the pack's settings of the words."""

    def __init__(self, recognizer: Recognizer, settings: WordSettings) -> None:
        self.ensemble = recognizer.ensemble
        self.below = self.ensemble.uncertain_below["utterance"]
        text_labels = recognizer.features.text.labels
        self.none = LateFusion(replace(settings, weight=0.0), self.ensemble.labels, text_labels)
        self.late = LateFusion(settings, self.ensemble.labels, text_labels)

    def verdicts(self, clips: list[Heard]) -> dict[str, Verdict]:
        """By way of joining."""
        sounds: dict[bool, Sound] = {flag: sound_of(clips, self.ensemble, flag) for flag in (False, True)}
        return {
            ALONE: judge(sounds[False], self.none),
            GRAPH: judge(sounds[True], self.none),
            LATE: judge(sounds[False], self.late),
            BOTH: judge(sounds[True], self.late),
            WORDS: words_alone(clips),
        }

    def scores(self, clips: list[Heard]) -> dict[str, Score]:
        """By way of joining; the words alone are never `uncertain`."""
        truth = np.array([clip.label for clip in clips])
        verdicts = self.verdicts(clips)
        decided = {name: verdict.labels if name == WORDS else verdict.emitted(self.below) for name, verdict in verdicts.items()}
        rng = np.random.default_rng(0)
        draws = rng.integers(len(truth), size=(DRAWS, len(truth)))
        base = np.array([macro_f1(truth[rows], decided[ALONE][rows]) for rows in draws])
        found = {}
        for name, labels in decided.items():
            gains = np.array([macro_f1(truth[rows], labels[rows]) for rows in draws]) - base
            value = macro_f1(truth, labels)
            low, high = np.percentile(gains, [2.5, 97.5])
            gain = value - macro_f1(truth, decided[ALONE])
            found[name] = Score(value, gain, float(low), float(high), macro_f1(truth, verdicts[name].labels))
        return found


def shares_that_count(clips: list[Heard]) -> tuple[float, float]:
    """(clips transcribed as English, clips with words that count), as shares."""
    english = np.mean([clip.language == "en" for clip in clips])
    counted = np.mean([any(part.words is not None for part in clip.utterances) for clip in clips])
    return float(english), float(counted)


def print_scores(title: str, clips: list[Heard], scores: dict[str, Score], more: str = "") -> dict[str, Any]:
    """A table of one set; the same as numbers."""
    english, counted = shares_that_count(clips)
    said = f"{100 * english:.0f} % transcribed as English, {100 * counted:.0f} % with words that count"
    print(f"\n{title}: {len(clips)} clips, {said}{more}")
    for name, score in scores.items():
        print(f"  {name:20} {score}", flush=True)
    return {"clips": len(clips), "english": round(english, 3), "counted": round(counted, 3)} | {
        name: score.fields() for name, score in scores.items()
    }


def print_conflicts(spoken: Spoken, judges: Judges) -> dict[str, Any]:
    """Whom decisions follow where the words name another emotion than the voice alone, by prosody and way of joining.

    Beside it, whether the voice alone hears the change of prosody at all: the share of each of its decisions.
    """
    labels = judges.ensemble.labels
    verdicts = judges.verdicts(spoken.heard)
    words, alone = verdicts[WORDS].labels, verdicts[ALONE].labels
    prosody = np.array([script.prosody for script in spoken.scripts])
    contrary = (words >= 0) & (words != labels.index("neutral")) & (words != alone)
    found: dict[str, Any] = {}
    print("\nvoice against words: emotional sentences in changed prosody, whose words name another emotion than the voice alone")
    groups = {kind: prosody == kind for kind in dict.fromkeys(prosody.tolist())}
    groups |= {
        EXPRESSIVE: (alone >= 0) & (alone != labels.index("neutral")),
        "the voice alone is neutral": alone == labels.index("neutral"),
    }
    for kind, members in groups.items():
        counts = np.bincount(alone[members & (alone >= 0)], minlength=len(labels))
        heard = ", ".join(f"{labels[i]} {counts[i]}" for i in np.argsort(-counts, kind="stable") if counts[i])
        rows = contrary & members
        print(f"  {kind}: {rows.sum()} of {members.sum()} contradict; the voice alone: {heard}")
        found[kind] = {"contradict": int(rows.sum()), "voice_alone": {labels[i]: int(counts[i]) for i in range(len(labels))}}
        for name in (GRAPH, LATE, BOTH):
            decided = verdicts[name].labels
            voice, said = float((decided == alone)[rows].mean()), float((decided == words)[rows].mean())
            print(f"    {name:20} follows the voice {100 * voice:3.0f} %, the words {100 * said:3.0f} %")
            found[kind][name] = {"voice": round(voice, 3), "words": round(said, 3)}
    return found
