"""One channel's time line for a page, in bounded memory: steps one by one, and in ever wider bins once there are too many."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamser.events import EmotionEvent, Event, GapEvent, SummaryEvent, UtteranceEvent
from streamser.sinks.stable_segments import StableSegments
from streamser.sinks.wording import printable

MOST = 16384  # bins a channel: steps of half a second stay apart for 2.3 hours, seconds for 4.6
SLACK = 1e-6  # of a bin: times have 3 decimals only
QUIETEST = 120.0  # dB below full scale
SPEECH, AROUSAL, AROUSED, PITCH, VOICED, FIRST_LABEL = range(6)  # columns of the sums


class Bins:
    """Emotion events, averaged over bins of one width; two and two are joined when there would be more than `MOST`."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._sums = np.zeros((MOST, FIRST_LABEL + len(self._labels)))  # what is averaged times seconds, and seconds
        self._loudest = np.full(MOST, -np.inf)
        self._quietest = np.full(MOST, np.inf)
        self._used = 0
        self._width = 0.0

    def add(self, event: EmotionEvent) -> None:
        """Spread a step over the bins it covers."""
        if event.end <= event.start:
            return
        self._width = self._width or event.end - event.start
        while event.end > MOST * self._width + SLACK:
            self._join()
        values = self._values(event)
        first = math.floor(event.start / self._width + SLACK)
        last = max(math.ceil(event.end / self._width - SLACK) - 1, first)
        for i in range(first, last + 1):
            seconds = min(event.end, (i + 1) * self._width) - max(event.start, i * self._width)
            self._sums[i] += seconds * values
            if event.level_db is not None:
                self._loudest[i] = max(self._loudest[i], event.level_db)
                self._quietest[i] = min(self._quietest[i], event.level_db)
        self._used = max(self._used, last + 1)

    def packed(self) -> dict[str, Any]:
        """For JSON: `width` in seconds, and one base64 text a quantity.

        uint8: speech (share of the bin), arousal (with `aroused`, whether there is one), probabilities [bins, labels], each as 0 to
        255; loudest and quietest (0: silence, else 1 + 2 * (dB + 120)). uint16, little endian: pitch in 0.1 Hz, 0 without voice.
        """
        sums = self._sums[: self._used]

        def mean(total: np.ndarray, seconds: np.ndarray) -> np.ndarray:
            return np.asarray(total / np.where(seconds > 0, seconds, 1.0))

        speech = sums[:, SPEECH]
        heard = speech > 0
        share = np.where(heard, np.maximum(np.round(255 * speech / (self._width or 1.0)), 1), 0)
        voiced = sums[:, VOICED] > 0
        pitch = np.where(voiced, np.exp(mean(sums[:, PITCH], sums[:, VOICED])), 0.0)
        return {
            "width": round(self._width, 6),
            "speech": pack(share, "u1"),
            "aroused": pack(sums[:, AROUSED] > 0, "u1"),
            "arousal": pack(255 * mean(sums[:, AROUSAL], sums[:, AROUSED]), "u1"),
            "pitch": pack(10 * pitch, "<u2"),
            "probabilities": pack(255 * mean(sums[:, FIRST_LABEL:], speech[:, None]), "u1"),
            "loudest": pack(_level(self._loudest[: self._used]), "u1"),
            "quietest": pack(_level(self._quietest[: self._used]), "u1"),
        }

    def _values(self, event: EmotionEvent) -> np.ndarray:
        """float64 [columns]: a second of the step."""
        values = np.zeros(self._sums.shape[1])
        if event.probabilities is not None:
            values[SPEECH] = 1.0
            values[FIRST_LABEL:] = [event.probabilities.get(label, 0.0) for label in self._labels]
        if event.arousal is not None:
            values[AROUSAL], values[AROUSED] = event.arousal, 1.0
        if event.pitch_hz:
            values[PITCH], values[VOICED] = math.log(event.pitch_hz), 1.0
        return values

    def _join(self) -> None:
        half = MOST // 2
        sums, loudest, quietest = self._sums, self._loudest, self._quietest
        sums[:half] = sums[0::2] + sums[1::2]
        loudest[:half] = np.maximum(loudest[0::2], loudest[1::2])
        quietest[:half] = np.minimum(quietest[0::2], quietest[1::2])
        sums[half:], loudest[half:], quietest[half:] = 0.0, -np.inf, np.inf
        self._used = (self._used + 1) // 2
        self._width *= 2


class Track:
    """What a page shows of one channel.

    Args:
        labels: those whose probabilities are kept.
        names: all that a stable label or an utterance may be called, `uncertain` included; kept as indices into it.
    """

    def __init__(self, labels: Sequence[str], names: Sequence[str]) -> None:
        self._index = {name: i for i, name in enumerate(names)}
        self._bins = Bins(labels)
        self._segments = StableSegments()
        self._stretches = array("I")  # start, end in milliseconds, label, over and over
        self._gaps: list[tuple[float, float, str]] = []
        self._utterances: list[tuple[float, float, int, float, str]] = []
        self._summary: SummaryEvent | None = None

    @property
    def ended(self) -> bool:
        return self._summary is not None

    def take(self, event: Event) -> None:
        for segment in self._segments.take(event):
            times = round(1000 * segment.start), round(1000 * segment.end)
            self._stretches.extend((*times, self._index[segment.label]))
        match event:
            case EmotionEvent():
                self._bins.add(event)
            case UtteranceEvent():
                text = " ".join(printable(event.text).split())
                self._utterances.append((event.start, event.end, self._index[event.label], event.confidence, text))
            case GapEvent():
                self._gaps.append((event.start, event.end, event.reason))
            case SummaryEvent():
                self._summary = event

    def packed(self, channel: int) -> dict[str, Any]:
        """For JSON: the bins, and stretches of stable labels, uint32 [n, 3]: start and end in milliseconds, index of the name."""
        summary = self._summary
        return {
            "channel": channel,
            **self._bins.packed(),
            "stretches": pack(np.asarray(self._stretches), "<u4"),
            "gaps": self._gaps,
            "utterances": sorted(self._utterances),
            "end": summary.end if summary else 0.0,
            "seconds": self._lasted(),
            "lost": summary.lost_seconds if summary else 0.0,
            "speed": summary.real_time_factor if summary else None,
        }

    def _lasted(self) -> list[tuple[int | None, str, float]]:
        """Seconds of each name, the longest first, with its index; None for `no_speech`."""
        seconds = self._summary.seconds if self._summary else {}
        lasted = sorted(((value, name) for name, value in seconds.items() if value > 0), reverse=True)
        return [(self._index.get(name), printable(name).replace("_", " "), value) for value, name in lasted]


def pack(values: np.ndarray, dtype: str) -> str:
    """Base64 of the rounded values, clipped to what an unsigned dtype holds."""
    limits = np.iinfo(dtype)
    whole = np.clip(np.round(np.asarray(values, np.float64)), limits.min, limits.max).astype(dtype)
    return base64.b64encode(whole.tobytes()).decode()


def _level(decibels: np.ndarray) -> np.ndarray:
    finite = np.isfinite(decibels)
    return np.where(finite, np.maximum(1 + 2 * (np.where(finite, decibels, 0.0) + QUIETEST), 1), 0)
