"""Remember how a person ordinarily sounds, for `--enrolment NAME`. Statistics are kept, never audio."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from streamser.cli.progress import tell
from streamser.errors import UsageError

if TYPE_CHECKING:
    from streamser.audio.pieces import Source

WANTED = 20.0  # seconds of speech, after which recording ends by itself
SAID_EVERY = 5.0  # seconds of speech, where standard error is no terminal
NOTE = "speak as you usually do, about ordinary things, until it ends by itself or you press Ctrl-C; no audio is kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the person")
    parser.add_argument("--from", dest="recording", metavar="FILE", help="a recording of that person alone, speaking as usual")
    parser.add_argument("--device", metavar="N|NAME", help="the microphone: its index or a unique part of its name (the system's)")
    parser.add_argument("--list", action="store_true", help="who is enrolled")
    parser.add_argument("--remove", action="store_true", help="forget NAME")
    parser.add_argument("--force", action="store_true", help="make an enrolment again")
    parser.add_argument("--pack", default="default", metavar="PACK", help="the pack it is for: a name or folder (%(default)s)")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    from streamser.enrolment_files import remove_enrolment

    if args.list:
        if args.name or args.remove or args.recording or args.device:
            raise UsageError("--list stands alone: `streamser enrol --list`")
        return list_enrolled()
    if args.name is None:
        raise UsageError("whom? Give a NAME, as in `streamser enrol anna`, or --list")
    if args.remove:
        if args.recording or args.device:
            raise UsageError("--remove takes a NAME only: `streamser enrol anna --remove`")
        remove_enrolment(args.name)
        print(f"{args.name} is forgotten")
        return 0
    if args.recording and args.device:
        raise UsageError("--from and --device exclude each other: a recording, or the microphone")
    return enrol(args)


def list_enrolled() -> int:
    from streamser.enrolment_files import stored_enrolments
    from streamser.speaker_history import SpeakerStatistics

    stored = list(stored_enrolments())
    if not stored:
        tell("nobody is enrolled; `streamser enrol NAME` does it")
    for one in stored:
        try:
            found = SpeakerStatistics.load(one.path)
            what = f"{found.seconds:.0f} s of speech  for {found.pack}"
        except UsageError:
            what = "cannot be read: enrol again"
        print(f"{one.name}  {one.made:%Y-%m-%d}  {what}")
    return 0


def enrol(args: argparse.Namespace) -> int:
    from streamser.audio.file import open_file
    from streamser.enrolment_files import check_free, keep_enrolment
    from streamser.recognizer import Recognizer

    check_free(args.name, args.force)
    recognizer = Recognizer.load(args.pack, accelerator=args.accelerator)
    enrolment = recognizer.enrolment()
    with ExitStack() as stack:
        source: Source = open_file(args.recording) if args.recording else open_microphone(args.device, stack)
        stack.callback(source.close)
        with counter(None if args.recording else WANTED) as count:
            for seconds in enrolment.hear(source):
                count(seconds)
                if seconds >= WANTED and not args.recording:
                    break
    statistics = enrolment.statistics()
    path = keep_enrolment(args.name, statistics, args.force)
    print(f"{args.name} is enrolled with {statistics.seconds:.0f} s of speech: {path}")
    return 0


def open_microphone(wanted: str | None, stack: ExitStack) -> Source:
    """The microphone, which Ctrl-C stops."""
    from streamser.audio.devices import find_device, list_devices
    from streamser.audio.microphone import Microphone
    from streamser.cli.listen import ended_by_signals

    device = find_device(wanted, list_devices())
    microphone = Microphone(device)
    stack.enter_context(ended_by_signals(microphone, None))
    tell(f"listening to {device}: {NOTE}")
    return microphone


@contextmanager
def counter(wanted: float | None) -> Iterator[Callable[[float], None]]:
    """A function that is told how many seconds of speech were heard, and says so on standard error: a bar on a terminal, now and
    then a line elsewhere.

    wanted: how many end it; None says nothing elsewhere.
    """
    from rich.console import Console

    said = 0.0

    def line(seconds: float) -> None:
        nonlocal said
        if wanted is not None and seconds >= said + SAID_EVERY:
            said = seconds - seconds % SAID_EVERY
            tell(f"{seconds:.0f} of {wanted:.0f} s of speech")

    console = Console(stderr=True)
    if not console.is_terminal:
        yield line
        return
    from rich.progress import BarColumn, Progress, TextColumn

    of = "" if wanted is None else f" of {wanted:.0f}"
    columns = (TextColumn("speech"), BarColumn(), TextColumn(f"{{task.completed:.0f}}{of} s"))
    with Progress(*columns, console=console) as display:
        task = display.add_task("", total=wanted)
        yield lambda seconds: display.update(task, completed=seconds)
