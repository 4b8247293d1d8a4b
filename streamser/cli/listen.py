"""Recognise a microphone, live, until Ctrl-C. Audio is not stored."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from streamser.cli.options import add_common_options, enrolment, stream_options
from streamser.errors import UsageError
from streamser.sinks.wording import NOTES

if TYPE_CHECKING:
    from streamser.audio.microphone import Microphone
    from streamser.sinks import Sink


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", metavar="N|NAME", help="the microphone: its index or a unique part of its name (the system's default)"
    )
    parser.add_argument("--format", default="live", choices=("live", "jsonl"), help="(%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="JSON Lines go there; beside the display with --format live")
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds instead of at Ctrl-C")
    add_common_options(parser)


def run(args: argparse.Namespace) -> int:
    from streamser.audio.devices import find_device, list_devices
    from streamser.audio.microphone import Microphone
    from streamser.recognizer import Recognizer
    from streamser.recording import recognize_source

    options, known = stream_options(args), enrolment(args)
    if args.seconds is not None and not args.seconds > 0:
        raise UsageError(f"--seconds {args.seconds:g} is not a length of time")
    device = find_device(args.device, list_devices())
    with ExitStack() as stack:
        files = open_files(args, stack)
        recognizer = Recognizer.load(args.pack, accelerator=args.accelerator)
        settings = recognizer.settings(**options)
        labels = [recognizer.ensemble.labels[label] for label in settings.subset]
        microphone = Microphone(device, args.channels)
        stack.callback(microphone.close)
        stack.enter_context(ended_by_signals(microphone, args.seconds))
        streams = [
            recognizer.stream(source=microphone.name, channel=channel, enrolment=known, **options)
            for channel in range(microphone.channels)
        ]
        screen = open_screen(args, labels, microphone.channels, stack)
        if not shows_note(screen):
            print(f"streamser: listening to {device}; Ctrl-C ends. {NOTES[0]}", file=sys.stderr)
        for event in recognize_source(microphone, streams):
            for sink in files + screen:
                sink.write(event)
    return 0


def open_files(args: argparse.Namespace, stack: ExitStack) -> list[Sink]:
    """The sinks that may turn out not to be writable: opened before any work."""
    from streamser.sinks.jsonl import JsonLines
    from streamser.sinks.output import Output

    if args.output is None and args.format == "live":
        return []
    lines = JsonLines(Output(args.output, args.force))
    stack.callback(lines.close)
    return [lines]


def open_screen(args: argparse.Namespace, labels: Sequence[str], channels: int, stack: ExitStack) -> list[Sink]:
    """The live display, with a bar for each label that may come out."""
    from rich.console import Console

    from streamser.sinks.live import open_live

    if args.format != "live":
        return []
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack letters that were said
    screen = open_live(Console(), labels, channels)
    stack.callback(screen.close)
    return [screen]


def shows_note(sinks: list[Sink]) -> bool:
    """Whether the screen itself says what labels are, and how to end."""
    from streamser.sinks.live import LiveScreen

    return any(isinstance(sink, LiveScreen) for sink in sinks)


@contextmanager
def ended_by_signals(microphone: Microphone, seconds: float | None) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the end of `seconds` stop the microphone; a second Ctrl-C interrupts whatever goes on."""

    def stop(number: int, frame: FrameType | None) -> None:
        microphone.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    timer = threading.Timer(seconds, microphone.stop) if seconds else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
