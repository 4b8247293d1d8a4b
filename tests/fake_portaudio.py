"""Stands in for PortAudio: devices that come and go, and blocks that a test hands to the callback itself."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np


class PortAudioError(Exception):
    pass


class Stream:
    def __init__(self, portaudio: PortAudio, **settings: Any) -> None:
        self.settings, self._portaudio = settings, portaudio
        if settings["device"] in portaudio.gone:
            raise PortAudioError("Error opening InputStream: Device unavailable")
        if settings["channels"] > portaudio.channels:
            raise PortAudioError("Error opening InputStream: Invalid number of channels")
        portaudio.streams.append(self)

    def start(self) -> None:
        return

    def close(self, ignore_errors: bool = True) -> None:
        self._portaudio.lets_go.wait()
        self._portaudio.closed += 1

    def hear(self, samples: np.ndarray, at: float | None = None, overflow: bool = False) -> None:
        """What PortAudio's thread does for a block whose first sample was captured `at` (monotonic)."""
        now = time.monotonic()
        age = now - at if at is not None else len(samples) / self.settings["samplerate"]
        times = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - age)
        self.settings["callback"](samples, len(samples), times, SimpleNamespace(input_overflow=overflow))


class PortAudio:
    """Stands in for the `sounddevice` package. All inputs have the same channels and rate; those whose index is `gone` cannot be
    opened; closing one waits for `lets_go`."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.gone: set[int] = set()
        self.closed = 0
        self.restarts = 0
        self.default = SimpleNamespace(device=[0, 0])
        self.host_api = "ALSA"
        self.names = ["USB mic"]
        self.channels, self.rate = 1, 16_000
        self.starts = True
        self.lets_go = threading.Event()
        self.lets_go.set()

    def InputStream(self, **settings: Any) -> Stream:  # noqa: N802
        return Stream(self, **settings)

    def query_devices(self) -> list[dict[str, Any]]:
        outputs = [{"name": "Speaker", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48_000.0}]
        return [
            {"name": name, "hostapi": 0, "max_input_channels": self.channels, "default_samplerate": float(self.rate)}
            for name in self.names
        ] + outputs

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": self.host_api}]

    def _terminate(self) -> None:
        self.restarts += 1

    def _initialize(self) -> None:
        if not self.starts:
            raise PortAudioError("Error initializing PortAudio: Unanticipated host error")
