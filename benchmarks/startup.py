"""What it takes to import streamser, and from the start of a process to the first event; each in fresh processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

IMPORTS = """
import json, time
a = time.perf_counter(); import numpy
b = time.perf_counter(); import streamser
c = time.perf_counter(); from streamser import Recognizer
d = time.perf_counter()
print(json.dumps({"numpy": b - a, "streamser": c - b, "Recognizer": d - c}))
"""
FIRST_EVENT = """
import json, sys, time
began, (path, pack, accelerator, options) = float(sys.argv[1]), sys.argv[2:]
begun = time.monotonic()
import numpy
from streamser import Recognizer
imported = time.monotonic()
recognizer = Recognizer.load(pack, accelerator)
loaded = time.monotonic()
samples, stream = numpy.load(path), recognizer.stream(**json.loads(options))
blocks = (stream.feed(samples[i : i + 320]) for i in range(0, len(samples), 320))
first = next(event for events in blocks for event in events if event.type == "emotion" and event.state == "speech")
end = time.monotonic()
print(json.dumps({"python": begun - began, "imports": imported - begun, "load": loaded - imported, "first event": end - loaded,
    "all": end - began, "audio": first.end}))
"""


def import_seconds(times: int) -> dict[str, float]:
    """Seconds to `import numpy`, then to `import streamser`, then for the recogniser's own imports; medians."""
    return medians([_fresh(IMPORTS) for _ in range(times)])


def first_event_seconds(times: int, speech: np.ndarray, pack: str, accelerator: str, options: dict[str, Any]) -> dict[str, float]:
    """Seconds from the start of a process to its first emotion event in speech, and of the parts; medians.

    The audio comes at once, so that none of this is waiting for it; `audio` is how much of it the first event took.

    Args:
        speech: float32 [n] at 16 kHz that begins with speech.
        options: of `Recognizer.stream`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.npy"
        np.save(path, speech)
        return medians([_fresh(FIRST_EVENT, str(path), pack, accelerator, json.dumps(options)) for _ in range(times)])


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of every figure, over the rows."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _fresh(code: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-c", code, str(time.monotonic()), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
