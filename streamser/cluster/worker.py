"""What runs on a cluster's nodes: one loaded recogniser an actor, and one recording after another through it."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamser.audio.file import check_file, is_address, open_file
from streamser.audio.pieces import Channels
from streamser.errors import AudioError
from streamser.events import Event
from streamser.recognizer import Recognizer
from streamser.recording import recognize_source

ATTEMPTS = 3  # at a recording whose worker or node dies


class Attempts:
    """An actor beside the driver that counts how often each recording was begun.

    Ray Data tries again without end. (Its own limit counts the tries, once a second, to reach a node that has just died.)
    """

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """How often it has been begun by now."""
        self._begun[index] += 1
        return self._begun[index]


class Worker:
    """An actor of Ray Data.

    Args:
        load: opens the recogniser, once.
        options: of every stream.
        channels: `mix` or `split`.
        folder: where relative paths begin.
        attempts: the actor that counts them.
    """

    def __init__(
        self, load: Callable[[], Recognizer], options: dict[str, Any], channels: Channels, folder: str, attempts: Any
    ) -> None:
        self._recognizer = load()
        self._options, self._channels, self._folder = options, channels, folder
        self._attempts = attempts

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Recognise one recording.

        Args:
            row: `index`, and `path` in bytes, since names of files may not be valid text.

        Returns:
            `lines`: every event as a line of JSON, gzipped; `report`: JSON with `node`, `warnings` as they were logged, `error`:
            what a local run would say, or None, `unreadable`: whether this node cannot read the file at all.
        """
        import ray

        name = os.fsdecode(row["path"])
        lines = io.BytesIO()
        report: dict[str, Any] = {"node": ray.util.get_node_ip_address(), "error": None, "unreadable": False}
        with collected_warnings() as report["warnings"], gzip.open(lines, "wb") as file:
            try:
                if ray.get(self._attempts.begin.remote(row["index"])) > ATTEMPTS:
                    raise AudioError(f"{name}: given up: its worker died {ATTEMPTS} times, as where memory runs out")
                for event in self._recognized(name):
                    file.write(f"{event.to_json()}\n".encode(errors="surrogatepass"))
            except AudioError as error:
                report.update(error=str(error), unreadable=not is_readable(self._path(name)))
            except Exception as error:  # Ray would end everything
                report["error"] = f"{name}: failed on node {report['node']}: {type(error).__name__}: {error}"
        return {"lines": lines.getvalue(), "report": json.dumps(report)}

    def _path(self, name: str) -> str:
        return name if is_address(name) else str(Path(self._folder) / name)

    def _recognized(self, name: str) -> Iterator[Event]:
        source = open_file(self._path(name), self._channels, name)
        streams = [self._recognizer.stream(name, channel, **self._options) for channel in range(source.channels)]
        yield from recognize_source(source, streams)


def is_readable(path: str) -> bool:
    try:
        if not is_address(path):
            check_file(path, path)
    except AudioError:
        return False
    return True


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """What streamser logs as warnings meanwhile: the driver says it, as it would have locally."""
    log, collector = logging.getLogger("streamser"), _Collector()
    log.addHandler(collector)
    try:
        yield collector.messages
    finally:
        log.removeHandler(collector)
