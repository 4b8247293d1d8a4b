"""Words beside the sound: log-linear late fusion, in which an expressive voice decides and a flat one lets its words speak.

log p = log p_sound + weight * p_sound(neutral) * evidence(words). Acted corpora speak neutral sentences with every emotion, so
neutral words say nothing about the voice: their share is spread evenly over the labels, and the more neutral the words are,
the less their evidence weighs. All-neutral words change no decision (docs/decisions.md). What is joined is normalised again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streamser.packs.manifest import WordSettings

if TYPE_CHECKING:
    from streamser.ensemble import Decision

NEUTRAL = "neutral"
UNRELATED = 0.1  # share of sentences taken to say nothing of the voice, however sure they sound: bounds what words can say
LEAST = 1e-9  # keeps logarithms finite


class LateFusion:
    """How a pack's decisions are joined with the words; stateless, shared between streams."""

    def __init__(self, settings: WordSettings, labels: tuple[str, ...], text_labels: tuple[str, ...]) -> None:
        """labels: the pack's. text_labels: the text network's; where one of the pack's is not among them, words never join."""
        self.labels = labels
        self.in_fusion = settings.in_fusion
        self.joins = settings.weight > 0 and set(labels) <= set(text_labels)
        self._settings = settings
        self._columns = [text_labels.index(label) for label in labels] if self.joins else []
        self._log_prior = np.log([settings.prior.get(label, 1.0) for label in text_labels])
        self._neutral = text_labels.index(NEUTRAL) if NEUTRAL in text_labels else None

    def evidence(self, words: np.ndarray) -> np.ndarray:
        """What the words say for each of the pack's labels: float64 [labels], 0 for all where they are neutral.

        With p the words' probabilities, their prior taken out: (1 - p_neutral)^2 * log q, where q spreads p_neutral evenly and
        takes a share of sentences to be unrelated to the voice.

        Args:
            words: float [text labels], their probabilities.
        """
        logs = np.log(np.maximum(np.asarray(words, np.float64), LEAST)) / self._settings.temperature - self._log_prior
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        neutral = 0.0
        if self._neutral is not None:
            neutral = shares[self._neutral]
            shares[self._neutral] = 0.0
            shares += neutral / len(shares)
        says = np.log((1 - UNRELATED) * shares + UNRELATED / len(shares))
        return (1 - neutral) ** 2 * (says - says.max())[self._columns]

    def join(self, sound: Decision, words: np.ndarray | None, subset: np.ndarray) -> Decision:
        """A decision on the sound joined with the words', or as it is where there are none.

        The confidence stays the winner's posterior, lowered as before where the members disagree.

        Args:
            sound: of one step or one utterance, among a subset of the pack's labels.
            words: float [text labels], what the words said so far say; None where there are none that count.
            subset: int [n], the indices of these labels.
        """
        if words is None or not self.joins:
            return sound
        joined = sound.log_posterior + self._settings.weight * self._flatness(sound, subset) * self.evidence(words)[subset]
        joined -= joined.max()
        joined -= np.log(np.exp(joined).sum())
        agreement = sound.confidence / float(np.exp(sound.log_posterior.max()))
        return replace(sound, log_posterior=joined, confidence=min(1.0, agreement * float(np.exp(joined.max()))))

    def _flatness(self, sound: Decision, subset: np.ndarray) -> float:
        """How neutral the voice is, 0 to 1; where that is no label to choose, as neutral as any."""
        chosen = [self.labels[index] for index in subset]
        return float(np.exp(sound.log_posterior[chosen.index(NEUTRAL)])) if NEUTRAL in chosen else 1 / len(chosen)
