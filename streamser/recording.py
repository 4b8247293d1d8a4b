"""From a source of sound to events: every block to its channels' streams, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamser.audio.pieces import Lost, Source
from streamser.errors import AudioError
from streamser.events import Event
from streamser.stream import Stream


def recognize_source(source: Source, streams: Sequence[Stream]) -> Iterator[Event]:
    """Feed one stream a channel until the source ends, then finish them; the source is closed in any case.

    Raises:
        AudioError: the source broke off. What it held until then has been judged and its summary yielded by then.
    """
    broken: AudioError | None = None
    try:
        pieces = iter(source)
        while True:
            try:
                piece = next(pieces, None)
            except AudioError as error:
                broken = error
                break
            if piece is None:
                break
            if isinstance(piece, Lost):
                for stream in streams:
                    yield from stream.gap(piece.seconds, piece.reason)
            else:
                # Step by step, so that channels stay beside each other however long a piece is.
                made = [stream.steps(piece.samples[:, stream.channel], piece.captured_at) for stream in streams]
                for step in zip(*made, strict=True):
                    for events in step:
                        yield from events
        for stream in streams:
            yield from stream.finish()
    finally:
        source.close()
    if broken is not None:
        raise broken
