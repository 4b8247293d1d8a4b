"""Praat's TextGrid: tiers of stable labels, of utterances and, where they were asked for, of words, for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from streamser.events import Event, SummaryEvent, UtteranceEvent
from streamser.sinks.output import FinishedFile
from streamser.sinks.stable_segments import StableSegments
from streamser.sinks.wording import one_line

LEAST = 0.0005  # seconds: anything shorter would have no length with three decimals

Interval = tuple[float, float, str]  # start and end in seconds, text


@dataclass
class ChannelTiers:
    """What is known of a channel; `end` in seconds once its summary came."""

    labels: list[Interval] = field(default_factory=list)
    utterances: list[Interval] = field(default_factory=list)
    words: list[Interval] | None = None
    end: float | None = None


class TextGrid:
    """A sink of one recording, written when it has ended; of one that was interrupted, nothing is.

    Args:
        path, force: as FinishedFile takes them.
    """

    def __init__(self, path: str, force: bool = False) -> None:
        self._file = FinishedFile(path, force)
        self._segments = StableSegments()
        self._channels: dict[int, ChannelTiers] = {}

    def write(self, event: Event) -> None:
        channel = self._channels.setdefault(event.channel, ChannelTiers())
        channel.labels += [(s.start, s.end, one_line(s.label)) for s in self._segments.take(event)]
        if isinstance(event, UtteranceEvent):
            channel.utterances.append((event.start, event.end, one_line(f"[{event.label}] {event.text}")))
            if event.words is not None:
                said = [(word["start"], word["end"], one_line(word["word"])) for word in event.words]
                channel.words = (channel.words or []) + said
        elif isinstance(event, SummaryEvent):
            channel.end = event.end

    def close(self) -> None:
        ends = [channel.end for channel in self._channels.values() if channel.end is not None]
        if ends and len(ends) == len(self._channels):
            with self._file.writing() as file:
                write_grid(file, list(self._tiers()), max(ends))

    def _tiers(self) -> Iterator[tuple[str, list[Interval]]]:
        for number, channel in sorted(self._channels.items()):
            which = f" (channel {number})" if len(self._channels) > 1 else ""
            yield f"emotion{which}", channel.labels
            yield f"utterances{which}", channel.utterances
            if channel.words is not None:
                yield f"words{which}", channel.words


def write_grid(file: TextIO, tiers: Sequence[tuple[str, list[Interval]]], end: float) -> None:
    """Write interval tiers from 0 to `end` in Praat's long text format."""
    file.write('File type = "ooTextFile"\nObject class = "TextGrid"\n\n')
    file.write(f"xmin = 0\nxmax = {end:.3f}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n")
    for number, (name, intervals) in enumerate(tiers, 1):
        whole = list(filled(intervals, end))
        file.write(f'    item [{number}]:\n        class = "IntervalTier"\n        name = {quoted(name)}\n')
        file.write(f"        xmin = 0\n        xmax = {end:.3f}\n        intervals: size = {len(whole)}\n")
        for count, (start, stop, text) in enumerate(whole, 1):
            file.write(f"        intervals [{count}]:\n            xmin = {start:.3f}\n            xmax = {stop:.3f}\n")
            file.write(f"            text = {quoted(text)}\n")


def filled(intervals: Sequence[Interval], end: float) -> Iterator[Interval]:
    """The intervals in order, empty ones in between: Praat wants no hole and no overlap. What has no length left is left out."""
    at = 0.0
    for begin, stop, text in sorted(intervals, key=lambda interval: interval[:2]):
        start, stop = round(max(begin, at), 3), round(min(stop, end), 3)
        if stop - start < LEAST:
            continue
        if start - at >= LEAST:
            yield at, start, ""
        yield start, stop, text
        at = stop
    if end - at >= LEAST:
        yield at, end, ""


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
