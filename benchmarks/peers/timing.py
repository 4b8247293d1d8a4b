"""Time and operations of everyone on the same continuous speech: streamser step by step, and in between the peers' windows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.cost.watching import Watch, watched
from benchmarks.peers.counted import WhisperSize, graph_operations
from benchmarks.peers.today import Heard, Today
from benchmarks.peers.windows import judged, window_of
from benchmarks.stages import spread
from streamser import Recognizer
from streamser.clock import to_samples, to_seconds


@dataclass
class Taken:
    """A system's steps in speech: seconds of a core that the process took in each, and wall seconds; operations by network,
    of `steps` of them; None where they cannot be counted."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    operations: dict[str, float] | None = None

    def run(self, work: Callable[[np.ndarray], Any], samples: np.ndarray) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        result = work(samples)
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result

    def told(self, steps_per_second: float) -> dict[str, Any]:
        """steps_per_second: steps in speech in a second of audio, for which each measured one stands."""
        a_second = steps_per_second / len(self.cpu)
        operations = None if self.operations is None else {name: n * a_second for name, n in self.operations.items()}
        return {
            "cpu_ms": spread(1000 * value for value in self.cpu),
            "wall_ms": spread(1000 * value for value in self.wall),
            "cpu_seconds_a_second": sum(self.cpu) * a_second,
            "operations_by_network": operations,
            "operations_a_second": None if operations is None else sum(operations.values()),
        }


@dataclass
class Peer:
    """hear: takes a window. most: windows that are measured, as it is slow. counted: whether its operations can be."""

    name: str
    hear: Callable[[np.ndarray], Any]
    most: int
    counted: bool = True


def measure(own: Recognizer, today: Today, peers: Sequence[Peer], samples: np.ndarray, warm_up: float) -> dict[str, dict[str, Any]]:
    """By name, everyone's figures; `samples`: float32 [n], of which the first `warm_up` seconds are not measured.

    today: peer (a), one of the peers, of whose work CTranslate2 does a part.
    """
    settings = own.settings()
    step, first = settings.step, to_samples(warm_up)
    steps = (len(samples) - first) // step
    stream = own.stream()
    for start in range(0, first, step):
        stream.feed(samples[start : start + step])
    for peer in peers:
        peer.hear(samples[first - settings.window : first])
    ours, ours_ran, quiet = Taken(), Watch(), Taken()
    taken = {peer.name: Taken() for peer in peers}
    ran = {peer.name: Watch() for peer in peers}
    heard = Heard()
    due = {peer.name: 0.0 for peer in peers}
    for number in range(steps):
        start = first + number * step
        mine = Taken()
        with watched(ours_ran):
            events = mine.run(stream.feed, samples[start : start + step])
        speech = judged(events)
        (ours if speech else quiet).cpu += mine.cpu
        (ours if speech else quiet).wall += mine.wall
        if not speech:
            continue
        window = window_of(speech[-1], samples)
        for peer in peers:
            due[peer.name] += peer.most / steps
            if due[peer.name] >= 1 or not taken[peer.name].cpu:
                due[peer.name] = max(0.0, due[peer.name] - 1)
                listening = today.listened(heard) if peer.hear == today.hear else nullcontext()
                with watched(ran[peer.name]), listening:
                    taken[peer.name].run(peer.hear, window)
    per_second = len(ours.cpu) / to_seconds(steps * step)
    ours.operations = graph_operations(ours_ran)
    told = {"streamser": ours.told(per_second)}
    told["streamser"]["cpu_seconds_a_second"] += sum(quiet.cpu) / to_seconds(steps * step)
    for peer in peers:
        mine = taken[peer.name]
        if peer.counted:
            mine.operations = graph_operations(ran[peer.name])
        if peer.hear == today.hear and mine.operations is not None:
            mine.operations |= WhisperSize.of(today.folder / "model.bin").operations(heard)
        told[peer.name] = mine.told(per_second)
    return told
