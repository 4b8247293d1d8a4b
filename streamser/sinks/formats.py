"""The output formats of `recognize`: what they are called, what they can hold, how they are opened (imported only then)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamser.sinks import Sink
from streamser.sinks.names import word_name

if TYPE_CHECKING:
    from streamser.sinks.output import Output


@dataclass(frozen=True)
class Format:
    """An output format.

    extension: of its files, without the dot.
    made_at_end: whether a file appears only when its recording has ended; else events are written as they come.
    several: whether one output can hold several recordings.
    called: what it calls a recording, by which it must be told from others in the same output; None where it gives the whole path.
    open: makes the sink from (labels, Output), or from (labels, path, force) where it is made at the end. The labels are those that
        may come out. What is made as events come is a LineSink.
    """

    name: str
    extension: str
    made_at_end: bool
    several: bool
    open: Callable[..., Sink]
    called: Callable[[str], str] | None = None


def _jsonl(labels: Sequence[str], output: Output) -> Sink:
    from streamser.sinks.jsonl import JsonLines

    return JsonLines(output)


def _csv(labels: Sequence[str], output: Output) -> Sink:
    from streamser.sinks.csv import CsvRows

    return CsvRows(output, labels)


def _srt(labels: Sequence[str], output: Output) -> Sink:
    from streamser.sinks.srt import SubRip

    return SubRip(output)


def _vtt(labels: Sequence[str], output: Output) -> Sink:
    from streamser.sinks.vtt import WebVtt

    return WebVtt(output, labels)


def _rttm(labels: Sequence[str], output: Output) -> Sink:
    from streamser.sinks.rttm import Rttm

    return Rttm(output)


def _textgrid(labels: Sequence[str], path: str, force: bool) -> Sink:
    from streamser.sinks.textgrid import TextGrid

    return TextGrid(path, force)


def _html(labels: Sequence[str], path: str, force: bool) -> Sink:
    from streamser.sinks.html import HtmlPage

    return HtmlPage(path, force, labels)


_ALL = (
    Format("jsonl", "jsonl", made_at_end=False, several=True, open=_jsonl),
    Format("csv", "csv", made_at_end=False, several=True, open=_csv),
    Format("srt", "srt", made_at_end=False, several=False, open=_srt),
    Format("vtt", "vtt", made_at_end=False, several=False, open=_vtt),
    Format("rttm", "rttm", made_at_end=False, several=True, open=_rttm, called=word_name),
    Format("textgrid", "TextGrid", made_at_end=True, several=False, open=_textgrid),
    Format("html", "html", made_at_end=True, several=False, open=_html),
)
FORMATS = {one.name: one for one in _ALL}
