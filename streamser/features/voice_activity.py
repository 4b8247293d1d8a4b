"""Voice activity: the Silero network that faster-whisper bundles, driven frame by frame with its state carried along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamser.sessions import Session, open_session

FRAME = 512  # samples, 32 ms
CONTEXT = 64  # samples of the previous frame that the network sees again
SILENCE_POWER = 1e-10  # keeps the level of digital silence finite, -100 dB
_STATE = (1, 1, 128)


@dataclass(frozen=True)
class VoiceFrames:
    """Successive frames. probability: float32 [m], of speech. level: float32 [m], mean square in decibels of full scale."""

    probability: np.ndarray
    level: np.ndarray


class VoiceActivityDetector:
    """The shared network; `stream()` gives the state of one stream."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @classmethod
    def load(cls) -> VoiceActivityDetector:
        """Open the bundled network. It always runs on the CPU: one frame is far too little work for a GPU."""
        import faster_whisper

        path = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
        return cls(open_session(path, "cpu"))

    def stream(self) -> VoiceActivityStream:
        return VoiceActivityStream(self.session)


class VoiceActivityStream:
    """Speech probabilities of one stream, one per complete frame of 512 samples; frame i covers [512 i, 512 (i + 1))."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending = np.zeros(0, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the voice so far (after a gap); the frame grid goes on."""
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def snapshot(self) -> dict[str, np.ndarray]:
        """The network's state, without samples."""
        return {"h": self._h, "c": self._c}

    def restore(self, state: dict[str, np.ndarray], heard: int, recent: np.ndarray) -> None:
        """Take back a snapshot.

        Args:
            heard: how many samples had been fed by then.
            recent: float32 [n], the last of them, at least 576; silence before the first.
        """
        self._h, self._c = state["h"], state["c"]
        framed = len(recent) - heard % FRAME
        self._pending, self._context = recent[framed:], recent[framed - CONTEXT : framed]

    def feed(self, samples: np.ndarray) -> VoiceFrames:
        """Take float32 [n] at 16 kHz; return the frames that it completes."""
        samples = np.concatenate([self._pending, samples])
        count = len(samples) // FRAME
        self._pending = samples[count * FRAME :]
        if count == 0:
            return VoiceFrames(np.zeros(0, np.float32), np.zeros(0, np.float32))
        frames = samples[: count * FRAME].reshape(count, FRAME)
        contexts = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:]
        probabilities, self._h, self._c = self._session.run(
            None, {"input": np.concatenate([contexts, frames], axis=1), "h": self._h, "c": self._c}
        )
        level = 10 * np.log10((frames**2).mean(axis=1) + SILENCE_POWER)
        return VoiceFrames(np.asarray(probabilities, np.float32).reshape(-1), level)
