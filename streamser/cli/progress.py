"""What `recognize` says of its progress, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamser.audio.pieces import Source


def tell(text: str) -> None:
    """One line."""
    print(f"streamser: {text}", file=sys.stderr)


def shows_bar(output: str | None) -> bool:
    """Only on a terminal, and only where results do not run through the same terminal."""
    return sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())


@contextmanager
def progress(source: Source, bar: bool, count: tuple[int, int], begun: float) -> Iterator[Callable[[float], None]]:
    """A function that is told how many seconds are done; with the time left where the length is known.

    Args:
        bar: whether to show anything.
        count: which recording it is, of how many.
        begun: seconds that were done before.
    """
    if not bar:
        yield lambda seconds: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from streamser.sinks.wording import clock

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[heard]}"), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as display:
        name = PurePath(source.name).name + (f" ({count[0]} of {count[1]})" if count[1] > 1 else "")
        task = display.add_task(name, total=source.seconds, completed=int(begun), heard=clock(begun))

        def advance(seconds: float) -> None:
            heard = max(seconds, display.tasks[0].completed)  # an utterance ends before the step that found its end
            display.update(task, completed=heard, heard=clock(heard))

        yield advance
