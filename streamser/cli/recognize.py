"""Recognise recordings (any file, folder or address that PyAV reads) or standard input (`-`), event by event."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, Any

from streamser.cli.interruption import Interruption
from streamser.cli.options import add_common_options, enrolment, stream_options
from streamser.cli.progress import progress, shows_bar, tell
from streamser.cli.ray_engine import add_engine_options, check_engine, recognize_on_ray
from streamser.cli.recordings import Recording, expanded
from streamser.cli.resuming import check_resume, everything_given
from streamser.errors import AudioError, UsageError
from streamser.sinks.formats import FORMATS
from streamser.sinks.names import STANDARD_INPUT

if TYPE_CHECKING:
    from streamser.audio.pieces import Source
    from streamser.audio.pipe import RawFormat
    from streamser.cli.outputs import Place
    from streamser.recognizer import Recognizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH|URL|-", help="recordings, folders, addresses; - is standard input")
    parser.add_argument("--format", default="jsonl", choices=tuple(FORMATS), help="(%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE|FOLDER/", help="write there; in a folder, one file a recording")
    parser.add_argument("--resume", action="store_true", help="go on with an output that was broken off")
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")
    parser.add_argument("--raw", metavar="ENCODING:RATE:CHANNELS", help="standard input is raw samples, as in s16le:16000:1")
    add_engine_options(parser)
    add_common_options(parser)


def run(args: argparse.Namespace) -> int:
    from streamser.audio.pipe import RawFormat
    from streamser.cli.main import print_error
    from streamser.cli.outputs import Outputs
    from streamser.recognizer import Recognizer

    options, known = stream_options(args), enrolment(args)
    raw = RawFormat.parse(args.raw) if args.raw else None
    if raw and STANDARD_INPUT not in args.paths:
        raise UsageError("--raw describes standard input: give - as the path, as in `streamser recognize - --raw s16le:16000:1`")
    if args.paths.count(STANDARD_INPUT) > 1:
        raise UsageError("- can be given only once: there is one standard input")
    check_engine(args)
    if args.resume:
        check_resume(args)
    found = list(expanded(args.paths))
    recordings = [one for one in found if isinstance(one, Recording)]
    with Outputs(FORMATS[args.format], args.output, args.force, recordings, args.resume) as outputs:
        complete = {recording: path for recording in recordings if (path := outputs.complete(recording))}
        for path in dict.fromkeys(complete.values()):
            tell(f"{path} is complete")
        if recordings and len(complete) == len(recordings):
            return 0
        recognizer = Recognizer.load(args.pack, accelerator=args.accelerator)
        labels = [recognizer.ensemble.labels[label] for label in recognizer.settings(**options).subset]
        made_with = None if STANDARD_INPUT in args.paths else everything_given(args, recognizer, known)
        if args.engine == "ray":
            return 0 if recognize_on_ray(args, found, outputs, {**options, "enrolment": known}, labels, made_with) else 1
        failed, done = False, 0
        for recording in found:
            try:
                if isinstance(recording, AudioError):
                    raise recording
                done += 1
                if recording in complete:
                    continue
                with outputs.place(recording, labels, made_with) as place, place.recording() as unfinished:
                    if unfinished:
                        source = open_source(recording.path, raw, args.channels)
                        count = (done, len(recordings))
                        recognize_one(recognizer, source, {**options, "enrolment": known}, place, shows_bar(args.output), count)
            except AudioError as error:
                failed = True
                print_error(error)
    return 1 if failed or outputs.failed else 0


def open_source(path: str, raw: RawFormat | None, channels: Any) -> Source:
    from streamser.audio.file import open_file
    from streamser.audio.pipe import open_pipe

    return open_pipe(raw=raw, channels=channels) if path == STANDARD_INPUT else open_file(path, channels)


def recognize_one(
    recognizer: Recognizer, source: Source, options: dict[str, Any], place: Place, bar: bool, count: tuple[int, int]
) -> None:
    """Judge a recording, or the rest of it. Ctrl-C and SIGTERM leave its output with whole lines, from which it can go on."""
    from streamser.audio.recollection import Position
    from streamser.audio.watched import Watched
    from streamser.recording import recognize_source

    streams = [recognizer.stream(source=source.name, channel=channel, **options) for channel in range(source.channels)]
    with closing(source), Interruption() as interruption:
        if place.journal is not None:
            rest, begun = place.journal.watched(source, streams, interruption)
        else:
            rest, begun = Watched(source, Position(), interruption.reading), 0.0
        with progress(source, bar, count, begun) as advance:
            for event in recognize_source(rest, streams):
                place.sink.write(event)
                advance(event.end)
