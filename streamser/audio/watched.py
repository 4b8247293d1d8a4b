"""A source that says when all before its next piece has been dealt with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from streamser.audio.pieces import Piece, Source
from streamser.audio.recollection import Position


class Watched:
    """A source; `recognize_source` asks for a piece only when the events of the one before have been written.

    Args:
        source: whose pieces these are, from `position` on.
        reading: entered while a piece is read, and only then.
        passed: told how far everything has been judged and written; `stopped` where reading was interrupted there.
    """

    def __init__(
        self,
        source: Source,
        position: Position,
        reading: Callable[[], AbstractContextManager[None]],
        passed: Callable[[Position, bool], None] = lambda position, stopped: None,
    ) -> None:
        self.name, self.seconds, self.channels = source.name, source.seconds, source.channels
        self._source, self._position, self._reading, self._passed = source, position, reading, passed

    def __iter__(self) -> Iterator[Piece]:
        pieces = iter(self._source)
        while True:
            try:
                with self._reading():
                    piece = next(pieces, None)
            except KeyboardInterrupt:
                self._passed(self._position, True)
                raise
            if piece is None:
                return
            yield piece
            self._position.pass_by(piece)
            self._passed(self._position, False)

    def close(self) -> None:
        self._source.close()
