"""The offline figures against the product: the same sentences through `Recognizer` with the pack as it ships."""

from __future__ import annotations

import numpy as np

from benchmarks.text.evidence import sound_of
from benchmarks.text.listening import spoken, voice_number
from benchmarks.text.material import Spoken
from streamser import Recognizer
from streamser.events import UtteranceEvent


def largest_difference(recognizer: Recognizer, sentences: Spoken, name: str, count: int) -> tuple[int, float]:
    """(utterances compared, the largest difference of a probability): what a stream emits against what is judged offline."""
    ensemble = recognizer.ensemble
    late, everything = ensemble.late_fusion, np.arange(len(ensemble.labels))
    sounds = sound_of(sentences.heard[:count], ensemble, late.in_fusion)
    compared, worst = 0, 0.0
    for index, entries in enumerate(sounds):
        _, samples = spoken(sentences.scripts[index], voice_number(name, index))
        stream = recognizer.stream()
        events = [event for event in stream.feed(samples) + stream.finish() if isinstance(event, UtteranceEvent)]
        for event, (decision, _, words) in zip(events, entries, strict=True):
            joined = np.exp(late.join(decision, words, everything).log_posterior)
            emitted = np.array([event.probabilities[label] for label in ensemble.labels])
            compared, worst = compared + 1, max(worst, float(np.abs(joined - emitted).max()))
    return compared, worst
