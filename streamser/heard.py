"""What one step of audio holds, apart from what is made of it: nothing in it changes when the stream hears more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamser.clock import SAMPLE_RATE, to_samples
from streamser.features.quantised_f0 import F0Quantiser
from streamser.features.text import WIDTH as TEXT_WIDTH
from streamser.features.text import TextFeatures
from streamser.features.whisper import FRAME as WHISPER_FRAME
from streamser.features.whisper import Encoding, Whisper
from streamser.fusion_input import PITCH_HOP, WHISPER_LAYERS, WHISPER_POOL, FusionInput
from streamser.segmenter import Utterance, near_speech

SPEECH_MARGIN = to_samples(0.3)  # nodes that near to speech are kept: the detector misses soft beginnings and ends


@dataclass(frozen=True)
class Window:
    """The last seconds of an utterance, up to a step's end, as the front ends heard them. Times are sample indices.

    start, now: what it covers. since: where the stretch begins that is judged. origin: where the networks began to listen.
    samples: float32 [now - start]. speech_starts: int64 [m], of the speech frames that are known.
    heard, new: seconds of speech in it, and of its utterance's since `since`.
    f0, f0_times: float32 [n], Hz, 0 where unvoiced; int64 [n]. columns, column_times: float32 [m, width]; int64 [m], their middles.
    Both may begin before the window.
    """

    start: int
    now: int
    since: int
    origin: int
    utterance: Utterance
    samples: np.ndarray
    speech_starts: np.ndarray
    heard: float
    new: float
    f0: np.ndarray
    f0_times: np.ndarray
    columns: np.ndarray
    column_times: np.ndarray
    quantiser: F0Quantiser

    def encode(self, whisper: Whisper) -> Encoding:
        """Whisper's encoding of it."""
        return whisper.encode(self.samples)

    def pitch_hz(self) -> float | None:
        """The median F0 in Hz of the voiced frames of the stretch that is judged; None without any."""
        recent = self.f0[(self.f0_times >= self.since) & (self.f0 > 0)]
        return round(float(np.median(recent)), 1) if len(recent) else None

    def fusion_input(self, encoding: Encoding, text: TextFeatures | None = None, text_time: int = 0) -> FusionInput:
        """Its nodes.

        Args:
            encoding: Whisper's, of this window.
            text: features of what was said in this utterance so far.
            text_time: sample index up to which that text was heard.
        """
        whisper, whisper_times = self._whisper_nodes(encoding)
        pitch_kept = self._kept(self.f0_times) & ((self.f0_times - self.origin) % PITCH_HOP == 0)
        columns_kept = self._kept(self.column_times)
        tokens = text.tokens if text is not None else np.zeros((0, TEXT_WIDTH), np.float32)
        return FusionInput(
            whisper=whisper,
            whisper_age=self._ages(whisper_times),
            pitch=self.quantiser.encode(self.f0[pitch_kept]),
            pitch_age=self._ages(self.f0_times[pitch_kept]),
            spectral=self.columns[columns_kept],
            spectral_age=self._ages(self.column_times[columns_kept]),
            text=tokens,
            text_age=np.full(len(tokens), (self.now - text_time) / SAMPLE_RATE, np.float32),
            heard=self.heard,
        )

    def _whisper_nodes(self, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
        layers = encoding.layers[:WHISPER_LAYERS]
        assert len(layers) == WHISPER_LAYERS
        count, extra = divmod(layers.shape[1], WHISPER_POOL)
        pooled = layers[:, extra:].reshape(len(layers), count, WHISPER_POOL, -1).mean(axis=2).transpose(1, 0, 2)
        times = self.start + WHISPER_FRAME * (extra + WHISPER_POOL * np.arange(count) + WHISPER_POOL // 2)
        kept = self._kept(times)
        return pooled[kept], times[kept]

    def _kept(self, times: np.ndarray) -> np.ndarray:
        return (times >= self.start) & near_speech(times, self.speech_starts, SPEECH_MARGIN)

    def _ages(self, times: np.ndarray) -> np.ndarray:
        return ((self.now - times) / SAMPLE_RATE).astype(np.float32)


@dataclass(frozen=True)
class Heard:
    """One step.

    samples: float32 [step]. now: where it ends. end: where the audio does, which may be before that; silence follows.
    since: where the stretch begins that is judged with it: the step, or steps before it that were passed over.
    closed: utterances that ended within it. opened: the one that is open at its end. utterance: that one, or the last.
    window: None without speech since `since`. passed_over: whether it waits to be judged with the next step.
    """

    samples: np.ndarray
    now: int
    end: int
    since: int
    closed: list[Utterance]
    opened: Utterance | None
    utterance: Utterance | None
    window: Window | None
    passed_over: bool
