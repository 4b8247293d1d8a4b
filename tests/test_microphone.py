"""A microphone without hardware: what it yields while its device loses audio, is taken away and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from streamser.audio import microphone as microphone_module
from streamser.audio.devices import find_device, list_devices
from streamser.audio.microphone import Microphone
from streamser.audio.pieces import Block, Channels, Lost, Piece
from streamser.errors import AudioError
from tests.fake_portaudio import PortAudio


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device counts as gone after 0.3 s, and is looked for every 0.1 s."""
    monkeypatch.setattr(microphone_module, "SILENT", 0.3)
    monkeypatch.setattr(microphone_module, "BACK_OFF", (0.1,))
    monkeypatch.setattr(microphone_module, "CLOSING", 0.1)


def listening(portaudio: PortAudio, play: Callable[[Microphone], None], index: int = 0, channels: Channels = "mix") -> list[Piece]:
    """What a microphone yields while `play` runs beside it in a thread."""
    microphone = Microphone(list_devices()[index], channels)
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
    portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_a_device_that_stays_away_is_lost_until_the_end(portaudio: PortAudio, impatient: None) -> None:
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


def test_wasapi_is_opened_with_what_it_has_since_it_refuses_all_else(portaudio: PortAudio) -> None:
    portaudio.host_api, portaudio.channels, portaudio.rate = "Windows WASAPI", 4, 48_000
    assert Microphone(find_device(None, list_devices())).channels == 1
    settings = portaudio.streams[-1].settings
    assert (settings["channels"], settings["samplerate"]) == (4, 48_000)
    assert settings.get("extra_settings") is None  # no conversion by Windows
    portaudio.host_api = "Core Audio"
    Microphone(find_device(None, list_devices()))
    assert portaudio.streams[-1].settings["channels"] == 2


def test_a_device_that_cannot_be_opened_is_said(portaudio: PortAudio) -> None:
    portaudio.gone = {0}
    with pytest.raises(AudioError, match=r"0 USB mic \(ALSA\) cannot be opened: .*Device unavailable"):
        Microphone(list_devices()[0])


def sound(portaudio: PortAudio, blocks: int = 10, value: float = 0.1) -> None:
    """Some blocks of 20 ms into the stream that was opened last, in real time."""
    settings = portaudio.streams[-1].settings
    for _ in range(blocks):
        portaudio.streams[-1].hear(np.full((settings["samplerate"] // 50, settings["channels"]), value, np.float32))
        time.sleep(0.02)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def messages(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


def seconds(pieces: list[Piece]) -> float:
    return sum(len(piece.samples) for piece in pieces if isinstance(piece, Block)) / 16_000


def test_a_device_may_come_back_with_another_rate_and_fewer_channels(portaudio: PortAudio, impatient: None) -> None:
    portaudio.channels = 2

    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.channels, portaudio.rate = 1, 48_000
        until(lambda: len(portaudio.streams) == 2)
        sound(portaudio)
        microphone.stop()

    pieces = listening(portaudio, play)
    opened = [(stream.settings["channels"], stream.settings["samplerate"]) for stream in portaudio.streams]
    assert opened == [(2, 16_000), (1, 48_000)]
    assert all(piece.samples.shape[1] == 1 for piece in pieces if isinstance(piece, Block))
    assert seconds(pieces) == pytest.approx(0.4, abs=0.005)


def test_channels_that_were_split_are_waited_for(portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    portaudio.channels = 2

    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.channels = 1
        until(lambda: bool(messages(caplog, "it has 1 channels now, and 2 are listened to")))
        assert len(portaudio.streams) == 1
        portaudio.channels = 4
        until(lambda: len(portaudio.streams) == 2)
        sound(portaudio)
        microphone.stop()

    pieces = listening(portaudio, play, channels="split")
    assert {piece.samples.shape[1] for piece in pieces if isinstance(piece, Block)} == {2}
    assert len(messages(caplog, "channels now")) == 1  # not at every attempt


def test_of_two_devices_of_one_name_the_same_one_is_opened_again(
    portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    portaudio.names = ["USB mic", "Other mic", "USB mic"]

    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.names = ["USB mic", "Other mic"]  # whichever of the two it is
        until(lambda: bool(messages(caplog, "1 devices are called so and there were 2")))
        assert len(portaudio.streams) == 1
        portaudio.names = ["Other mic", "USB mic", "USB mic", "Line"]
        until(lambda: len(portaudio.streams) == 2)
        sound(portaudio)
        microphone.stop()

    listening(portaudio, play, index=2)
    assert [stream.settings["device"] for stream in portaudio.streams] == [2, 2]


def test_a_device_that_comes_back_under_another_name_is_not_guessed(
    portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.names = ["USB mic (2)"]
        until(lambda: bool(messages(caplog, "--device: 0 USB mic (2) (ALSA)")))
        microphone.stop()

    pieces = listening(portaudio, play)
    assert len(portaudio.streams) == 1
    assert isinstance(pieces[-1], Lost)
    assert pieces[-1].reason == "device"


def test_portaudio_that_does_not_start_again_is_tried_again(
    portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.starts = False
        until(lambda: bool(messages(caplog, "PortAudio cannot be started")))
        portaudio.starts = True
        until(lambda: len(portaudio.streams) == 2)
        sound(portaudio)
        microphone.stop()

    assert seconds(listening(portaudio, play)) == pytest.approx(0.4)


def test_a_driver_that_hangs_is_left_alone_and_hinders_no_end(
    portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    def play(microphone: Microphone) -> None:
        sound(portaudio)
        portaudio.lets_go.clear()
        until(lambda: bool(messages(caplog, "the driver has not let go of it yet")))
        assert portaudio.restarts == 0  # a restart closes what is open, and would hang as well
        microphone.stop()

    pieces = listening(portaudio, play)
    assert isinstance(pieces[-1], Lost)
    portaudio.lets_go.set()


def test_a_reader_that_is_slow_does_not_lose_the_device(portaudio: PortAudio, impatient: None) -> None:
    microphone = Microphone(list_devices()[0])
    pieces: list[Piece] = []
    player = threading.Thread(target=lambda: (sound(portaudio, 40), microphone.stop()))
    player.start()
    for piece in microphone:
        pieces.append(piece)
        if len(pieces) == 5:
            time.sleep(0.5)
    player.join()
    assert seconds(pieces) == pytest.approx(0.8)
    assert not any(isinstance(piece, Lost) for piece in pieces)


def test_what_was_dropped_at_the_end_is_told(portaudio: PortAudio) -> None:
    microphone = Microphone(list_devices()[0])
    for _ in range(12):
        portaudio.streams[0].hear(np.full((16_000, 1), 0.1, np.float32))
    microphone.stop()
    assert list(microphone) == [Lost(12.0, "overflow")]


def test_silence_after_a_return_is_explained_again(portaudio: PortAudio, impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    def play(microphone: Microphone) -> None:
        sound(portaudio)
        until(lambda: len(portaudio.streams) == 2)
        for _ in range(4):
            portaudio.streams[1].hear(np.zeros((16_000, 1), np.float32))
        microphone.stop()

    listening(portaudio, play)
    assert len(messages(caplog, "digital silence")) == 1
