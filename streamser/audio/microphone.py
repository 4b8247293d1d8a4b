"""A microphone: opened at its native rate, watched, and opened again by its name when it was taken away."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from streamser.audio.capture import Capture, Captured
from streamser.audio.devices import Device, list_devices, sounddevice_module
from streamser.audio.pieces import Block, Channels, Lost, Piece
from streamser.audio.resample import Resampler
from streamser.clock import elapsed
from streamser.errors import AudioError

log = logging.getLogger(__name__)

BLOCK = 0.02  # seconds a callback
WAIT = 0.1  # seconds; how soon `stop` is noticed
SILENT = 1.0  # seconds without a callback after which the device counts as gone
START = 4.0  # seconds that a device may take to its first callback (PulseAudio's null sink: 2)
BACK_OFF = (0.5, 1.0, 2.0, 5.0)  # seconds between attempts to open it again; the last one repeats
CLOSING = 2.0  # seconds that closing a device that is gone may take
ZEROS = 3.0  # seconds of digital silence at the start after which the user is told
MOST_CHANNELS = 8  # virtual devices claim 32


class Microphone:
    """A source that ends when `stop` is called.

    Args:
        device: from `find_device`.
        channels: `mix` takes the mean of at most two channels, `split` keeps up to eight apart.

    Raises:
        AudioError: it cannot be opened.
    """

    seconds: float | None = None

    def __init__(self, device: Device, channels: Channels = "mix") -> None:
        self.name = device.name
        self._device = device
        alike = [other.index for other in list_devices() if _alike(other, device)]
        self._place = sum(index < device.index for index in alike)
        self._places = max(len(alike), 1)
        self._resampler = Resampler(device.rate, _inputs(device, channels), channels)
        self.channels = self._resampler.outputs
        self._stopped = threading.Event()
        self._closing: threading.Thread | None = None
        self._open(device)

    def stop(self) -> None:
        """End the iteration, from any thread or a signal handler; what was captured until now still comes out."""
        self._stopped.set()

    def close(self) -> None:
        self._close()

    def __iter__(self) -> Iterator[Piece]:
        end = elapsed()  # when the last sample so far was captured
        patience = START
        while not self._stopped.is_set():
            captured = self._capture.get(WAIT)
            if captured:
                end, patience = captured.until, SILENT
                yield from self._pieces(captured)
                continue
            patience -= WAIT  # what this program waited, not what passed: it may have stood still itself
            if patience < WAIT / 2:
                yield from self._flush(end)
                end = yield from self._return(end)
                patience = START
        self._close()
        while captured := self._capture.get(0):
            end = captured.until
            yield from self._pieces(captured)
        yield from self._flush(end)
        lost = self._capture.lost_since()
        if lost:
            yield Lost(lost, "overflow")

    def _pieces(self, captured: Captured) -> Iterator[Piece]:
        if captured.lost:
            yield from self._flush(captured.until - len(captured.samples) / self._device.rate - captured.lost)
            yield Lost(captured.lost, "overflow")
        self._watch_zeros(captured)
        samples = self._resampler.feed(captured.samples)
        if len(samples):
            yield Block(samples, captured.captured_at - self._resampler.delay)

    def _flush(self, until: float) -> Iterator[Block]:
        rest = self._resampler.flush()
        if len(rest):
            yield Block(rest, time.monotonic() - (elapsed() - until))

    def _return(self, gone_since: float) -> Generator[Piece, None, float]:
        """Wait for the device, or for `stop`; yield what was lost; return when the newest sample was captured."""
        log.warning("%s: no audio for %.0f s; waiting for the device to come back", self.name, SILENT)
        self._close()
        attempt, said = 0, ""
        while not self._stopped.wait(BACK_OFF[min(attempt, len(BACK_OFF) - 1)]):
            attempt += 1
            try:
                self._reopen()
            except AudioError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("%s is not back: %s", self.name, said)
                continue
            opened = time.monotonic()
            while not self._stopped.is_set() and time.monotonic() - opened < START:
                captured = self._capture.get(WAIT)
                if captured:
                    start = captured.until - len(captured.samples) / self._device.rate
                    log.warning("%s: back after %.1f s", self.name, start - gone_since)
                    yield Lost(max(start - gone_since, 0.001), "device")
                    yield from self._pieces(captured)
                    return captured.until
            self._close()
        now = elapsed()
        yield Lost(now - gone_since, "device")
        return now

    def _open(self, device: Device) -> None:
        sounddevice = sounddevice_module()
        self._capture = Capture(device.rate)
        self._zeros: float | None = 0.0  # seconds of zeros so far, None once there was sound
        self._stream: Any = None
        try:
            self._stream = sounddevice.InputStream(
                device=device.index,
                samplerate=device.rate,
                channels=self._resampler.channels,
                blocksize=round(BLOCK * device.rate),
                dtype="float32",
                latency="low",
                callback=self._capture.callback,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self._close()
            raise AudioError(f"the microphone {device} cannot be opened: {error}") from error

    def _reopen(self) -> None:
        if self._closing is not None and self._closing.is_alive():
            raise AudioError("the driver has not let go of it yet")
        sounddevice = sounddevice_module()
        # PortAudio lists devices once, when it starts: only a restart sees one that was plugged in again.
        with contextlib.suppress(sounddevice.PortAudioError):  # the restart before may have failed
            sounddevice._terminate()
        try:
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise AudioError(f"PortAudio cannot be started: {error}") from error
        device = self._find(list_devices())
        inputs = min(_inputs(device, self._resampler.mode), self._resampler.channels)
        if (device.rate, inputs) != (self._resampler.rate, self._resampler.channels):
            self._resampler = Resampler(device.rate, inputs, self._resampler.mode)
        self._device = device
        self._open(device)

    def _find(self, devices: list[Device]) -> Device:
        """The device that was lost: the same name and host API, and of several like it the one in the same place."""
        found = [device for device in devices if _alike(device, self._device)]
        if not found:
            listing = "; ".join(map(str, devices)) or "none"
            raise AudioError(f"no device is called so now; to go on with another, end with Ctrl-C and give its --device: {listing}")
        if len(found) != self._places:
            raise AudioError(f"{len(found)} devices are called so and there were {self._places}, so which one it is cannot be told")
        device = found[self._place]
        if self._resampler.mode == "split" and _inputs(device, "split") < self.channels:
            raise AudioError(f"it has {device.channels} channels now, and {self.channels} are listened to")
        return device

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        # Closing a device that is gone can hang in the driver.
        self._closing = threading.Thread(target=stream.close, kwargs={"ignore_errors": True}, daemon=True)
        self._closing.start()
        self._closing.join(CLOSING)

    def _watch_zeros(self, captured: Captured) -> None:
        if self._zeros is None:
            return
        if np.any(captured.samples):
            self._zeros = None
            return
        self._zeros += len(captured.samples) / self._device.rate
        if self._zeros >= ZEROS:
            self._zeros = None
            log.warning(
                "%s: nothing but digital silence: is it muted, or is this program not allowed to use the microphone "
                "(macOS: System Settings, Privacy & Security, Microphone)?",
                self.name,
            )


def _alike(one: Device, other: Device) -> bool:
    return (one.name, one.host_api) == (other.name, other.host_api)


def _inputs(device: Device, channels: Channels) -> int:
    # Shared WASAPI takes its own rate and number of channels and no other, unless Windows may convert (`auto_convert`); where
    # it did, microphones of Windows 11 were silent (RustAudio/cpal, issue 1200).
    if "WASAPI" in device.host_api:
        return device.channels
    return min(device.channels, 2 if channels == "mix" or device.channels > MOST_CHANNELS else MOST_CHANNELS)
