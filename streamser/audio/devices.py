"""The microphones that PortAudio sees, and the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from streamser.errors import AudioError


@dataclass(frozen=True)
class Device:
    """An input device. `rate` is its native one, in samples a second; `default` marks the system's choice."""

    index: int
    name: str
    host_api: str
    channels: int
    rate: int
    default: bool

    def __str__(self) -> str:
        return f"{self.index} {self.name} ({self.host_api})"


def sounddevice_module() -> ModuleType:
    """The `sounddevice` package, imported only when a device is wanted: everything else works without PortAudio.

    Raises:
        AudioError: PortAudio is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise AudioError(
            "PortAudio, which microphones need, is not installed: `apt install libportaudio2` on Debian and Ubuntu, "
            "`dnf install portaudio` on Fedora"
        ) from error
    return sounddevice


def list_devices() -> list[Device]:
    """All devices with an input, by index.

    Raises:
        AudioError: PortAudio is not installed or fails.
    """
    sounddevice = sounddevice_module()
    try:
        found = sounddevice.query_devices()
        apis = [api["name"] for api in sounddevice.query_hostapis()]
    except sounddevice.PortAudioError as error:
        raise AudioError(f"PortAudio cannot list the devices: {error}") from error
    default = sounddevice.default.device[0]
    return [
        Device(
            index=index,
            name=device["name"],
            host_api=apis[device["hostapi"]],
            channels=device["max_input_channels"],
            rate=round(device["default_samplerate"]),
            default=index == default,
        )
        for index, device in enumerate(found)
        if device["max_input_channels"] > 0
    ]


def find_device(wanted: str | None, devices: list[Device]) -> Device:
    """The device with that index, or with that text in its name and host API, or the default one for None.

    Raises:
        AudioError: none, or several; the message lists them.
    """
    if not devices:
        raise AudioError("no microphone was found; `streamser devices` lists what the system offers")
    listing = "; ".join(map(str, devices))
    if wanted is None:
        for device in devices:
            if device.default:
                return device
        raise AudioError(f"the system has no default microphone: choose one with --device (`streamser devices`): {listing}")
    if wanted.isdecimal():
        for device in devices:
            if device.index == int(wanted):
                return device
    text = wanted.casefold()
    matches = [d for d in devices if d.name.casefold() == text]
    matches = matches or [d for d in devices if text in f"{d.name}, {d.host_api}".casefold()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        several = "; ".join(map(str, matches))
        raise AudioError(f"several microphones match {wanted!r} (`streamser devices` lists all): {several}")
    raise AudioError(f"no microphone matches {wanted!r} (`streamser devices` lists all): {listing}")
