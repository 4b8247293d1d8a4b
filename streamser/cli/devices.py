"""List the microphones; the one marked with * is the system's default. Or watch the level of one."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from streamser.errors import UsageError

DEFAULT = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meter", nargs="?", const=DEFAULT, metavar="N|NAME", help="watch a microphone's level until Ctrl-C")
    parser.add_argument("--seconds", type=float, metavar="S", help="end the meter after so many seconds")


def run(args: argparse.Namespace) -> int:
    from streamser.audio.devices import list_devices
    from streamser.errors import AudioError
    from streamser.sinks.wording import one_line

    if args.seconds is not None and (args.meter is None or not args.seconds > 0):
        raise UsageError("--seconds is how long --meter shall run: give both, and more than 0")
    devices = list_devices()
    if not devices:
        raise AudioError("no microphone was found: is one connected, and is the sound server running?")
    if args.meter is not None:
        return meter(args.meter or None, args.seconds)
    names = [one_line(device.name) for device in devices]  # some Windows drivers put line ends into theirs
    width = max(map(len, names))
    print(f"  index  {'name':<{width}}  channels  rate    host API")
    for device, name in zip(devices, names, strict=True):
        mark = "*" if device.default else " "
        print(f"{mark} {device.index:>5}  {name:<{width}}  {device.channels:>8}  {device.rate:<6}  {device.host_api}")
    return 0


def meter(wanted: str | None, seconds: float | None) -> int:
    from rich.console import Console

    from streamser.audio.devices import find_device, list_devices
    from streamser.audio.microphone import Microphone
    from streamser.cli.listen import ended_by_signals
    from streamser.cli.meter import show
    from streamser.sinks.wording import one_line

    device = find_device(wanted, list_devices())
    with closing(Microphone(device, "split")) as microphone, ended_by_signals(microphone, seconds):
        each = f", a line for each of {microphone.channels} channels" if microphone.channels > 1 else ""
        note = f"the level of {one_line(str(device))}, RMS and peak in dB of full scale{each}; Ctrl-C ends"
        print(f"streamser: {note}", file=sys.stderr)
        show(microphone, Console())
    return 0
