"""What everyone hears: the windows of streamser's own steps in speech, as its events tell them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamser.clock import to_samples
from streamser.events import EmotionEvent, Event
from streamser.features.whisper import FRAME


def judged(events: Iterable[Event]) -> list[EmotionEvent]:
    """The steps that hold speech."""
    return [event for event in events if isinstance(event, EmotionEvent) and event.state == "speech"]


def window_of(event: EmotionEvent, samples: np.ndarray) -> np.ndarray:
    """What a step heard of a stream's samples, float32 [n], filled up with silence to a multiple of 320."""
    heard = samples[to_samples(event.window_start) : to_samples(event.end)]
    return np.pad(heard, (0, -len(heard) % FRAME))
