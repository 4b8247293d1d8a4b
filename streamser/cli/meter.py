"""A microphone's level: bars that move on a terminal, a line a second elsewhere. One bar a channel, so that a dead one is seen."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from streamser.audio.level import Level
from streamser.audio.pieces import Block, Source
from streamser.clock import to_samples
from streamser.sinks.look import Look

QUIETEST = -60.0  # dB: the bar's left end
CLIPPED = 0.98  # of full scale; not 1, since resampling takes a little off a clipped peak
REDRAWN, LINE = 0.1, 1.0  # seconds a reading, on a terminal and elsewhere
HOLD = 20  # readings that a peak stays on a terminal: 2 s
SILENCE = "digital silence: is it muted, or is this program not allowed to use it?"
BAR = (8, 60)  # characters, least and most


@dataclass(frozen=True)
class Reading:
    """rms: dB of full scale, None in digital silence. peak: the largest absolute sample."""

    rms: float | None
    peak: float


def readings(source: Source, every: float) -> Iterator[list[Reading]]:
    """A reading a channel of every so many seconds, as long as audio comes."""
    levels = [Level() for _ in range(source.channels)]
    peaks, count = np.zeros(source.channels), 0
    for piece in source:
        if not isinstance(piece, Block):
            continue
        for level, samples in zip(levels, piece.samples.T, strict=True):
            level.add(samples)
        peaks = np.maximum(peaks, np.abs(piece.samples).max(axis=0, initial=0.0))
        count += len(piece.samples)
        if count >= to_samples(every):
            yield [Reading(level.take(), float(peak)) for level, peak in zip(levels, peaks, strict=True)]
            peaks, count = np.zeros(source.channels), 0


def line(reading: Reading, name: str, look: Look, width: int) -> Text:
    """A reading as a bar and figures, on one line of a terminal of `width` columns."""
    clipped = reading.peak >= CLIPPED
    if reading.rms is None and reading.peak == 0:
        return look.fit(Text.assemble(name, (SILENCE, look.alert)), width)
    figures = f" {decibels(reading.rms)} dB  peak {decibels(peak_level(reading.peak))} dB"
    room = width - len(name) - len(figures) - len("  CLIPPED")
    share = 0.0 if reading.rms is None else 1 - reading.rms / QUIETEST
    bar = look.bar(share, min(max(room, BAR[0]), BAR[1]), look.alert if clipped else "")
    return look.fit(Text.assemble(name, bar, figures, ("  CLIPPED", look.alert) if clipped else ""), width)


def decibels(level: float | None) -> str:
    return f"{-math.inf if level is None else level:5.1f}"


def peak_level(peak: float) -> float | None:
    return 20 * math.log10(peak) + 0.0 if peak > 0 else None


def show(source: Source, console: Console) -> None:
    """The source's levels until it ends."""
    look = Look.of(console, ())
    names = [f"{channel}  " if source.channels > 1 else "" for channel in range(source.channels)]

    def lines(found: list[Reading], width: int) -> list[Text]:
        return [line(reading, name, look, width) for reading, name in zip(found, names, strict=True)]

    if not console.is_terminal:
        for found in readings(source, LINE):
            for text in lines(found, 80):
                console.file.write(text.plain + "\n")
            console.file.flush()
        return
    recent: deque[list[Reading]] = deque(maxlen=HOLD)
    with Live(console=console, auto_refresh=False) as display:
        drawn = 0.0
        for found in readings(source, REDRAWN):
            recent.append(found)
            if time.monotonic() - drawn < REDRAWN / 2:  # audio that had to wait comes all at once
                continue
            held = [Reading(one.rms, max(past[i].peak for past in recent)) for i, one in enumerate(found)]
            display.update(Group(*lines(held, console.width)), refresh=True)
            drawn = time.monotonic()
