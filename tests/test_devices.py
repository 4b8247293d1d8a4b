"""Microphones without hardware: choosing one, and no PortAudio at all."""

from __future__ import annotations

import sys

import pytest

from streamser.audio.devices import Device, find_device, list_devices
from streamser.errors import AudioError
from tests.fake_portaudio import PortAudio

DEVICES = [
    Device(0, "USB mic", "ALSA", 1, 48_000, False),
    Device(2, "Headset mic", "ALSA", 1, 44_100, True),
    Device(3, "Headset mic", "JACK", 1, 44_100, False),
    Device(7, "Line", "ALSA", 2, 44_100, False),
]


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
