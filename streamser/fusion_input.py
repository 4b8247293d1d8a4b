"""What the fusion sees at one step: sets of nodes, one set a modality, each node with its age (seconds before now).

Training and runtime build it with the same code, so that training sees exactly what runs live. Nodes outside speech are
left out; MDAT has no positions, so leaving a node out equals masking it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from streamser.speaker_history import SpeakerStatistics

WHISPER_POOL = 4  # frames of 20 ms a node: 12.5 Hz
WHISPER_LAYERS = 3  # the first of the encoder graph's outputs: the default pack's layers 2, 3 and 4
PITCH_HOP = 320  # samples a pitch node, 20 ms
MODALITIES = ("whisper", "pitch", "spectral", "text")


@dataclass(frozen=True)
class FusionInput:
    """The nodes of one window.

    whisper: float32 [n, layers, width], means over 80 ms. pitch: int64 [n], quantised F0 every 20 ms.
    spectral: float32 [n, 192], one a 160 ms column. text: float32 [n, 384], one a token. Each `*_age`: float32 [n], seconds.
    Any set may be empty. heard: seconds of speech in the window.
    """

    whisper: np.ndarray
    whisper_age: np.ndarray
    pitch: np.ndarray
    pitch_age: np.ndarray
    spectral: np.ndarray
    spectral_age: np.ndarray
    text: np.ndarray
    text_age: np.ndarray
    heard: float

    def recent(self, seconds: float) -> FusionInput:
        """The nodes of the last seconds alone; `heard` is their share."""
        kept: dict[str, np.ndarray] = {}
        for name in MODALITIES:
            ages = getattr(self, f"{name}_age")
            rows = ages < seconds
            kept |= {name: getattr(self, name)[rows], f"{name}_age": ages[rows]}
        return FusionInput(**kept, heard=self.heard * len(kept["whisper"]) / max(len(self.whisper), 1))

    def as_batch(self, history: SpeakerStatistics | None = None, history_width: int = 0) -> dict[str, np.ndarray]:
        """The inputs of the fusion graph for a batch of one; an empty set becomes one masked node.

        Args:
            history: of the voice that is heard; zeros where there is none.
            history_width: D of a graph that hears histories; 0 for one that does not.
        """
        batch: dict[str, np.ndarray] = {"heard": np.array([[self.heard]], np.float32)}
        for name in MODALITIES:
            nodes, ages = getattr(self, name), getattr(self, f"{name}_age")
            present = len(nodes) > 0
            if not present:
                nodes, ages = np.zeros((1, *nodes.shape[1:]), nodes.dtype), np.zeros(1, np.float32)
            batch[name], batch[f"{name}_age"] = nodes[None], ages[None].astype(np.float32)
            batch[f"{name}_mask"] = np.full((1, len(nodes)), present)
        if history_width:
            nothing = np.zeros(history_width, np.float32)
            batch["history_mean"] = (nothing if history is None else history.mean)[None]
            batch["history_square"] = (nothing if history is None else history.square)[None]
            batch["history_seconds"] = np.array([[0.0 if history is None else history.seconds]], np.float32)
        return batch
