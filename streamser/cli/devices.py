"""List the microphones; the one marked with * is the system's default. Or watch the level of one."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from streamser.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamser.audio.microphone import Microphone

DEFAULT = ""
QUIETEST = -60.0  # dB: the meter's left end
WIDTH = 40
CLIPPED = 0.999  # of full scale
REDRAWN, LINE = 0.1, 1.0  # seconds a reading, on a terminal and elsewhere


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meter", nargs="?", const=DEFAULT, metavar="N|NAME", help="watch a microphone's level until Ctrl-C")
    parser.add_argument("--seconds", type=float, metavar="S", help="end the meter after so many seconds")


def run(args: argparse.Namespace) -> int:
    from streamser.audio.devices import list_devices
    from streamser.errors import AudioError

    if args.seconds is not None and (args.meter is None or not args.seconds > 0):
        raise UsageError("--seconds is how long --meter shall run: give both, and more than 0")
    devices = list_devices()
    if not devices:
        raise AudioError("no microphone was found: is one connected, and is the sound server running?")
    if args.meter is not None:
        return meter(args.meter or None, args.seconds)
    width = max(len(device.name) for device in devices)
    print(f"  index  {'name':<{width}}  channels  rate    host API")
    for device in devices:
        mark = "*" if device.default else " "
        print(f"{mark} {device.index:>5}  {device.name:<{width}}  {device.channels:>8}  {device.rate:<6}  {device.host_api}")
    return 0


def meter(wanted: str | None, seconds: float | None) -> int:
    """One line that moves on a terminal, a line a second elsewhere."""
    from streamser.audio.devices import find_device, list_devices
    from streamser.audio.microphone import Microphone
    from streamser.cli.listen import ended_by_signals

    device = find_device(wanted, list_devices())
    moving = sys.stdout.isatty()
    print(f"streamser: the level of {device}, RMS and peak in dB of full scale; Ctrl-C ends", file=sys.stderr)
    with closing(Microphone(device)) as microphone, ended_by_signals(microphone, seconds):
        for rms, peak in readings(microphone, REDRAWN if moving else LINE):
            line = meter_line(rms, peak)
            print(f"\r{line}" if moving else line, end="" if moving else "\n", flush=True)
    if moving:
        print()
    return 0


def readings(microphone: Microphone, every: float) -> Iterator[tuple[float | None, float]]:
    """(RMS level in dB, None in digital silence; largest absolute sample) of every so many seconds of a mixed microphone."""
    import numpy as np

    from streamser.audio.level import Level
    from streamser.audio.pieces import Block
    from streamser.clock import to_samples

    level, peak, count = Level(), 0.0, 0
    for piece in microphone:
        if not isinstance(piece, Block):
            continue
        samples = piece.samples[:, 0]
        level.add(samples)
        peak, count = max(peak, float(np.abs(samples).max(initial=0.0))), count + len(samples)
        if count >= to_samples(every):
            yield level.take(), peak
            peak, count = 0.0, 0


def meter_line(rms: float | None, peak: float) -> str:
    """A reading as a bar and figures, of one length whatever it says."""
    import math

    if rms is None:
        return f"[{'':{WIDTH}}]  digital silence: muted, or not allowed?"
    filled = round(WIDTH * min(max((rms - QUIETEST) / -QUIETEST, 0.0), 1.0))
    loudest = f"{20 * math.log10(peak):6.1f}" if peak > 0 else "  -inf"
    told = "CLIPPED: turn the input down" if peak >= CLIPPED else ""
    return f"[{'#' * filled:{WIDTH}}] {rms:6.1f} dB, peak {loudest} dB  {told:<28}"
