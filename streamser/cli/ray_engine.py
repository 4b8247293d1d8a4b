"""`recognize --engine ray`: the same recordings, through a Ray cluster, into the same outputs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from streamser.cli.interruption import Interruption
from streamser.cli.outputs import Outputs
from streamser.cli.progress import shows_bar
from streamser.cli.recordings import Recording
from streamser.errors import AudioError, UsageError
from streamser.sinks.names import STANDARD_INPUT

ENGINES = ("local", "ray")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", default="local", choices=ENGINES, help="ray: on all CPUs of a Ray cluster (%(default)s)")
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster that this machine is part of, or auto")


def check_engine(args: argparse.Namespace) -> None:
    """Say what the engine cannot do, before any work.

    Raises:
        UsageError: other options that do not go with it.
        StreamserError: Ray is not installed, or nothing answers at the address.
    """
    if args.engine != "ray":
        if args.address is not None:
            raise UsageError("--address is of a Ray cluster: give --engine ray with it")
        return
    if STANDARD_INPUT in args.paths:
        raise UsageError("--engine ray cannot read standard input: give files that every node can read, or addresses")
    if args.accelerator == "cuda":
        raise UsageError("--engine ray computes on CPUs: leave --accelerator cuda out")
    from streamser.cluster.nodes import check_address, quiet_ray

    quiet_ray()
    check_address(args.address)


def recognize_on_ray(
    args: argparse.Namespace,
    found: Sequence[Recording | AudioError],
    outputs: Outputs,
    options: dict[str, Any],
    labels: Sequence[str],
    made_with: dict[str, Any] | None,
) -> bool:
    """Recognise what was found, in order, as far as it is not done; whether all of it could be.

    Args:
        options: of every stream. labels: those that may come out. made_with: as in `Outputs.place`.

    Raises:
        StreamserError: the cluster cannot be joined, its nodes are not fit, or it failed.
    """
    from streamser.cli.main import print_error
    from streamser.cluster.nodes import check_nodes, connected
    from streamser.cluster.results import recognized
    from streamser.recognizer import Recognizer

    pack = str(Path(args.pack).resolve()) if Path(args.pack).is_dir() else args.pack
    load = partial(Recognizer.load, pack, accelerator="cpu")
    left = [one for one in found if isinstance(one, AudioError) or not outputs.complete(one)]
    whole = True
    with ExitStack() as opened:
        opened.enter_context(connected(args.address))
        opened.enter_context(opened.enter_context(Interruption()).reading())  # Ray has a handler of SIGTERM of its own
        check_nodes(pack)
        advance = opened.enter_context(progress(len(left), shows_bar(args.output)))
        results = None
        for number, recording in enumerate(left):
            try:
                if isinstance(recording, AudioError):
                    raise recording
                with outputs.place(recording, labels, made_with) as place, place.recording() as unfinished:
                    if unfinished and results is None:
                        paths = [one.path for one in left[number:] if isinstance(one, Recording)]
                        results = opened.enter_context(closing(recognized(paths, load, options, args.channels)))
                    events = next(results) if results is not None else iter(())
                    if unfinished:
                        for event in events:
                            place.sink.write(event)
            except AudioError as error:
                whole = False
                print_error(error)
            advance()
    return whole and not outputs.failed


@contextmanager
def progress(total: int, bar: bool) -> Iterator[Callable[[], None]]:
    """A function to be called after each recording; on standard error."""
    if not bar:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("recordings"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as display:
        task = display.add_task("", total=total)
        yield lambda: display.advance(task)
