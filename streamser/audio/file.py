"""Recordings: any file or address that PyAV reads, streamed block by block."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import av

from streamser.audio.decode import BLOCK, Decoded, declared_seconds, reason
from streamser.audio.pieces import Channels
from streamser.errors import AudioError

# What a folder is searched for; a file that is named itself is opened whatever its name is.
SUFFIXES = {"aac", "ac3", "aif", "aiff", "amr", "au", "caf", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "oga", "ogg"}
SUFFIXES |= {"opus", "w64", "wav", "weba", "wma", "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "webm"}
# Formats whose header says the length exactly, so that a shorter one was cut off. Others estimate it from the bit rate.
EXACT_LENGTH = frozenset({"flac", "aiff", "au", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
WHOLE_BLOCK = 10.0  # seconds of a file that are handed on at once: within them, steps are heard ahead of those that are judged
OPEN_TIMEOUT, READ_TIMEOUT = 10.0, 30.0  # seconds, for addresses


def is_address(path: str) -> bool:
    return "://" in path


def expand(path: str) -> list[str]:
    """The recordings that a path stands for: itself, or all under a folder with a recording's suffix, in order.

    Raises:
        AudioError: a folder without recordings.
    """
    if is_address(path) or not Path(path).is_dir():
        return [path]
    found = sorted(p for p in Path(path).rglob("*") if p.suffix.lower()[1:] in SUFFIXES and p.is_file())
    if not found:
        raise AudioError(f"{path}: a directory without audio files")
    return [str(p) for p in found]


def open_file(path: str | os.PathLike[str], channels: Channels = "mix", name: str | None = None) -> Decoded:
    """Open a recording.

    Args:
        path: a file, or an address (`https://...`, `rtsp://...`) that PyAV opens.
        channels: `mix` for the mean of all channels, `split` for one column a channel.
        name: what events call it; by default the path as given.

    Raises:
        AudioError: missing, unreadable, a directory, empty, not audio, or shorter than 0.1 s.
    """
    path = os.fspath(path)
    name = name or path
    if not is_address(path):
        check_file(path, name)
    try:
        container = av.open(path, timeout=(OPEN_TIMEOUT, READ_TIMEOUT) if is_address(path) else None)
    except av.error.InvalidDataError as error:
        raise AudioError(f"{name}: not audio, or damaged, or in a format that is not known") from error
    except av.error.FFmpegError as error:
        raise AudioError(f"{name}: cannot be opened: {reason(error)}") from error

    def shortfall(decoded: float) -> float:
        return missing_seconds(path, container, decoded)

    return Decoded(container, name, channels, shortfall, BLOCK if arrives(path) else WHOLE_BLOCK)


def arrives(path: str) -> bool:
    """Whether what it holds may come as slowly as it is spoken: an address, a named pipe, a device."""
    return is_address(path) or not Path(path).is_file()


def check_file(path: str, name: str) -> None:
    """Say what is wrong with a file that cannot be opened, in words.

    Raises:
        AudioError: missing, a directory, unreadable or empty.
    """
    try:
        with Path(path).open("rb") as file:
            if Path(path).is_file() and not file.read(1):
                raise AudioError(f"{name}: an empty file")
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise AudioError(f"{name}: a directory, not a recording") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def missing_seconds(path: str, container: av.container.InputContainer, decoded: float) -> float:
    """The seconds that a recording's header promises beyond those decoded; 0.0 where it promises none for certain."""
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream):
        return 0.0
    kind = container.format.name
    if kind == "wav" and not is_address(path):
        # FFmpeg takes the length from the file's size; the header has what was meant to be there.
        with Path(path).open("rb") as file:
            missing_bytes = wav_missing_bytes(file)
        bytes_a_second = (stream.bit_rate or 0) / 8
        return missing_bytes / bytes_a_second if bytes_a_second else 0.0
    # An MP3 with an encoder's own header has a start time, and then an exact length.
    exact = kind in EXACT_LENGTH or (kind == "mp3" and bool(stream.start_time))
    # Matroska gives the length of the longest track only.
    if kind == "matroska,webm" and len(container.streams) > 1:
        exact = False
    declared = declared_seconds(container, stream)
    if not exact or declared is None:
        return 0.0
    missing = declared - decoded
    return missing if missing > max(0.25, 0.01 * declared) else 0.0


def wav_missing_bytes(file: BinaryIO) -> int:
    """How many bytes of a WAV file's `data` chunk lie beyond its end (writers that stream leave 0xFFFFFFFF: none)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) != b"RIFF":
        return 0
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return 0 if length >= 0xFFFFFF00 else max(0, file.tell() + length - size)
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0
