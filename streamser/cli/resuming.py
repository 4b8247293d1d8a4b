"""Whether `--resume` makes sense, and whether it is the same work that goes on."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamser import __version__
from streamser.errors import UsageError
from streamser.sinks.formats import FORMATS
from streamser.sinks.names import STANDARD_INPUT

if TYPE_CHECKING:
    from streamser.recognizer import Recognizer
    from streamser.speaker_history import SpeakerStatistics

APART = ("verb", "run", "paths", "output", "resume", "force", "address")  # the recordings are compared by themselves


def check_resume(args: argparse.Namespace) -> None:
    """Say if there can be nothing to go on with.

    Raises:
        UsageError: there cannot.
    """
    if args.force:
        raise UsageError("--resume goes on with what is there and --force starts again: give one of them")
    if FORMATS[args.format].made_at_end:
        raise UsageError(f"--format {args.format} is made at the end, so no part of it is there to go on with: leave --resume out")
    if args.output is None:
        raise UsageError("--resume goes on with a file: say which, with -o")
    if STANDARD_INPUT in args.paths:
        raise UsageError("--resume hears a recording again up to where it was left, and standard input comes only once")
    if Path(args.output).exists() and not Path(args.output).is_file() and not Path(args.output).is_dir():
        raise UsageError(f"--resume goes on with a file, and {args.output} is none")


def everything_given(args: argparse.Namespace, recognizer: Recognizer, known: SpeakerStatistics | None) -> dict[str, Any]:
    """What the content of an output depends on besides the recordings, by option: a part of it goes on only with the same."""
    from streamser.packs.manifest import MANIFEST_FILE
    from streamser.sessions import resolve_accelerator

    given = {f"--{name.replace('_', '-')}": value for name, value in vars(args).items() if name not in APART}
    voice = hashlib.sha256()
    if known is not None:
        for part in (known.mean, known.square, known.voice):
            voice.update(part.tobytes())
    return given | {
        "--accelerator": resolve_accelerator(args.accelerator),
        "--enrolment": f"of SHA-256 {voice.hexdigest()}" if known is not None else None,
        "a pack of SHA-256": hashlib.sha256((recognizer.pack.folder / MANIFEST_FILE).read_bytes()).hexdigest(),
        "streamser": __version__,
    }
