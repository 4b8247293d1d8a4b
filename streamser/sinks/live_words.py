"""What was said, on the live screen: past utterances with time, emotion and confidence, lost audio, and the words of now."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from streamser.events import GapEvent, UtteranceEvent
from streamser.sinks.live_state import LiveState, Voice
from streamser.sinks.look import Look
from streamser.sinks.wording import clock, printable

LONGEST_NAME = 12  # columns for a label
NARROW = 50  # columns below which a label is its letter alone
HINT = "Speak: what is said appears here with its emotion. On the strip above, {} is silence and {} lost audio. Ctrl-C ends."


def words(state: LiveState, look: Look, console: Console, width: int, rows: int) -> list[Text]:
    """The newest rows that fit, oldest first."""
    if rows <= 0:
        return []
    several = len(state.voices) > 1
    lines: list[Text] = []
    for channel, voice in sorted(state.voices.items(), reverse=True):
        if voice.text or voice.pending:
            lines = _wrapped(_open(voice, look, width, channel if several else None), console, width, rows) + lines
    lines = lines[-rows:]
    if not lines and not state.said:
        hint = HINT.format(look.glyphs.silence, look.glyphs.lost)
        return list(Text(hint, style=look.dim).wrap(console, max(width - 2, 1)))[:rows]
    for event in reversed(state.said):
        more = _wrapped(_past(event, look, width, event.channel if several else None), console, width, rows)
        if lines and len(lines) + len(more) > rows:
            break
        lines = more + lines
    return lines


Row = tuple[Text, Text]  # the gutter (time, emotion) and the words


def _past(event: UtteranceEvent | GapEvent, look: Look, width: int, channel: int | None) -> Row:
    if isinstance(event, GapEvent):
        lost = f"{look.glyphs.lost} {event.lost_seconds:.1f} s of audio lost ({event.reason})"
        return Text(f"{clock(event.start):>5}  ", style=look.dim), Text(lost, style=look.alert)
    return _gutter(event.start, event.label, event.confidence, look, width, channel), Text(printable(event.text))


def _open(voice: Voice, look: Look, width: int, channel: int | None) -> Row:
    said = Text(printable(voice.text))
    said.append(printable(voice.pending if voice.text else voice.pending.lstrip()), style=f"{look.dim} italic")
    return _gutter(voice.begun, voice.label, None, look, width, channel), said


def _gutter(start: float, label: str | None, confidence: float | None, look: Look, width: int, channel: int | None) -> Text:
    gutter = Text(f"{clock(start):>5}  ", style=look.dim)
    if channel is not None:
        gutter.append(f"{channel}  ", style="bold")
    if width < NARROW:
        return gutter.append(f"{look.letters.get(label or '', '?')}  ", style=look.style(label))
    name = min(max([cell_len(printable(one)) for one in look.labels] + [9]), LONGEST_NAME)
    gutter.append(set_cell_size(printable(label or ""), name), style=look.style(label))
    return gutter.append(f" {confidence:>4.0%}  " if confidence is not None else f" {'...':>4}  ")


def _wrapped(row: Row, console: Console, width: int, rows: int) -> list[Text]:
    """The words beside the gutter, over as many lines as they need; the last ones where that is more than `rows`."""
    gutter, said = row
    room = max(width - gutter.cell_len - 1, 1)
    lines = list(said.wrap(console, room))[-rows:] or [Text()]
    for line in lines:
        line.rstrip()
    blank = " " * gutter.cell_len
    return [Text.assemble(gutter if number == 0 else blank, line) for number, line in enumerate(lines)]
