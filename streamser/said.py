"""What the text network makes of the words of one stream, computed beside the stream's own thread where that has other work."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor, Future

from streamser.features.text import TextEncoder, TextFeatures

Words = tuple[str, str | None]  # what was said, and its language


class Said:
    """Features of words; those asked for last are kept."""

    def __init__(self, encoder: TextEncoder, pool: Executor) -> None:
        self._encoder = encoder
        self._pool = pool
        self._begun: dict[Words, Future[TextFeatures]] = {}
        self._last: tuple[Words, TextFeatures] | None = None

    def begin(self, wanted: Iterable[Words]) -> None:
        """Let words be encoded beside this thread that `features` is asked for before this is called again."""
        new = [said for said in dict.fromkeys(wanted) if said[0] and (self._last is None or self._last[0] != said)]
        self._begun = {said: self._pool.submit(self._encoder.encode, *said) for said in new}

    def features(self, words: str, language: str | None) -> TextFeatures | None:
        """None without words."""
        if not words:
            return None
        said = (words, language)
        if self._last is None or self._last[0] != said:
            begun = self._begun.pop(said, None)
            self._last = (said, begun.result() if begun is not None else self._encoder.encode(*said))
        return self._last[1]
