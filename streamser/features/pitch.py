"""Fundamental frequency of a stream, 100 times a second: a causal RMVPE, each frame computed once.

The network is shared and stateless; a stream holds its samples, the network's state and nothing else. Frame i is centred
on sample 160 i and comes out when sample 160 i + `look_ahead` - 1 has been fed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamser.errors import PackError
from streamser.features.mel import HALF_WINDOW, HOP, MelStream
from streamser.sessions import Session, open_session

Float32 = NDArray[np.float32]
BINS = 360
FORMAT = "streamser-pitch-1"
USUAL = {"frames": 50}  # of most runs: a step of 0.5 s
_FIRST_CENTS, _CENTS_PER_BIN, _REFERENCE_HZ = 1997.3794084376191, 20.0, 10.0  # RMVPE's bins: 31.7 Hz to 2 kHz
_NEIGHBOURS = 4
_CENTS = _FIRST_CENTS + _CENTS_PER_BIN * np.arange(-_NEIGHBOURS, BINS + _NEIGHBOURS)


def decode(salience: Float32) -> tuple[Float32, Float32]:
    """The pitch of each frame, voiced or not: the salience-weighted mean of cents around the strongest bin.

    Args:
        salience: f32[m, 360] in 0..1.

    Returns:
        (Hz f32[m], the strongest bin's salience f32[m]).
    """
    best = salience.argmax(axis=1)
    around = best[:, None] + np.arange(2 * _NEIGHBOURS + 1)
    padded = np.pad(salience.astype(np.float64), ((0, 0), (_NEIGHBOURS, _NEIGHBOURS)))
    weights = np.take_along_axis(padded, around, axis=1)
    cents = (weights * _CENTS[around]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
    peak = np.take_along_axis(salience, best[:, None], axis=1)[:, 0]
    return (_REFERENCE_HZ * 2.0 ** (cents / 1200)).astype(np.float32), peak


@dataclass(frozen=True)
class PitchFrames:
    """Consecutive frames 10 ms apart: F0 in Hz, 0 where unvoiced, and how sure the network is of a pitch, 0 to 1."""

    f0_hz: Float32
    salience: Float32


class PitchTracker:
    """The pitch network; safe to share between threads."""

    def __init__(self, session: Session, threshold: float, delay: int, state_size: int) -> None:
        self._session = session
        self.threshold = threshold
        self.delay = delay
        self.look_ahead = HALF_WINDOW + delay * HOP
        self._state_size = state_size

    @classmethod
    def load(cls, path: str | Path, accelerator: str = "cpu") -> PitchTracker:
        """Open a pack's pitch graph.

        Raises:
            PackError: the file is not there or is not a pitch graph of this version.
        """
        if not Path(path).is_file():
            raise PackError(f"the pitch network {path} is missing")
        try:
            session = open_session(path, accelerator, usual=USUAL)
        except Exception as error:
            if type(error).__module__.startswith("onnxruntime"):
                raise PackError(f"{path} is not a readable ONNX file") from error
            raise
        metadata = session.get_modelmeta().custom_metadata_map
        if metadata.get("format") != FORMAT:
            raise PackError(f"{path} is not a pitch network of format {FORMAT}")
        return cls(session, float(metadata["threshold"]), int(metadata["delay"]), int(metadata["state_size"]))

    def stream(self) -> PitchStream:
        """A stream that has heard nothing."""
        return PitchStream(self)

    def initial_state(self) -> Float32:
        """f32[1, state_size] of zeros."""
        return np.zeros((1, self._state_size), dtype=np.float32)

    def advance(self, mel: Float32, state: Float32) -> tuple[Float32, Float32]:
        """Log-mel f32[m, 128] and the state so far -> (salience f32[m, 360] of the frames `delay` earlier, new state)."""
        salience, state = self._session.run(None, {"mel": mel[None], "state": state})
        return salience[0], state


class PitchStream:
    """One stream's pitch. Not for several threads at once."""

    def __init__(self, tracker: PitchTracker) -> None:
        self._tracker = tracker
        self._mel = MelStream()
        self.reset()

    def reset(self) -> None:
        """Start again at frame 0."""
        self._mel.reset()
        self._state = self._tracker.initial_state()
        self._to_drop = self._tracker.delay  # the first rows speak of frames before the stream

    def snapshot(self) -> dict[str, Any]:
        """The network's state, without samples."""
        return {"state": self._state, "to_drop": self._to_drop}

    def restore(self, state: dict[str, Any], heard: int, recent: Float32) -> None:
        """Take back a snapshot; `heard` and `recent` as in `MelStream.restore`."""
        self._state, self._to_drop = state["state"], state["to_drop"]
        self._mel.restore(heard, recent)

    def feed(self, samples: Float32) -> PitchFrames:
        """Take the next samples and return the frames that are decided now.

        Args:
            samples: f32[n] at 16 kHz, any n.

        Returns:
            m consecutive frames; m = 0 while nothing new is complete.
        """
        mel = self._mel.feed(np.asarray(samples, dtype=np.float32))
        if not len(mel):
            return PitchFrames(np.empty(0, np.float32), np.empty(0, np.float32))
        rows, self._state = self._tracker.advance(mel, self._state)
        rows, self._to_drop = rows[self._to_drop :], max(0, self._to_drop - len(rows))
        pitch, peak = decode(rows)
        return PitchFrames(np.where(peak > self._tracker.threshold, pitch, np.float32(0)), peak)
