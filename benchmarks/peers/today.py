"""Peer (a), what a user would write today: every window alone, from scratch, with the same weights.

faster-whisper (int8) transcribes the window, padded to 30 s; the features are made from nothing: the middle layers of Whisper's
encoder over 30 s (CTranslate2 gives the last one only, so they take a second network), voice activity, F0, spectral columns,
text; then the same fusion, once. As kind as can be: greedy, no timestamps, no second try at another temperature; only the four
layers of the second encoder that are wanted; no fusion of the last 1.5 s; and streamser tells it which windows hold speech.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faster_whisper import WhisperModel

from streamser import Recognizer
from streamser.clock import SAMPLE_RATE
from streamser.ensemble import Decision
from streamser.feature_stream import FeatureStream
from streamser.features.whisper import FRAME, Encoding
from streamser.packs.whisper import resolve_whisper

PADDED = 30 * SAMPLE_RATE
FRAMES = PADDED // FRAME


@dataclass
class Heard:
    """What CTranslate2 was asked for: encodings of 30 s, language detections, and the tokens of each transcript, prompt and all."""

    encodings: int = 0
    detections: int = 0
    tokens: list[int] = field(default_factory=list)


class Today:
    """Stateless: a window in, a decision out."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.features, self.ensemble = recognizer.features, recognizer.ensemble
        self.subset = np.arange(len(self.ensemble.labels))
        pack = recognizer.pack
        self.folder = resolve_whisper(pack.whisper, pack.whisper_graphs)
        self.whisper = WhisperModel(
            str(self.folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=os.cpu_count() or 1
        )

    def transcript(self, samples: np.ndarray) -> tuple[str, str]:
        """The words of float32 [n] and their language."""
        segments, told = self.whisper.transcribe(
            samples, beam_size=1, temperature=0.0, without_timestamps=True, condition_on_previous_text=False
        )
        return "".join(segment.text for segment in segments).strip(), told.language

    def encoding(self, samples: np.ndarray) -> Encoding:
        """The middle layers of the window, encoded within 30 s of it and silence."""
        whole = self.features.whisper.encode(np.pad(samples, (0, PADDED - len(samples))))
        return Encoding(whole.layers[:, : len(samples) // FRAME])

    def hear(self, samples: np.ndarray) -> Decision | None:
        """The decision on a window, float32 [n] at 16 kHz, n a multiple of 320; None where no speech is found in it."""
        text, language = self.transcript(samples)
        stream = FeatureStream(self.features, len(samples), len(samples))
        encoding = self.encoding(samples)
        stream.advance(samples)
        window = stream.current_window()
        if window is None:
            return None
        words = self.features.text.encode(text, language) if text else None
        in_fusion = words if self.ensemble.late_fusion.in_fusion else None
        own = Encoding(encoding.layers[:, window.start // FRAME :])
        sound = self.ensemble.judge(window.fusion_input(own, in_fusion, window.now), self.subset).decision
        return self.ensemble.late_fusion.join(sound, words.probabilities if words else None, self.subset)

    @contextmanager
    def listened(self, heard: Heard) -> Iterator[None]:
        """Note what CTranslate2 is asked for."""
        model: Any = self.whisper
        encode, network = model.encode, model.model

        class Watched:
            def __getattr__(self, name: str) -> Any:
                return getattr(network, name)

            def detect_language(self, *arguments: Any) -> Any:
                heard.detections += 1
                return network.detect_language(*arguments)

            def generate(self, states: Any, prompts: list[list[int]], **options: Any) -> Any:
                results = network.generate(states, prompts, **options)
                heard.tokens.append(len(prompts[0]) + len(results[0].sequences_ids[0]))
                return results

        def encoded(features: np.ndarray) -> Any:
            heard.encodings += 1
            return encode(features)

        model.encode, model.model = encoded, Watched()
        try:
            yield
        finally:
            del model.encode
            model.model = network
