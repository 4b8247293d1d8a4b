"""`python -m train transcribe MANIFEST`: fills a manifest's text with what the default pack's Whisper hears in each clip.

Emotion is learned from recognised words, errors and all, because that is what a system gets to read live (arXiv 2506.02088,
section 3.2, does the same). Stopped, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from streamser.clock import to_samples
from streamser.errors import StreamserError
from streamser.features.whisper import FRAME, Whisper
from train.corpora import read_audio
from train.corpora.manifest import Clip, read_manifest, write_manifest
from train.whisper import whisper_folder

LONGEST = to_samples(28.0)  # of a piece; Whisper hears 30 s
CUT_WITHIN = to_samples(8.0)  # before a piece's longest end, at the quietest place
QUIET = to_samples(0.2)
SILENT_TAIL = to_samples(0.5)  # the encoder misses a word that ends at its edge
LEAST_LOG_PROBABILITY = -1.5  # as the runtime judges a whole utterance


def pieces(samples: np.ndarray) -> Iterator[np.ndarray]:
    """A clip in pieces of at most 28 s, cut where it is quietest, each a float32 multiple of 320 with silence behind it."""
    while len(samples):
        end = len(samples)
        if end > LONGEST:
            first = LONGEST - CUT_WITHIN
            level = np.add.reduceat(samples[first:LONGEST] ** 2, np.arange(0, CUT_WITHIN, QUIET))
            end = first + QUIET * int(level.argmin()) + QUIET // 2
        yield np.pad(samples[:end], (0, SILENT_TAIL + -(end + SILENT_TAIL) % FRAME))
        samples = samples[end:]


def transcribe(samples: np.ndarray, whisper: Whisper, language: str | None) -> tuple[str, str]:
    """(text, language) of a clip.

    Args:
        samples: float32 [n] at 16 kHz.
        whisper: the runtime's.
        language: a code, or None to detect it in the clip's first piece.
    """
    words: list[str] = []
    for piece in pieces(samples):
        found = whisper.decode(whisper.encode(piece), language, {}, LEAST_LOG_PROBABILITY)
        language = found.language
        words += [word.text for word in found.words] + [" "]
    return " ".join("".join(words).split()), language or ""


def journal_of(output: Path) -> Path:
    """Where finished rows are kept until all are."""
    return output.with_name(f"{output.name}.part")


def finished(journal: Path, language: str) -> dict[str, tuple[str, str]]:
    """(text, language) by path, of a stopped run with the same language setting; a last line cut short is left out."""
    found: dict[str, tuple[str, str]] = {}
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if row["setting"] == language:
                found[row["path"]] = (row["text"], row["language"])
    return found


def transcribe_manifest(manifest: Path, output: Path, language: str, whisper: Whisper) -> list[Clip]:
    """Write `output`, the manifest with its text filled in; its language too where a row has none.

    Args:
        manifest: CSV as `train.corpora.manifest` describes it.
        language: a code, or `auto` to detect it clip by clip.
        whisper: the runtime's.

    Raises:
        SystemExit: the manifest or a clip cannot be read, no such language, or the output cannot be written.
    """
    clips = read_manifest(manifest, None)
    if language != "auto" and language not in whisper.languages:
        raise SystemExit(f"Whisper knows no language {language!r}: give `auto` or one of {', '.join(sorted(whisper.languages))}")
    absent = [clip.path for clip in clips if not clip.path.is_file()]
    if absent:
        raise SystemExit(f"{manifest}: {len(absent)} of {len(clips)} clips are not there, the first {absent[0]}")
    journal = journal_of(output)
    done = finished(journal, language)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lines = journal.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise SystemExit(f"{output}: cannot be written: {error.strerror}") from None
    with lines:
        lines.write("\n")  # ends a line that a crash cut short
        for clip in tqdm(clips, "transcribe", unit="clip", mininterval=2):
            path = str(clip.path)
            if path not in done:
                text, heard = transcribe(read_audio(clip.path), whisper, None if language == "auto" else language)
                done[path] = (text, heard)
                row = {"path": path, "setting": language, "text": text, "language": heard}
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    filled = [replace(clip, text=done[str(clip.path)][0], language=clip.language or done[str(clip.path)][1]) for clip in clips]
    write_manifest(output, filled)
    journal.unlink()
    return filled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("-o", "--output", type=Path, metavar="MANIFEST_OUT", help="default: NAME-transcribed.csv beside it")
    parser.add_argument("--language", default="auto", metavar="auto|CODE", help="of all clips, or detected in each (default)")


def run(args: argparse.Namespace) -> int:
    output = args.output or args.manifest.with_name(f"{args.manifest.stem}-transcribed.csv")
    if not args.manifest.is_file():
        raise SystemExit(f"{args.manifest}: no such manifest")
    try:
        whisper = Whisper(whisper_folder(), "auto")
        filled = transcribe_manifest(args.manifest, output, args.language, whisper)
    except StreamserError as error:
        raise SystemExit(str(error)) from None
    silent = sum(not clip.text for clip in filled)
    print(f"{output}: {len(filled)} clips, {silent} without words")
    return 0
