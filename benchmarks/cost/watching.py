"""What runs in a second of continuous speech: which graph, how often, with which inputs; read off the recogniser itself."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.cost.rates import seconds_of
from streamser import Recognizer
from streamser.clock import to_samples

WARM_RUNS = 3


@dataclass
class Runs:
    """Of one graph with inputs of one set of shapes. feeds: of the first such run."""

    session: onnxruntime.InferenceSession
    feeds: dict[str, np.ndarray]
    count: int = 0

    def seconds(self, repeats: int) -> float:
        """Median of so many runs after WARM_RUNS."""
        return statistics.median(seconds_of(lambda: self.session.run(None, self.feeds), repeats, WARM_RUNS))


@dataclass
class Watch:
    """runs: by graph's file, then by shapes."""

    runs: dict[str, dict[tuple[Any, ...], Runs]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray]) -> None:
        shapes = tuple(sorted((name, np.shape(value)) for name, value in feeds.items()))
        with self.lock:
            graph = self.runs.setdefault(str(Path(session._model_path)), {})
            if shapes not in graph:
                graph[shapes] = Runs(session, dict(feeds))  # no copy: the decoder's memory is 37 MB and in every one of its feeds
            graph[shapes].count += 1


@contextmanager
def watched(watch: Watch | None = None) -> Iterator[Watch]:
    """Watch every session of this process; watch: one that goes on."""
    watch = watch or Watch()
    run = onnxruntime.InferenceSession.run

    def seen(session: Any, names: Any, feeds: Any, *rest: Any, **options: Any) -> Any:
        watch.saw(session, feeds)
        return run(session, names, feeds, *rest, **options)

    onnxruntime.InferenceSession.run = seen
    try:
        yield watch
    finally:
        onnxruntime.InferenceSession.run = run


def watch_speech(recognizer: Recognizer, samples: np.ndarray, warm_up: float) -> Watch:
    """Let one stream hear it all, and watch what comes after the first `warm_up` seconds: whole windows by then."""
    stream = recognizer.stream()
    block, first = recognizer.settings().step, to_samples(warm_up)
    for start in range(0, first, block):
        stream.feed(samples[start : min(start + block, first)])
    with watched() as watch:
        for start in range(first, len(samples), block):
            stream.feed(samples[start : start + block])
        stream.finish()
    return watch
