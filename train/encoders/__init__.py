"""The frozen encoders: what each says of one clip's sound or words, all its layers, loaded by name or from a folder."""

from __future__ import annotations

from typing import Protocol

import numpy as np

SAMPLE_RATE = 16_000
FRAME = 320  # samples an encoder's frame, 50 Hz


class AudioEncoder(Protocol):
    """A frozen speech encoder. width: of its frames. depth: its number of layers."""

    width: int
    depth: int

    def encode(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n] at 16 kHz, at most 30 s -> float32 [frames, depth, width] at 50 Hz.

        Layer 0 is the first block's output, -1 the last after the final normalisation.
        """
        ...


class SentenceEncoder(Protocol):
    """A frozen text encoder. width: of its tokens."""

    width: int

    def encode(self, text: str, language: str) -> np.ndarray:
        """The last layer on every token of a text in the language of that code, float32 [tokens, width]; 0 tokens without words."""
        ...
