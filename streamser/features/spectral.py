"""Spectral embeddings (CED type): one vector for each 160 ms of sound, computed once, hearing only the past.

The network is a graph for one column at a time: `mel` [1, 1, 16, 64] decibels, `past` [depth, 2, heads, columns, 4,
d] keys and values, `distance` int64 [columns] -> `column` [1, width], `written` [depth, 2, heads, 4, d]. One column a
run means that every matrix has the same shape whatever block the audio came in, so any split of the audio gives the
same bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamser.errors import PackError
from streamser.features.spectral_mel import (
    COLUMN_FRAMES,
    COLUMN_SAMPLES,
    COLUMN_SPAN,
    LEFT_CONTEXT,
    LOOK_AHEAD,
    MEL_BANDS,
    column_decibels,
)
from streamser.sessions import Session, open_session


class SpectralEncoder:
    """The shared network; `stream()` gives the state of one stream.

    Attributes:
        width: length of a column's vector.
        look_ahead: samples that must have been fed after a column's end before it comes out.
    """

    look_ahead = LOOK_AHEAD

    def __init__(self, session: Session) -> None:
        self.session = session
        inputs = {entry.name: entry.shape for entry in session.get_inputs()}
        outputs = {entry.name: entry.shape for entry in session.get_outputs()}
        if set(inputs) != {"mel", "past", "distance"} or set(outputs) != {"column", "written"}:
            raise PackError(f"spectral.onnx has inputs {sorted(inputs)}: it is not a streaming spectral encoder")
        if list(inputs["mel"]) != [1, 1, COLUMN_FRAMES, MEL_BANDS]:
            raise PackError(f"spectral.onnx takes mels of shape {inputs['mel']}, not [1, 1, {COLUMN_FRAMES}, {MEL_BANDS}]")
        self.past_shape = tuple(int(size) for size in inputs["past"])
        self.width = int(outputs["column"][-1])

    @classmethod
    def load(cls, path: str | Path, accelerator: str = "cpu") -> SpectralEncoder:
        """Open the graph.

        Raises:
            PackError: the file is missing or its inputs and outputs are not those of a streaming spectral encoder.
            AcceleratorError: CUDA was asked for and is not there.
        """
        if not Path(path).is_file():
            raise PackError(f"the spectral network is missing: {path}")
        return cls(open_session(path, accelerator, shapes="fixed"))

    def stream(self) -> SpectralStream:
        return SpectralStream(self)


class SpectralStream:
    """The columns of one stream; column j covers samples [2560 j, 2560 (j + 1))."""

    def __init__(self, encoder: SpectralEncoder) -> None:
        self._encoder = encoder
        self.reset()

    def reset(self) -> None:
        """Back to a fresh stream: the past is forgotten and the next sample fed is sample 0 of column 0."""
        # Sound before the start is silence: frame 0 is centred on sample 0.
        self._pending = np.zeros(LEFT_CONTEXT, np.float32)
        self._past = np.zeros(self._encoder.past_shape, np.float32)
        self._column = 0

    def snapshot(self) -> dict[str, Any]:
        """The network's keys and values, without samples."""
        return {"past": self._past, "column": self._column}

    def restore(self, state: dict[str, Any], heard: int, recent: np.ndarray) -> None:
        """Take back a snapshot.

        Args:
            heard: how many samples had been fed by then.
            recent: float32 [n], the last of them, at least 2912; silence before the first.
        """
        self._past, self._column = state["past"], state["column"]
        self._pending = recent[len(recent) - (LEFT_CONTEXT + heard - self._column * COLUMN_SAMPLES) :]

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """Take float32 [n] at 16 kHz, any n; return float32 [m, width], the columns that this completed.

        Values that are not finite count as silence: one of them would otherwise stay in the cached past for ever.
        """
        samples = np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        pending = np.concatenate([self._pending, samples])
        begin = 0
        columns = []
        while len(pending) - begin >= COLUMN_SPAN:
            columns.append(self._encode(column_decibels(pending[begin : begin + COLUMN_SPAN])))
            begin += COLUMN_SAMPLES
        self._pending = pending[begin:].copy()
        return np.stack(columns) if columns else np.zeros((0, self._encoder.width), np.float32)

    def _encode(self, mel: np.ndarray) -> np.ndarray:
        """Run one column against the ring of past ones and put its keys and values in the place of the oldest."""
        places = self._encoder.past_shape[3]
        # Place p holds the latest earlier column c with c % places == p; 0 marks a place that no column has filled yet.
        distance = (self._column - 1 - np.arange(places)) % places + 1
        distance[distance > self._column] = 0
        column, written = self._encoder.session.run(
            ["column", "written"], {"mel": mel[None, None], "past": self._past, "distance": distance.astype(np.int64)}
        )
        self._past[:, :, :, self._column % places] = written
        self._column += 1
        return np.asarray(column[0], np.float32)
