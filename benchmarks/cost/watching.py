"""What runs in a second of continuous speech: which graph, how often, with which inputs; read off the recogniser itself."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from streamser import Recognizer
from streamser.clock import to_samples

WARM_RUNS = 3
GENERATIONS = 6  # of the decoder that are kept, to be timed again


@dataclass
class Runs:
    """Of one graph with inputs of one set of shapes. feeds: of the first such run."""

    session: onnxruntime.InferenceSession
    feeds: dict[str, np.ndarray]
    count: int = 0

    def seconds(self, repeats: int) -> float:
        """Median of so many runs after WARM_RUNS."""
        return median_seconds(lambda: self.session.run(None, self.feeds), repeats)


@dataclass
class Watch:
    """runs: by graph's file, then by shapes. generations: tokens that each of the decoder's calls wrote. asked: their arguments."""

    runs: dict[str, dict[tuple[Any, ...], Runs]] = field(default_factory=dict)
    generations: list[int] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray]) -> None:
        shapes = tuple(sorted((name, np.shape(value)) for name, value in feeds.items()))
        with self.lock:
            graph = self.runs.setdefault(str(Path(session._model_path)), {})
            if shapes not in graph:
                graph[shapes] = Runs(session, {name: np.array(value) for name, value in feeds.items()})
            graph[shapes].count += 1

    def generated(self, arguments: tuple[Any, ...], tokens: int) -> None:
        with self.lock:
            self.generations.append(tokens)
            self.asked = [*self.asked, arguments][-GENERATIONS:]


@contextmanager
def watched(recognizer: Recognizer) -> Iterator[Watch]:
    """Watch every session of this process and the recogniser's decoder."""
    watch = Watch()
    whisper: Any = recognizer.features.whisper
    run, generate = onnxruntime.InferenceSession.run, whisper._generate

    def seen(session: Any, names: Any, feeds: Any, *rest: Any, **options: Any) -> Any:
        watch.saw(session, feeds)
        return run(session, names, feeds, *rest, **options)

    def written(*arguments: Any) -> Any:
        result = generate(*arguments)
        watch.generated(arguments, len(result.tokens))
        return result

    onnxruntime.InferenceSession.run, whisper._generate = seen, written
    try:
        yield watch
    finally:
        onnxruntime.InferenceSession.run = run
        del whisper._generate


def watch_speech(recognizer: Recognizer, samples: np.ndarray, warm_up: float) -> Watch:
    """Let one stream hear it all, and watch what comes after the first `warm_up` seconds: whole windows by then."""
    stream = recognizer.stream()
    block, first = recognizer.settings().step, to_samples(warm_up)
    for start in range(0, first, block):
        stream.feed(samples[start : min(start + block, first)])
    with watched(recognizer) as watch:
        for start in range(first, len(samples), block):
            stream.feed(samples[start : start + block])
        stream.finish()
    return watch


def generation_seconds(recognizer: Recognizer, watch: Watch, repeats: int) -> float:
    """Median over the kept calls of the decoder, each alone and called again: of a call's median."""
    generate = recognizer.features.whisper._generate
    calls = max(3, repeats // GENERATIONS)
    return statistics.median(median_seconds(lambda a=arguments: generate(*a), calls) for arguments in watch.asked)


def median_seconds(run: Any, repeats: int) -> float:
    for _ in range(WARM_RUNS):
        run()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
