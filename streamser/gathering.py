"""Requests of several threads made in one call, without keeping any of them waiting long.

Nobody waits while nothing runs: a request that finds no call under way is made at once. One that finds a call under way is held
back until that call ends, or until its wait bound has passed; then all that are held back and fit together go in one call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
WAIT = 0.01  # seconds that a request is held back for others at most


@dataclass
class _Request(Generic[Asked, Answer]):
    """called: set once somebody has it in a call. lead: the call that its own thread is to make. done: set once it is answered."""

    asked: Asked
    kind: Hashable
    called: threading.Event = field(default_factory=threading.Event)
    lead: list[_Request[Asked, Answer]] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: BaseException | None = None


class Gatherer(Generic[Asked, Answer]):
    """Callers on any threads in front of one function of many requests.

    Attributes:
        calls, requests: counted since the beginning; their ratio is how many requests a call joined on average.
    """

    def __init__(
        self,
        call: Callable[[list[Asked]], list[Answer]],
        kind: Callable[[Asked], Hashable],
        most: int,
        wait: float | None = WAIT,
    ) -> None:
        """Nothing is started: the calls are made by the threads that ask.

        Args:
            call: answers requests of one kind, in their order; may be entered by several threads at once.
            kind: requests of equal kinds can be joined.
            most: requests in one call.
            wait: seconds that a request is held back while another call runs; None: until that call has ended.
        """
        self._call = call
        self._kind = kind
        self._most = most
        self._wait = wait
        self._lock = threading.Lock()
        self._waiting: list[_Request[Asked, Answer]] = []
        self._running = 0
        self.calls = 0
        self.requests = 0

    @property
    def held_back(self) -> int:
        """Requests that wait for a call at this moment."""
        with self._lock:
            return len(self._waiting)

    def ask(self, asked: Asked) -> Answer:
        """The answer to one request; an error of the call that it was joined in is raised to all who were in it."""
        request: _Request[Asked, Answer] = _Request(asked, self._kind(asked))
        with self._lock:
            self._waiting.append(request)
            if not self._running:
                self._begin(request)
        if not request.called.wait(self._wait):
            with self._lock:
                if not request.called.is_set():
                    self._begin(request)
        if request.lead is not None:
            self._make(request.lead)
        request.done.wait()
        if request.error is not None:
            raise request.error
        return request.answer  # type: ignore[return-value]  # there is one where there is no error

    def _begin(self, leader: _Request[Asked, Answer]) -> None:
        """Take what fits with a waiting request, the oldest first, for its thread to make; the lock is held."""
        fitting = [request for request in self._waiting if request.kind == leader.kind and request is not leader]
        batch = [leader, *fitting[: self._most - 1]]
        self._waiting = [request for request in self._waiting if not any(request is taken for taken in batch)]
        self._running += 1
        self.calls += 1
        self.requests += len(batch)
        leader.lead = batch
        for request in batch:
            request.called.set()

    def _make(self, batch: list[_Request[Asked, Answer]]) -> None:
        try:
            answers = self._call([request.asked for request in batch])
            for request, answer in zip(batch, answers, strict=True):
                request.answer = answer
        except BaseException as error:  # whatever it is: nobody may be left waiting
            for request in batch:
                request.error = error
        with self._lock:
            self._running -= 1
            if not self._running and self._waiting:
                self._begin(self._waiting[0])
        for request in batch:
            request.done.set()
