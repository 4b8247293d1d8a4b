"""Writing every format to a file, and reading it back with readers that others wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import parselmouth
import praatio.textgrid
import pytest
import srt
import webvtt
from pyannote.database.util import load_rttm

from streamser.events import Event
from streamser.sinks import LineSink, Sink
from streamser.sinks.formats import FORMATS
from streamser.sinks.output import Output
from tests.conftest import LABELS
from tests.told import told

CALL = told(
    [
        (None, 1.0, ""),
        ("neutral", 4.0, "Good morning, this is the bank."),
        (None, 2.0, ""),
        ("anger", 3.0, "You again!"),
        ("uncertain", 2.0, ""),
        (None, 12.0, ""),
        ("sadness", 2.5, "I give up."),
    ]
)
LINES = tuple(name for name, one in FORMATS.items() if not one.made_at_end)


def sink_of(name: str, path: Path, labels: Sequence[str] = LABELS) -> Sink:
    if FORMATS[name].made_at_end:
        return FORMATS[name].open(labels, str(path), False)
    return FORMATS[name].open(labels, Output(str(path)))


def line_sink(name: str, path: Path) -> LineSink:
    sink: LineSink = FORMATS[name].open(LABELS, Output(str(path)))
    return sink


def written(name: str, path: Path, events: Sequence[Event], labels: Sequence[str] = LABELS) -> str:
    sink = sink_of(name, path, labels)
    for event in events:
        sink.write(event)
    sink.close()
    return path.read_bytes().decode()


def captions(text: str) -> list[Any]:
    return list(webvtt.from_buffer(io.StringIO(text)))


def tiers_of(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """As Praat reads them, and praatio says the same."""
    grid = praatio.textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    tiers = {name: [(e.start, e.end, e.label) for e in grid.getTier(name).entries] for name in grid.tierNames}
    praat = parselmouth.read(str(path))
    call = parselmouth.praat.call
    for number, entries in enumerate(tiers.values(), 1):
        assert call(praat, "Get number of intervals", number) == len(entries)
        for count, (_, end, label) in enumerate(entries, 1):
            assert call(praat, "Get end time of interval", number, count) == pytest.approx(end)
            assert call(praat, "Get label of interval", number, count) == label
    return tiers


def json_lines(text: str, path: Path) -> list[Any]:
    """The last one is read, the others were the last ones before."""
    lines = text.splitlines()
    assert not lines or json.loads(lines[-1])
    return lines


def rttm_lines(text: str, path: Path) -> list[Any]:
    """In the order of the file, which pyannote does not keep."""
    lines = [line.split() for line in text.splitlines()]
    if lines:
        read = [(s.start, s.duration, label) for s, _, label in load_rttm(path)[lines[0][1]].itertracks(yield_label=True)]
        assert sorted(read) == sorted((float(line[3]), float(line[4]), line[7]) for line in lines)
    return lines


READERS: dict[str, Callable[[str, Path], list[Any]]] = {
    "jsonl": json_lines,
    "csv": lambda text, _: text.splitlines(),
    "srt": lambda text, _: list(srt.parse(text)),
    "vtt": lambda text, _: [(cue.start, cue.end, cue.raw_text) for cue in captions(text)] if text else [],
    "rttm": rttm_lines,
}
