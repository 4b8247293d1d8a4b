"""Standard input, recognised while it flows: a container that PyAV recognises, or raw samples whose format is said."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np

from streamser.audio.decode import SHORTEST, Decoded, reason
from streamser.audio.pieces import Block, Channels, Piece
from streamser.audio.resample import Resampler, scaled
from streamser.errors import AudioError, UsageError

ENCODINGS = {"u8": "<u1", "s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}
# Bytes within which a format must show itself: by default FFmpeg would wait for seconds of audio before the first event.
# Its WAV reader always takes 64 kB, so a smaller number gains nothing.
PROBE = {"probesize": "65536"}
READ = 32_768  # bytes at most a read; a read returns what is there


@dataclass(frozen=True)
class RawFormat:
    """Samples without a container: encoding, samples a second, interleaved channels."""

    encoding: str
    rate: int
    channels: int

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Read `s16le:RATE:CHANNELS`.

        Raises:
            UsageError: anything else.
        """
        encoding, _, rest = text.partition(":")
        rate, _, channels = rest.partition(":")
        known = ", ".join(ENCODINGS)
        if encoding not in ENCODINGS or not rate.isdecimal() or not channels.isdecimal():
            raise UsageError(f"--raw {text}: expected ENCODING:RATE:CHANNELS, like s16le:16000:1 (encodings: {known})")
        if not 1000 <= int(rate) <= 768_000 or not 1 <= int(channels) <= 64:
            raise UsageError(f"--raw {text}: the rate must be 1000 to 768000 and the channels 1 to 64")
        return cls(encoding, int(rate), int(channels))


class Flow:
    """A file descriptor as PyAV wants to read it: each read returns what has arrived, without waiting for more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)


def open_pipe(
    descriptor: int | None = None, raw: RawFormat | None = None, channels: Channels = "mix", name: str = "-"
) -> Decoded | RawPipe:
    """Open a pipe, by default standard input.

    Raises:
        AudioError: a terminal, nothing in it, not audio, or shorter than 0.1 s.
    """
    if descriptor is None:
        try:
            descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError) as error:  # closed, or replaced by something that is no file
            raise AudioError("standard input is closed") from error
    if os.isatty(descriptor):
        raise AudioError("standard input is a terminal: pipe audio into it, as in `streamser recognize - < call.wav`")
    if raw is not None:
        return RawPipe(descriptor, raw, channels, name)
    try:
        container = av.open(Flow(descriptor), mode="r", buffer_size=READ, options=PROBE)
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise AudioError(
            "standard input: nothing in it, or not audio in a format that can be told from its first bytes "
            "(raw samples need --raw s16le:RATE:CHANNELS)"
        ) from error
    except av.error.FFmpegError as error:
        raise AudioError(f"standard input: cannot be read: {reason(error)}") from error
    return Decoded(container, name, channels)


class RawPipe:
    """A source of raw samples; a sample cut off at the end is left out.

    Raises:
        AudioError: less than 0.1 s before the pipe was closed.
    """

    seconds: float | None = None

    def __init__(self, descriptor: int, raw: RawFormat, channels: Channels, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._raw = raw
        self._resampler = Resampler(raw.rate, raw.channels, channels)
        self.channels = self._resampler.outputs
        self._dtype = np.dtype(ENCODINGS[raw.encoding])
        self._bytes = b""
        frame = self._dtype.itemsize * raw.channels
        while len(self._bytes) < SHORTEST * raw.rate * frame:
            data = os.read(descriptor, READ)
            if not data:
                seconds = len(self._bytes) // frame / raw.rate
                raise AudioError(f"standard input: only {seconds:.3f} s long; at least {SHORTEST} s are needed")
            self._bytes += data

    def __iter__(self) -> Iterator[Piece]:
        frame = self._dtype.itemsize * self._raw.channels
        while True:
            whole = len(self._bytes) // frame * frame
            if whole:
                values = np.frombuffer(self._bytes[:whole], self._dtype).reshape(-1, self._raw.channels)
                self._bytes = self._bytes[whole:]
                samples = self._resampler.feed(scaled(values))
                if len(samples):
                    yield Block(samples)
            data = os.read(self._descriptor, READ)
            if not data:
                break
            self._bytes += data
        rest = self._resampler.flush()
        if len(rest):
            yield Block(rest)
        self._resampler.warn_of_repairs("standard input")

    def close(self) -> None:
        """Standard input belongs to the process; it stays open."""
