"""List the microphones; the one marked with * is the system's default."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # no options of its own


def run(args: argparse.Namespace) -> int:
    from streamser.audio.devices import list_devices
    from streamser.errors import AudioError

    devices = list_devices()
    if not devices:
        raise AudioError("no microphone was found: is one connected, and is the sound server running?")
    width = max(len(device.name) for device in devices)
    print(f"  index  {'name':<{width}}  channels  rate    host API")
    for device in devices:
        mark = "*" if device.default else " "
        print(f"{mark} {device.index:>5}  {device.name:<{width}}  {device.channels:>8}  {device.rate:<6}  {device.host_api}")
    return 0
