"""What streamser says of a clip: a fresh stream with nothing heard before, its words too, as `recognize` gives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamser.events import UtteranceEvent
from streamser.recognizer import Recognizer
from streamser.timeline import UNCERTAIN

EMITTED, ARGMAX = "uncertain is wrong", "argmax"
LEAST = 1e-4  # probabilities have 4 decimals


def decide(recognizer: Recognizer, samples: np.ndarray, labels: Sequence[str]) -> dict[str, str | None]:
    """By reading, the label of a clip, or None: it is `uncertain` (not in ARGMAX), or no speech was found.

    Args:
        samples: float32 [n], mono, 16 kHz.
        labels: those to choose from.
    """
    stream = recognizer.stream(labels=tuple(labels))
    events = [*stream.feed(samples), *stream.finish()]
    below = recognizer.ensemble.uncertain_below["utterance"]
    return joined([event for event in events if isinstance(event, UtteranceEvent)], below)


def joined(utterances: Sequence[UtteranceEvent], uncertain_below: float) -> dict[str, str | None]:
    """One answer for all utterances of a clip, each counting for its length; that of the only one is its own."""
    if not utterances:
        return {EMITTED: None, ARGMAX: None}
    weights = np.array([max(event.end - event.start, LEAST) for event in utterances])
    names = list(utterances[0].probabilities)
    logs = np.log(np.maximum([[event.probabilities[name] for name in names] for event in utterances], LEAST))
    likeliest = names[int((weights @ logs).argmax())]
    if len(utterances) == 1:
        sure = utterances[0].label != UNCERTAIN
    else:
        sure = float(weights @ [event.confidence for event in utterances] / weights.sum()) >= uncertain_below
    return {EMITTED: likeliest if sure else None, ARGMAX: likeliest}
