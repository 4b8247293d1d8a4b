"""The whole live screen as lines: what stands where, and what is left out where there is little room."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from streamser.sinks.emotion_strip import ticks
from streamser.sinks.live_state import LiveState, Voice
from streamser.sinks.live_voice import BESIDE, METERS, bars, headline, meter_line, meters
from streamser.sinks.live_words import words
from streamser.sinks.look import Look
from streamser.sinks.wording import NOTES, clock, counted, printable

WIDEST = 160  # columns
NARROWEST_VOICE = 36  # columns of voices that stand side by side
METER_ROWS = 7
WANTED_WORDS = 3  # rows, before anything else gets more room
STALE = 3.0  # seconds without an event after which the screen says so


@dataclass(frozen=True)
class Plan:
    """How many rows each part gets.

    across: voices side by side; 0 gives each one row. beside: whether the meters stand beside the bars, not in a row below.
    """

    across: int
    bars: int
    beside: bool
    blank: bool = True
    heights: bool = True
    ticks: bool = True
    note: bool = True

    def rows(self, voices: int) -> int:
        """All but the words."""
        blank = int(self.blank)
        strips = voices * (1 + self.heights) + self.ticks
        return 1 + blank + self._voices(voices) + blank + strips + blank + blank + 1 + self.note

    def _voices(self, voices: int) -> int:
        if not self.across:
            return voices
        each = 1 + self.blank + (max(self.bars, METER_ROWS) if self.beside else self.bars + 1)
        return -(-voices // self.across) * each


def plan(labels: int, voices: int, width: int, height: int) -> Plan:
    """What fits: first the blank lines go, then the note, the heights and all but the most probable emotions."""
    across = max(min(voices, width // NARROWEST_VOICE), 1)
    choices = [Plan(across, labels, beside=width // across >= BESIDE)]
    choices.append(replace(choices[-1], heights=voices == 1))
    choices.append(replace(choices[-1], blank=False))
    choices.append(replace(choices[-1], note=False))
    choices.append(replace(choices[-1], heights=False))
    beside = choices[-1].beside
    choices += [replace(choices[-1], bars=count, beside=beside and count >= METER_ROWS) for count in range(labels, 1, -1)]
    choices.append(replace(choices[-1], across=0))
    choices.append(replace(choices[-1], ticks=False))
    fitting = (choice for choice in choices if choice.rows(voices) + WANTED_WORDS <= height)
    return next(fitting, choices[-1])


def frame(
    state: LiveState, look: Look, console: Console, width: int, height: int, waiting: float | None = 0.0, notice: str = ""
) -> list[Text]:
    """At most `height` lines of at most `width` columns.

    Args:
        state: what was heard.
        look: colours and characters.
        console: only measures text.
        width, height: of the screen, in characters.
        waiting: seconds since the last event; None when it has ended: then what was heard, without what is now.
        notice: a warning to show.
    """
    width = min(width, WIDEST)
    voices = sorted(state.voices.items()) or [(0, Voice())]
    planned = plan(len(look.labels), len(voices), width, height)
    gap = [Text()] if planned.blank else []
    top = [header(state, look, width, waiting), *gap]
    if waiting is not None:
        shown = voices if waiting < STALE else [(channel, replace(voice, emotion=None)) for channel, voice in voices]
        top += [*_voices(shown, look, planned, width), *gap]
    top += [*_strips(voices, look, planned, width), *gap]
    bottom = [*_warnings(state, look, console, width, notice), *gap, status(state, look, width, ended=waiting is None)]
    if planned.note:
        bottom.append(Text(f" {next((note for note in NOTES if len(note) + 2 <= width), NOTES[-1])}", style=look.dim))
    rows = max(height - len(top) - len(bottom), 1)
    said = [Text.assemble(" ", line) for line in words(state, look, console, width - 1, rows)]
    if waiting is not None:
        said += [Text()] * (rows - len(said))
    lines = (top + said + bottom)[:height]
    for line in lines:
        line.truncate(width, overflow="crop")
    return lines


def header(state: LiveState, look: Look, width: int, waiting: float | None) -> Text:
    """What is listened to, whether sound arrives, and the stream's time."""
    alive = waiting is None or waiting < STALE
    right = f"{look.glyphs.alive} listening" if alive else f"{look.glyphs.lost} nothing arrives for {clock(waiting or 0.0)}"
    if waiting is None:
        right = "ended"
    line = Text(" streamser  ", style="bold", end="")
    line.append_text(look.fit(Text(printable(state.source), style=f"{look.dim} not bold"), width - len(line) - len(right) - 10))
    room = width - line.cell_len - len(right) - 9
    line.append(" " * max(room, 1))
    line.append(right, style=("green" if look.colour else "not bold") if alive else look.alert)
    return line.append(f"{clock(state.end):>8} ")


def status(state: LiveState, look: Look, width: int, ended: bool) -> Text:
    """Counts, and how to end."""
    line = f" {counted(state.utterances, 'utterance')}   {counted(state.transitions, 'change')}"
    if state.gaps:
        line += f"   {counted(state.gaps, 'gap')} ({state.lost_seconds:.1f} s lost)"
    end = "" if ended else "Ctrl-C ends "
    if len(line) + len(end) < width:
        line += " " * (width - len(line) - len(end)) + end
    return Text(line, style=look.dim)


def _warnings(state: LiveState, look: Look, console: Console, width: int, notice: str) -> list[Text]:
    warnings = sorted(set(state.shed.values())) + ([printable(notice)] if notice else [])
    lines = [line for warning in warnings for line in Text(f"! {warning}", style=look.alert).wrap(console, max(width - 2, 1))]
    return [Text.assemble(" ", line) for line in lines[:WANTED_WORDS]]


def _voices(voices: list[tuple[int, Voice]], look: Look, planned: Plan, width: int) -> list[Text]:
    several = len(voices) > 1
    if not planned.across:
        return [_compact(voice, look, width, f"{channel}" if several else "") for channel, voice in voices]
    each = (width - 1) // planned.across
    lines: list[Text] = []
    for first in range(0, len(voices), planned.across):
        blocks = [
            _voice(voice, look, planned, each - 1, f"channel {channel}" if several else "")
            for channel, voice in voices[first : first + planned.across]
        ]
        for row in zip(*blocks, strict=True):
            line = Text(" ")
            for cell in row:
                cell.truncate(each - 1, overflow="crop", pad=True)
                line.append_text(cell).append(" ")
            lines.append(line)
    return lines


def _voice(voice: Voice, look: Look, planned: Plan, width: int, name: str) -> list[Text]:
    """One voice as a block of rows, the meters beside its bars where there is room."""
    top = [headline(voice, look, width, name)] + [Text()] * planned.blank
    if not planned.beside:
        return [*top, *bars(voice, look, width, planned.bars), meter_line(voice, look, width)]
    left = width - METERS - 3
    shown = bars(voice, look, left, planned.bars)
    beside = meters(voice, look)
    rows = []
    for number in range(max(len(shown), METER_ROWS)):
        row = shown[number] if number < len(shown) else Text()
        row.truncate(left + 3, overflow="crop", pad=True)
        rows.append(row.append_text(beside[number]) if number < len(beside) else row)
    return top + rows


def _compact(voice: Voice, look: Look, width: int, name: str) -> Text:
    line = Text(" ").append_text(headline(voice, look, min(width - 1, 40), name))
    return line.append("  ").append_text(meter_line(voice, look, max(width - line.cell_len - 2, 0)))


def _strips(voices: list[tuple[int, Voice]], look: Look, planned: Plan, width: int) -> list[Text]:
    several = len(voices) > 1
    side = 3 if several else 1
    count = max(width - side - 1, 1)
    first = max(max(voice.strip.last for _, voice in voices) + 1 - count, 0)
    lines: list[Text] = []
    for channel, voice in voices:
        if planned.heights:
            lines.append(Text(" " * side).append_text(voice.strip.heights(look, first, count)))
        name = Text(f" {channel} " if several else " ", style="bold")
        lines.append(name.append_text(voice.strip.names(look, first, count)))
    return [*lines, Text(" " * side).append_text(ticks(look, first, count))] if planned.ticks else lines
