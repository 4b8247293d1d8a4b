"""The options that `listen` and `recognize` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from streamser.errors import UsageError

if TYPE_CHECKING:
    from streamser.speaker_history import SpeakerStatistics


def add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pack", default="default", metavar="PACK", help="a pack's name or folder (%(default)s)")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")
    parser.add_argument("--step", type=float, metavar="S", help="seconds between rolling labels (the pack's)")
    parser.add_argument("--window", type=float, metavar="S", help="seconds of the past that are heard (the pack's)")
    parser.add_argument("--delay", type=float, metavar="S", help="longest wait for a stable label (the pack's)")
    parser.add_argument("--language", default="auto", metavar="CODE", help="auto, or a code such as en (%(default)s)")
    parser.add_argument("--no-transcript", action="store_true", help="judge the voice alone, without its words")
    parser.add_argument("--words", action="store_true", help="give each utterance its words' times")
    parser.add_argument("--labels", metavar="A,B,C", help="choose among these labels only")
    parser.add_argument("--enrolment", metavar="NAME|FILE", help="of who speaks, from `streamser enrol`")
    parser.add_argument("--channels", default="mix", choices=("mix", "split"), help="one time line, or one a channel (%(default)s)")


def enrolment(args: argparse.Namespace) -> SpeakerStatistics | None:
    """The person that --enrolment names.

    Raises:
        UsageError: nobody of that name, or a file that cannot be read.
    """
    if args.enrolment is None:
        return None
    from streamser.enrolment_files import find_enrolment

    return find_enrolment(args.enrolment)


def stream_options(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `Recognizer.stream`.

    Raises:
        UsageError: options that contradict each other.
    """
    if args.words and args.no_transcript:
        raise UsageError("--words needs the transcript that --no-transcript turns off")
    labels = None
    if args.labels is not None:
        labels = tuple(label.strip() for label in args.labels.split(",") if label.strip())
        if not labels:
            raise UsageError("--labels names no label: give some of the pack's, as in --labels neutral,anger")
    return {
        "step": args.step,
        "window": args.window,
        "delay": args.delay,
        "language": args.language,
        "transcript": not args.no_transcript,
        "words": args.words,
        "labels": labels,
    }
