"""streamser with everything in the thread that feeds it: what a step costs is then what it takes, on one core."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from streamser import Recognizer


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:  # the one who waits for it is told
            future.set_exception(error)
        return future


def in_one_thread(recognizer: Recognizer) -> Recognizer:
    """The same networks and, as events depend on the audio alone, the same events; decodings run within the steps."""
    own: Any = Recognizer(recognizer.pack, replace(recognizer.features, beside=Inline()), recognizer.ensemble)
    own.pool.shutdown()
    own.pool = Inline()
    return own  # type: ignore[no-any-return]
