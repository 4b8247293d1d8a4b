"""Microphones without hardware: choosing one, lost audio, a device that is taken away, and no PortAudio at all."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamser.audio import microphone as microphone_module
from streamser.audio.capture import Capture
from streamser.audio.devices import Device, find_device, list_devices
from streamser.audio.microphone import Microphone
from streamser.audio.pieces import Block, Lost, Piece
from streamser.errors import AudioError

DEVICES = [
    Device(0, "USB mic", "ALSA", 1, 48_000, False),
    Device(2, "Headset mic", "ALSA", 1, 44_100, True),
    Device(3, "Headset mic", "JACK", 1, 44_100, False),
    Device(7, "Line", "ALSA", 2, 44_100, False),
]


class PortAudioError(Exception):
    pass


class Stream:
    def __init__(self, portaudio: PortAudio, **settings: Any) -> None:
        self.settings, self._portaudio = settings, portaudio
        if settings["device"] in portaudio.gone:
            raise PortAudioError("Error opening InputStream: Device unavailable")
        portaudio.streams.append(self)

    def start(self) -> None:
        return

    def close(self, ignore_errors: bool = True) -> None:
        self._portaudio.closed += 1

    def hear(self, samples: np.ndarray, at: float | None = None, overflow: bool = False) -> None:
        """What PortAudio's thread does for a block whose first sample was captured `at` (monotonic)."""
        now = time.monotonic()
        age = now - at if at is not None else len(samples) / self.settings["samplerate"]
        times = SimpleNamespace(currentTime=100.0, inputBufferAdcTime=100.0 - age)
        self.settings["callback"](samples, len(samples), times, SimpleNamespace(input_overflow=overflow))


class PortAudio:
    """Stands in for the `sounddevice` package."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.gone: set[int] = set()
        self.closed = 0
        self.restarts = 0
        self.default = SimpleNamespace(device=[0, 0])
        self.names = ["USB mic"]

    def InputStream(self, **settings: Any) -> Stream:  # noqa: N802
        return Stream(self, **settings)

    def query_devices(self) -> list[dict[str, Any]]:
        outputs = [{"name": "Speaker", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48_000.0}]
        return [
            {"name": name, "hostapi": 0, "max_input_channels": 1, "default_samplerate": 16_000.0} for name in self.names
        ] + outputs

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def _terminate(self) -> None:
        self.restarts += 1

    def _initialize(self) -> None:
        return


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    fake = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # type: ignore[arg-type]
    return fake


@pytest.mark.parametrize(("wanted", "index"), [(None, 2), ("7", 7), ("usb", 0), ("line", 7), ("headset mic, jack", 3)])
def test_a_device_is_found(wanted: str | None, index: int) -> None:
    assert find_device(wanted, DEVICES).index == index


def test_an_exact_name_wins_over_a_part() -> None:
    assert find_device("line", [*DEVICES, Device(8, "Line 2", "ALSA", 1, 8000, False)]).index == 7


@pytest.mark.parametrize("wanted", ["mic", "headset", "9", "camera", ""])
def test_a_wrong_name_lists_what_exists(wanted: str) -> None:
    with pytest.raises(AudioError, match="`streamser devices`") as caught:
        find_device(wanted, DEVICES)
    assert "2 Headset mic (ALSA)" in str(caught.value)


def test_no_microphone_or_no_default_is_said() -> None:
    with pytest.raises(AudioError, match="no microphone was found"):
        find_device(None, [])
    with pytest.raises(AudioError, match=r"no default microphone.*--device.*0 USB mic"):
        find_device(None, DEVICES[:1])


def test_inputs_are_listed(portaudio: PortAudio) -> None:
    assert list_devices() == [Device(0, "USB mic", "ALSA", 1, 16_000, True)]


def test_without_portaudio_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def find_spec(self, name: str, *rest: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    with pytest.raises(AudioError, match="libportaudio2"):
        list_devices()


def captured_by(blocks: list[tuple[float, bool]], rate: int = 1000, limit: float = 10.0) -> list[float]:
    """The seconds lost before each block of 0.1 s, by when its last sample was captured; 2 s of regular blocks come before."""
    capture = Capture(rate, limit)
    begin = time.monotonic() - 4.5
    regular = [(0.1 * (i + 1), False) for i in range(20)]
    blocks = regular + [(2.0 + end, overflow) for end, overflow in blocks]
    for end, overflow in blocks:
        times = SimpleNamespace(currentTime=time.monotonic(), inputBufferAdcTime=begin + end - 0.1)
        capture.callback(np.zeros((100, 1), np.float32), 100, times, SimpleNamespace(input_overflow=overflow))
    lost = []
    while captured := capture.get(0):
        assert captured.captured_at == pytest.approx(begin + blocks[len(lost)][0], abs=0.01)
        lost.append(captured.lost)
    assert lost[:20] == [0.0] * 20
    return lost[20:]


def test_an_overflow_counts_the_seconds_that_the_clocks_miss() -> None:
    assert captured_by([(0.1, False), (0.2, False), (0.6, True), (0.7, False)]) == pytest.approx([0, 0, 0.3, 0], abs=0.01)


def test_audio_that_is_late_beyond_doubt_is_lost_though_nothing_reported_it() -> None:
    assert captured_by([(0.1, False), (0.3, False), (0.4, False)]) == pytest.approx([0, 0, 0], abs=0.01)  # jitter
    assert captured_by([(0.1, False), (1.2, False), (1.3, False)]) == pytest.approx([0, 1.0, 0], abs=0.01)


def test_a_full_queue_drops_and_counts() -> None:
    capture = Capture(1000, limit=0.3)

    def hear(value: float) -> None:
        times = SimpleNamespace(currentTime=1.0, inputBufferAdcTime=1.0)
        capture.callback(np.full((100, 1), value, np.float32), 100, times, SimpleNamespace(input_overflow=False))

    for value in range(5):
        hear(value)
    first = capture.get(0)
    assert first is not None
    hear(5)
    kept = [first]
    while captured := capture.get(0):
        kept.append(captured)
    assert [float(one.samples[0, 0]) for one in kept] == [0, 1, 2, 5]
    assert [one.lost for one in kept] == pytest.approx([0, 0, 0, 0.2])


def listening(portaudio: PortAudio, play: Callable[[Microphone], None]) -> list[Piece]:
    """What a microphone yields while `play` runs beside it in a thread."""
    microphone = Microphone(list_devices()[0])
    player = threading.Thread(target=play, args=(microphone,))
    player.start()
    pieces = list(microphone)
    player.join()
    return pieces


def test_blocks_carry_the_time_of_their_last_sample(portaudio: PortAudio) -> None:
    heard_at: list[float] = []

    def play(microphone: Microphone) -> None:
        for _ in range(5):
            at = time.monotonic() - 0.2
            heard_at.append(at + 0.02)
            portaudio.streams[-1].hear(np.full((320, 1), 0.1, np.float32), at)
            time.sleep(0.02)
        microphone.stop()

    pieces = listening(portaudio, play)
    assert [len(piece.samples) for piece in pieces if isinstance(piece, Block)] == [320] * 5
    times = [piece.captured_at for piece in pieces if isinstance(piece, Block)]
    np.testing.assert_allclose(np.array(times, float), heard_at, atol=0.005)
    settings = portaudio.streams[0].settings
    assert (settings["device"], settings["samplerate"], settings["channels"]) == (0, 16_000, 1)


def test_a_device_taken_away_is_a_gap_and_is_opened_again(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(microphone_module, "SILENT", 0.3)
    monkeypatch.setattr(microphone_module, "BACK_OFF", (0.1,))

    def play(microphone: Microphone) -> None:
        for _ in range(10):
            portaudio.streams[0].hear(np.full((320, 1), 0.1, np.float32))
            time.sleep(0.02)
        portaudio.gone = {0, 1}
        portaudio.names = ["Other mic"]
        time.sleep(1.0)
        portaudio.names = ["Other mic", "USB mic"]  # back, at another index
        portaudio.gone = {0}
        while len(portaudio.streams) < 2:
            time.sleep(0.01)
        for _ in range(10):
            portaudio.streams[1].hear(np.full((320, 1), 0.1, np.float32))
            time.sleep(0.02)
        microphone.stop()

    begun = time.monotonic()
    pieces = listening(portaudio, play)
    took = time.monotonic() - begun
    (lost,) = [piece for piece in pieces if isinstance(piece, Lost)]
    assert lost.reason == "device"
    assert lost.seconds == pytest.approx(1.1, abs=0.25)
    assert portaudio.streams[1].settings["device"] == 1
    assert portaudio.restarts > 1
    audio = sum(len(piece.samples) for piece in pieces if isinstance(piece, Block)) / 16_000
    assert audio == pytest.approx(0.4)
    assert audio + lost.seconds == pytest.approx(took, abs=0.25)  # the time line is true
    assert "waiting for the device to come back" in caplog.text


def test_a_device_that_stays_away_is_lost_until_the_end(portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "SILENT", 0.2)
    monkeypatch.setattr(microphone_module, "BACK_OFF", (0.1,))

    def play(microphone: Microphone) -> None:
        portaudio.streams[0].hear(np.full((320, 1), 0.1, np.float32))
        portaudio.names = []
        time.sleep(1.0)
        microphone.stop()

    pieces = listening(portaudio, play)
    assert isinstance(pieces[-1], Lost)
    assert pieces[-1].seconds == pytest.approx(1.0, abs=0.2)


def test_digital_silence_is_explained_once(portaudio: PortAudio, caplog: pytest.LogCaptureFixture) -> None:
    def play(microphone: Microphone) -> None:
        for _ in range(8):
            portaudio.streams[0].hear(np.zeros((16_000, 1), np.float32))
        microphone.stop()

    listening(portaudio, play)
    assert [record.getMessage() for record in caplog.records if "digital silence" in record.getMessage()] != []
    assert len(caplog.records) == 1


def test_a_device_that_cannot_be_opened_is_said(portaudio: PortAudio) -> None:
    portaudio.gone = {0}
    with pytest.raises(AudioError, match=r"0 USB mic \(ALSA\) cannot be opened: .*Device unavailable"):
        Microphone(list_devices()[0])
