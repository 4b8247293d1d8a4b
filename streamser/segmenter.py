"""From speech probabilities to utterances: onset, end after a pause, and a cut at the quietest moment of an endless one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streamser.clock import to_samples
from streamser.features.voice_activity import FRAME, VoiceFrames

ONSET = 0.35  # speech probability that opens an utterance
OFFSET = 0.35  # below it, an open utterance's frame is a pause
ONSET_FRAMES = 2  # that many in a row (64 ms), so that a click opens nothing
ONSET_MARGIN = to_samples(0.1)
FRAME_20_MS = 320
PAUSE = to_samples(0.6)
MAX_UTTERANCE = to_samples(20.0)
CUT_SEARCH = to_samples(8.0)  # how far back from the limit the quietest moment is looked for
CUT_SMOOTHING = 5  # frames


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech as far as it is known; `end` is None while it is open.

    anchor: where the networks begin to listen, a little before `start`, never within the utterance before.
    run: number of the stretch of speech without a pause that it is part of: more than one only when an endless one was cut.
    cut: whether it ends at such a cut, and the next one begins there.
    """

    number: int
    start: int
    anchor: int
    run: int
    end: int | None = None
    cut: bool = False


@dataclass
class Segmenter:
    """State of one stream. `feed` takes successive frames; `speech` flags are kept for `history` samples."""

    history: int
    grid: int = FRAME_20_MS  # anchors lie on it, unless an endless utterance was cut
    origin: int = 0  # sample index of the first frame
    utterance: Utterance | None = None
    _closed: list[Utterance] = field(default_factory=list)
    _probabilities: list[float] = field(default_factory=list)  # of the frames since `_first`
    _levels: list[float] = field(default_factory=list)  # decibels, of the same frames
    _first: int = 0  # index, from the origin, of the oldest frame kept
    _last_speech: int = 0
    _count: int = 0  # utterances so far
    _previous_end: int = 0

    def feed(self, frames: VoiceFrames) -> None:
        for probability, level in zip(frames.probability, frames.level, strict=True):
            self._probabilities.append(float(probability))
            self._levels.append(float(level))
            index = self._first + len(self._probabilities) - 1
            if self.utterance is None:
                recent = self._probabilities[-ONSET_FRAMES:]
                if len(recent) == ONSET_FRAMES and min(recent) >= ONSET:
                    self._open(self._time(index - ONSET_FRAMES + 1))
                    self._last_speech = index
                continue
            if probability >= OFFSET:
                self._last_speech = index
            now = self._time(index + 1)
            if now - self._time(self._last_speech + 1) >= PAUSE:
                self._close(self._time(self._last_speech + 1))
            elif now - self.utterance.start >= MAX_UTTERANCE:
                at, run = self._quietest(index), self.utterance.run
                self._close(at, cut=True)
                self._open(at, run)
        keep = max(self.history, CUT_SEARCH) // FRAME + CUT_SMOOTHING + 2
        surplus = len(self._probabilities) - keep
        if surplus > 0:
            del self._probabilities[:surplus], self._levels[:surplus]
            self._first += surplus

    def take_closed(self) -> list[Utterance]:
        """The utterances that ended since the last call."""
        closed, self._closed = self._closed, []
        return closed

    def close(self, end: int) -> None:
        """End an open utterance because the audio ends at `end`."""
        if self.utterance is not None:
            self._close(min(end, self._time(self._last_speech + 1)))

    def jump(self, origin: int) -> None:
        """Go on at a later sample index, with nothing heard before it."""
        self.origin, self._first, self._last_speech = origin, 0, 0
        self._probabilities.clear()
        self._levels.clear()

    def speech_frames(self, start: int, end: int) -> np.ndarray:
        """bool [m]: which of the frames that overlap [start, end) are speech, as far as they are known and kept."""
        first, last = self._range(start, end)
        return np.array(self._probabilities[first:last]) >= OFFSET if last > first else np.zeros(0, bool)

    def speech_starts(self) -> np.ndarray:
        """int64 [m]: where the speech frames begin that are kept."""
        flags = np.array(self._probabilities) >= OFFSET
        return self.origin + (self._first + np.flatnonzero(flags)) * FRAME

    def _range(self, start: int, end: int) -> tuple[int, int]:
        first = (start - self.origin) // FRAME - self._first
        last = -(-(end - self.origin) // FRAME) - self._first
        return max(first, 0), min(max(last, 0), len(self._probabilities))

    def _time(self, frame: int) -> int:
        return self.origin + frame * FRAME

    def _open(self, start: int, run: int | None = None) -> None:
        anchor = max(
            (start - ONSET_MARGIN) // self.grid * self.grid,
            self._previous_end // FRAME_20_MS * FRAME_20_MS,
            self.origin,
        )
        self.utterance = Utterance(self._count, start, anchor, self._count if run is None else run)
        self._count += 1

    def _close(self, end: int, cut: bool = False) -> None:
        assert self.utterance is not None
        self._previous_end = max(end, self.utterance.start + FRAME)
        self._closed.append(replace(self.utterance, end=self._previous_end, cut=cut))
        self.utterance = None

    def _quietest(self, index: int) -> int:
        span = min(CUT_SEARCH // FRAME, len(self._levels))
        recent = np.array(self._levels[-span:])
        smooth = np.convolve(recent, np.ones(CUT_SMOOTHING) / CUT_SMOOTHING, mode="valid")
        return self._time(index - span + 1 + int(np.argmin(smooth)) + CUT_SMOOTHING // 2)


def near_speech(times: np.ndarray, starts: np.ndarray, margin: int) -> np.ndarray:
    """bool [n]: which sample indices lie within `margin` of a speech frame; starts: where those begin, in order."""
    if len(starts) == 0:
        return np.zeros(len(times), bool)
    after = np.searchsorted(starts, times - margin - FRAME, side="right")
    return (after < len(starts)) & (starts[np.minimum(after, len(starts) - 1)] <= times + margin)
