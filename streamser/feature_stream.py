"""The running features of one stream, step by step of the audio clock, up to what the fusion sees.

Training runs this very class over its clips, so that there is one numeric path.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamser.audio.ring import AudioRing
from streamser.clock import SAMPLE_RATE
from streamser.features.pitch import PitchTracker
from streamser.features.quantised_f0 import DEFAULT_PACK_F0, F0Quantiser
from streamser.features.spectral import SpectralEncoder
from streamser.features.text import TextEncoder, TextFeatures
from streamser.features.voice_activity import FRAME as VOICE_FRAME
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.features.whisper import Encoding, Whisper
from streamser.fusion_input import FusionInput
from streamser.heard import Heard, Window
from streamser.packs.manifest import Pack
from streamser.packs.whisper import resolve_whisper
from streamser.segmenter import Segmenter, Utterance

MIN_SPEECH_FRAMES = 2  # voice frames in a step that make it speech
BESIDE = 2  # threads
_PITCH_FRAME = 160
_COLUMN = 2560


@dataclass(frozen=True)
class Features:
    """The shared networks. Without state, used by many streams and threads at once.

    beside: runs what a stream need not wait for yet.
    """

    voice_activity: VoiceActivityDetector
    whisper: Whisper
    pitch: PitchTracker
    spectral: SpectralEncoder
    text: TextEncoder
    quantiser: F0Quantiser
    beside: Executor = field(default_factory=lambda: ThreadPoolExecutor(BESIDE, thread_name_prefix="features"))

    @classmethod
    def load(cls, pack: Pack, accelerator: str = "auto") -> Features:
        """Open every network of a pack; Whisper is joined into the user's cache first where that has not been done."""
        return cls(
            voice_activity=VoiceActivityDetector.load(),
            whisper=Whisper(resolve_whisper(pack.whisper, pack.whisper_graphs), accelerator),
            pitch=PitchTracker.load(pack.file("pitch"), accelerator),
            spectral=SpectralEncoder.load(pack.file("spectral"), accelerator),
            text=TextEncoder(pack.file("text"), pack.file("tokenizer"), accelerator),
            quantiser=DEFAULT_PACK_F0,
        )


class FeatureStream:
    """State of one stream: the clock, the last seconds of audio, and every network's state.

    `advance` takes exactly one step of audio; the events' independence of how audio was split rests on that.
    """

    def __init__(self, features: Features, step: int, window: int) -> None:
        """step, window: samples at 16 kHz; both multiples of 320."""
        self.features = features
        self.step = step
        self.window = window
        self.now = 0
        self.since = 0  # where the stretch begins that is judged next: the last step, or the last ones
        self.ring = AudioRing(max(window, SAMPLE_RATE) + step)  # a second is more than any network keeps
        self.segmenter = Segmenter(history=window, grid=step)
        self.utterance: Utterance | None = None  # the open one, or the last
        self._onset = False  # whether it began with the last step: every utterance is judged at least once
        self._start_networks(0)

    def _start_networks(self, origin: int) -> None:
        self._origin = origin
        self._voice = self.features.voice_activity.stream()
        self._pitch = self.features.pitch.stream()
        self._spectral = self.features.spectral.stream()
        self._f0 = np.zeros(0, np.float32)  # from frame `_f0_first` on, 10 ms each
        self._f0_first = 0
        self._columns = np.zeros((0, self.features.spectral.width), np.float32)  # from column `_column_first` on, 160 ms each
        self._column_first = 0

    def advance(self, block: np.ndarray, join: bool = False) -> list[Utterance]:
        """Hear one step, float32 [step]; returns the utterances that ended within it.

        join: judge it together with what was heard since the last judgement.
        """
        if len(block) != self.step:
            raise ValueError(f"a block of {len(block)} samples where a step of {self.step} is due")
        self.ring.write(block)
        self.since = self.since if join else self.now
        self.now += self.step
        self.segmenter.feed(self._voice.feed(block))
        self._f0 = np.concatenate([self._f0, self._pitch.feed(block).f0_hz])
        self._columns = np.concatenate([self._columns, self._spectral.feed(block)])
        self._forget()
        closed = self.segmenter.take_closed()
        before = self.utterance
        self.utterance = self.segmenter.utterance or (closed[-1] if closed else before)
        self._onset = self.utterance is not None and (before is None or before.number != self.utterance.number)
        return closed

    def close(self, end: int) -> list[Utterance]:
        """End the open utterance, if any, where the audio ends or breaks off."""
        self.segmenter.close(end)
        closed = self.segmenter.take_closed()
        self.utterance = closed[-1] if closed else self.utterance
        return closed

    def jump(self, now: int) -> None:
        """Go on at a later step of the clock after lost audio, with nothing heard before it; `close` comes first."""
        self.now = now
        self.ring.jump(now)
        self.segmenter.jump(now)
        self._start_networks(now)

    def snapshot(self) -> dict[str, Any]:
        """All that is known after a step that was judged, without samples."""
        return {
            "now": self.now,
            "since": self.since,
            "segmenter": self.segmenter,
            "utterance": self.utterance,
            "onset": self._onset,
            "origin": self._origin,
            "voice": self._voice.snapshot(),
            "pitch": self._pitch.snapshot(),
            "spectral": self._spectral.snapshot(),
            "f0": self._f0,
            "f0_first": self._f0_first,
            "columns": self._columns,
            "column_first": self._column_first,
        }

    def passage(self, state: dict[str, Any]) -> tuple[int, int]:
        """The sample indices [start, end) of the audio that `restore` takes."""
        return max(state["origin"], state["now"] - self.ring.capacity), state["now"]

    def restore(self, state: dict[str, Any], samples: np.ndarray) -> None:
        """Take back a snapshot of a stream with the same settings; samples: float32, its passage."""
        self.now, self.since, self.segmenter = state["now"], state["since"], state["segmenter"]
        self.utterance = self.segmenter.utterance or state["utterance"]
        self._onset = state["onset"]
        self._start_networks(state["origin"])
        self.ring.jump(self.now - len(samples))
        self.ring.write(samples)
        heard = self.now - self._origin
        recent = self.ring.read(self.now - SAMPLE_RATE, self.now)
        self._voice.restore(state["voice"], heard, recent)
        self._pitch.restore(state["pitch"], heard, recent)
        self._spectral.restore(state["spectral"], heard, recent)
        self._f0, self._f0_first = state["f0"], state["f0_first"]
        self._columns, self._column_first = state["columns"], state["column_first"]

    def in_speech(self) -> bool:
        """Whether the stretch since the last judgement holds speech of an utterance."""
        return self._onset or self._speech_since(self.since)

    def goes_on(self) -> bool:
        """Whether the last step holds speech of an utterance that did not begin with it."""
        return not self._onset and self._speech_since(self.now - self.step)

    def window_start(self) -> int:
        """Where the window of the current step begins: at the utterance's anchor, at most `window` back."""
        assert self.utterance is not None
        return max(self.utterance.anchor, self.now - self.window)

    def heard(self, samples: np.ndarray, end: int, closed: list[Utterance], passed_over: bool) -> Heard:
        """The last step; the arguments as in `Heard`."""
        window = None if passed_over else self.current_window()
        return Heard(samples, self.now, end, self.since, closed, self.segmenter.utterance, self.utterance, window, passed_over)

    def current_window(self) -> Window | None:
        """The window of the current step; None without speech since the last judgement."""
        if not self.in_speech():
            return None
        assert self.utterance is not None
        start = self.window_start()
        return Window(
            start=start,
            now=self.now,
            since=self.since,
            origin=self._origin,
            utterance=self.utterance,
            samples=self.ring.read(start, self.now),
            speech_starts=self.segmenter.speech_starts(),
            heard=self._seconds_of_speech(start),
            new=self._seconds_of_speech(max(self.utterance.anchor, self.since)),
            f0=self._f0,
            f0_times=self._origin + _PITCH_FRAME * (self._f0_first + np.arange(len(self._f0))),
            columns=self._columns,
            column_times=self._origin + _COLUMN * (self._column_first + np.arange(len(self._columns))) + _COLUMN // 2,
            quantiser=self.features.quantiser,
        )

    def fusion_input(
        self, text: TextFeatures | None = None, text_time: int = 0, encoding: Encoding | None = None
    ) -> FusionInput | None:
        """The nodes of the current window, see `Window.fusion_input`; None without speech since the last judgement.

        encoding: of the current window, if it has been computed already.
        """
        window = self.current_window()
        if window is None:
            return None
        return window.fusion_input(encoding or window.encode(self.features.whisper), text, text_time)

    def _seconds_of_speech(self, start: int) -> float:
        return float(self.segmenter.speech_frames(start, self.now).sum() * VOICE_FRAME / SAMPLE_RATE)

    def _speech_since(self, start: int) -> bool:
        frames = self.segmenter.speech_frames(start, self.now)
        current = self.utterance is not None and (self.utterance.end is None or self.utterance.end > start)
        return current and int(frames.sum()) >= MIN_SPEECH_FRAMES

    def _forget(self) -> None:
        oldest = self.now - self.window - self._origin
        surplus = oldest // _PITCH_FRAME - self._f0_first
        if surplus > 0:
            self._f0, self._f0_first = self._f0[surplus:], self._f0_first + surplus
        surplus = oldest // _COLUMN - self._column_first
        if surplus > 0:
            self._columns, self._column_first = self._columns[surplus:], self._column_first + surplus
