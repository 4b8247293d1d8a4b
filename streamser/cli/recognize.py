"""Recognise recordings (any file, folder or address that PyAV reads) or standard input (`-`), event by event."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamser.cli.options import add_common_options, stream_options
from streamser.errors import AudioError, UsageError

if TYPE_CHECKING:
    from streamser.audio.pieces import Source
    from streamser.audio.pipe import RawFormat
    from streamser.recognizer import Recognizer
    from streamser.sinks import Sink

STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH|URL|-", help="recordings, folders, addresses; - is standard input")
    parser.add_argument("--format", default="jsonl", choices=("jsonl", "csv"), help="(%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")
    parser.add_argument("--raw", metavar="ENCODING:RATE:CHANNELS", help="standard input is raw samples, as in s16le:16000:1")
    add_common_options(parser)


def run(args: argparse.Namespace) -> int:
    from streamser.audio.pipe import RawFormat
    from streamser.cli.main import print_error
    from streamser.recognizer import Recognizer
    from streamser.sinks.csv import CsvRows
    from streamser.sinks.jsonl import JsonLines
    from streamser.sinks.output import Output

    options = stream_options(args)
    raw = RawFormat.parse(args.raw) if args.raw else None
    if raw and STANDARD_INPUT not in args.paths:
        raise UsageError("--raw describes standard input: give - as the path, as in `streamser recognize - --raw s16le:16000:1`")
    if args.paths.count(STANDARD_INPUT) > 1:
        raise UsageError("- can be given only once: there is one standard input")
    with closing(Output(args.output, args.force)) as output:
        recognizer = Recognizer.load(args.pack, accelerator=args.accelerator)
        labels = recognizer.settings(**options).subset
        sink: Sink = (
            JsonLines(output) if args.format == "jsonl" else CsvRows(output, [recognizer.ensemble.labels[i] for i in labels])
        )
        failed = False
        for path in expanded(args.paths):
            try:
                if isinstance(path, AudioError):
                    raise path
                recognize_one(recognizer, open_source(path, raw, args.channels), options, sink, bar=shows_bar(args))
            except AudioError as error:
                failed = True
                print_error(error)
    return 1 if failed else 0


def expanded(paths: list[str]) -> Iterator[str | AudioError]:
    """Every recording that the paths stand for, folders opened; what is wrong with a folder comes in its place."""
    from streamser.audio.file import expand

    for path in paths:
        try:
            yield from [path] if path == STANDARD_INPUT else expand(path)
        except AudioError as error:
            yield error


def open_source(path: str, raw: RawFormat | None, channels: Any) -> Source:
    from streamser.audio.file import open_file
    from streamser.audio.pipe import open_pipe

    return open_pipe(raw=raw, channels=channels) if path == STANDARD_INPUT else open_file(path, channels)


def recognize_one(recognizer: Recognizer, source: Source, options: dict[str, Any], sink: Sink, bar: bool) -> None:
    from streamser.recording import recognize_source

    streams = [recognizer.stream(source=source.name, channel=channel, **options) for channel in range(source.channels)]
    with progress(source, bar) as advance:
        for event in recognize_source(source, streams):
            sink.write(event)
            advance(event.end)


def shows_bar(args: argparse.Namespace) -> bool:
    """Only on a terminal, and only where results do not run through the same terminal."""
    return sys.stderr.isatty() and (args.output is not None or not sys.stdout.isatty())


@contextmanager
def progress(source: Source, bar: bool) -> Iterator[Any]:
    """A function that is told how many seconds are done; on standard error, with the time left where the length is known."""
    if not bar:
        yield lambda seconds: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from streamser.sinks.live import clock

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[heard]}"), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as display:
        task = display.add_task(Path(source.name).name, total=source.seconds, heard="")

        def advance(seconds: float) -> None:
            heard = max(seconds, display.tasks[0].completed)  # an utterance ends before the step that found its end
            display.update(task, completed=heard, heard=clock(heard))

        yield advance
