"""The command's entry: arguments, errors as one line on standard error, exit codes."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from streamser import __version__
from streamser.errors import StreamserError, UsageError
from streamser.sinks.output import ReaderGoneError, silence_standard_output

# Each is a module of streamser.cli; the text stands in the list of commands.
VERBS = {
    "listen": "recognise a microphone, live",
    "recognize": "recognise recordings, addresses or standard input",
    "enrol": "remember how a person ordinarily sounds",
    "devices": "list the microphones, or watch their level",
    "packs": "list, show and verify model packs",
    "check": "say whether this installation works, and how to mend it",
}
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Reports a wrong argument as every other error is reported."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (`{self.prog} --help` shows the options)")


class WarningLines(logging.Handler):
    """Warnings as lines on whatever standard error is at the moment: the live display puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"streamser: warning: {record.getMessage()}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="streamser", description="Streaming speech emotion recognition: an estimate of what a voice expresses.")
    parser.add_argument("--version", action="version", version=f"streamser {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb, text in VERBS.items():
        module = importlib.import_module(f"streamser.cli.{verb}")
        one = verbs.add_parser(verb, help=text, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 done, 2 wrong usage, 130 interrupted, 1 anything else."""
    package_log = logging.getLogger("streamser")
    if not package_log.handlers:
        package_log.addHandler(WarningLines())
        package_log.propagate = False
    try:
        args = build_parser().parse_args(argv)
        code: int = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except (ReaderGoneError, BrokenPipeError):
        silence_standard_output()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except StreamserError as error:
        print_error(error)
        return 2 if isinstance(error, UsageError) else 1


def print_error(error: StreamserError) -> None:
    """One line on standard error."""
    print(f"streamser: {' '.join(str(error).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
