"""Where the speech of a clip is: silence before and after tells the corpus and the length, not the emotion."""

from __future__ import annotations

import numpy as np

from streamser.clock import to_samples
from streamser.features.voice_activity import FRAME, VoiceActivityDetector
from streamser.segmenter import ONSET, ONSET_FRAMES

MARGIN = to_samples(0.1)
LONGEST = to_samples(20.0)


def speech_part(samples: np.ndarray, detector: VoiceActivityDetector) -> tuple[int, int]:
    """From the first to the last speech of a clip, 0.1 s around it, at most 20 s.

    Speech is what would open an utterance in the runtime: a run of frames of 32 ms that are probably speech.

    Args:
        samples: float32 [n] at 16 kHz.
        detector: the runtime's.

    Returns:
        (start, end) in samples; the clip's own ends where there is no speech.
    """
    probably = detector.stream().feed(samples).probability >= ONSET
    runs = np.flatnonzero(np.convolve(probably, np.ones(ONSET_FRAMES), "valid") == ONSET_FRAMES) if len(probably) else probably
    start, end = 0, len(samples)
    if len(runs):
        start = max(0, int(runs[0]) * FRAME - MARGIN)
        end = min(end, (int(runs[-1]) + ONSET_FRAMES) * FRAME + MARGIN)
    return start, min(end, start + LONGEST)
