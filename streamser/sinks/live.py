"""The live display: what the voice expresses now, how surely, and what was said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamser.events import (
    DegradedEvent,
    EmotionEvent,
    Event,
    GapEvent,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
)
from streamser.sinks.output import Output

COLOURS = {
    "neutral": "white",
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "sadness": "blue",
    "surprise": "cyan",
}
WIDTH = 78  # columns, at most: the display is read at 80
BAR = 40  # characters
REMEMBERED = 4  # utterances on the screen
REFRESH = 8  # redraws a second


@dataclass
class Voice:
    """What the screen says of one channel."""

    emotion: EmotionEvent | None = None
    utterances: deque[UtteranceEvent] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    utterance_count: int = 0
    transitions: int = 0
    gaps: int = 0
    lost_seconds: float = 0.0
    degraded: str | None = None

    def take(self, event: Event) -> None:
        match event:
            case EmotionEvent():
                self.emotion = event
            case UtteranceEvent():
                self.utterances.append(event)
                self.utterance_count += 1
            case TransitionEvent():
                self.transitions += 1
            case GapEvent():
                self.gaps += 1
                self.lost_seconds += event.lost_seconds
            case DegradedEvent():
                self.degraded = event.shed


class LiveScreen:
    """A sink that redraws a panel a channel on a terminal, and leaves the summary there at the end."""

    def __init__(self, console: Console, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._voices: dict[int, Voice] = {}
        self._summaries: list[SummaryEvent] = []
        self._console = console
        self._live = Live(Text("listening ... (Ctrl-C ends)"), console=console, refresh_per_second=REFRESH)
        self._live.start()

    def write(self, event: Event) -> None:
        if isinstance(event, SummaryEvent):
            self._summaries.append(event)
            return
        self._voices.setdefault(event.channel, Voice()).take(event)
        ascii_only = self._console.options.ascii_only
        self._live.update(Group(*(panel(event.source, c, v, self._labels, ascii_only) for c, v in sorted(self._voices.items()))))

    def close(self) -> None:
        self._live.stop()
        for summary in self._summaries:
            self._console.print(summary_line(summary), highlight=False)


class LiveLines:
    """A sink for where nothing can be redrawn: a line for each utterance, change and gap, and for the summary."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, event: Event) -> None:
        line = plain_line(event)
        if line:
            self._output.write_line(line)

    def close(self) -> None:
        self._output.close()


def panel(source: str, channel: int, voice: Voice, labels: tuple[str, ...], ascii_only: bool = False) -> RenderableType:
    """One channel as a box of at most 78 columns."""
    now = voice.emotion
    rows: list[RenderableType] = []
    if now is not None:
        rows += [headline(now), Text("")]
        rows.append(bars(now, labels, ascii_only))
        rows.append(Text(""))
    for past in voice.utterances:
        rows.append(Text(f"{clock(past.start)}  {past.label:<10} {past.text}", style=COLOURS.get(past.label, "")))
    if now is not None and (now.text or now.text_pending):
        words = Text(f"{clock(now.end)}  ...        {now.text}")
        words.append(now.text_pending, style="dim italic")
        rows.append(words)
    status = f"utterances {voice.utterance_count}   changes {voice.transitions}   "
    status += f"gaps {voice.gaps} ({voice.lost_seconds:.1f} s lost)"
    rows += [Text(""), Text(status, style="dim")]
    if voice.degraded:
        rows.append(Text(f"this machine is too slow: {voice.degraded} reduced", style="bold"))
    title = f"{source} {channel}" if channel else source
    return Panel(Group(*rows), title=Text(title, overflow="ellipsis"), width=WIDTH, title_align="left")


def headline(now: EmotionEvent) -> Text:
    """The emotion and its figures, in words: readable without colour."""
    if now.state == "no_speech":
        line = Text("(no speech)", style="dim")
    else:
        label = now.stable_label or now.label or ""
        line = Text(f"{label.upper():<10}", style=f"bold {COLOURS.get(label, '')}".strip())
        line.append(f" {now.confidence:.0%} sure" if now.confidence is not None else "")
        line.append(f"   arousal {now.arousal:.2f}" if now.arousal is not None else "")
        line.append(f"   pitch {now.pitch_hz:.0f} Hz" if now.pitch_hz is not None else "")
    line.append(f"   {clock(now.end)}")
    line.append(f"   latency {now.latency:.2f} s" if now.latency is not None else "")
    return line


def bars(now: EmotionEvent, labels: tuple[str, ...], ascii_only: bool = False) -> Table:
    """A bar an emotion, with its probability in figures; empty in silence."""
    full, empty = ("#", ".") if ascii_only else ("█", "·")
    table = Table.grid(padding=(0, 1))
    for label in labels:
        probability = (now.probabilities or {}).get(label)
        length = round((probability or 0.0) * BAR)
        bar = Text(full * length, style=COLOURS.get(label, ""))
        bar.append(empty * (BAR - length), style="dim")
        mark = ">" if label == now.stable_label else " "
        table.add_row(f"{mark} {label}", bar, "" if probability is None else f"{probability:.2f}")
    return table


def plain_line(event: Event) -> str | None:
    """An event as a line of text; None for those that come every step."""
    match event:
        case UtteranceEvent():
            line = f"{clock(event.start)}  {event.label} {event.confidence:.0%}"
            return f"{line}  {event.text}" if event.text else line
        case TransitionEvent():
            return f"{clock(event.start)}  -> {event.to_label}"
        case GapEvent():
            return f"{clock(event.start)}  gap: {event.lost_seconds:.2f} s lost ({event.reason})"
        case DegradedEvent():
            return f"{clock(event.start)}  too slow: {event.shed} reduced"
        case SummaryEvent():
            return summary_line(event)
        case _:
            return None


def summary_line(event: SummaryEvent) -> str:
    """How long each emotion lasted, the longest first, and what went wrong."""
    lasted = sorted(((s, name) for name, s in event.seconds.items() if s > 0), reverse=True)
    parts = [f"{name.replace('_', ' ')} {seconds:.1f} s" for seconds, name in lasted]
    line = f"{clock(event.end)} heard: {', '.join(parts) or 'nothing'}; {event.utterances} utterances"
    if event.gaps:
        line += f"; {event.gaps} gaps, {event.lost_seconds:.1f} s lost"
    if event.latency:
        line += f"; latency {event.latency['median']:.2f} s median, {event.latency['p95']:.2f} s p95"
    return line


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or mm:ss in the first hour."""
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes:02}:{whole:02}"
