"""How times, events and other people's text are written for a person to read."""

from __future__ import annotations

import unicodedata

from streamser.events import DegradedEvent, Event, GapEvent, SummaryEvent, TransitionEvent, UtteranceEvent

NOTES = (  # what labels are, for every width
    "An estimate of what a voice expresses, not of what a person feels.",
    "Estimates what voices express, not what people feel.",
    "Expression, estimated; not feelings.",
)
CAUGHT_UP = "nothing"  # what a `degraded` event sheds when the machine keeps up again
SHED = {"transcript": "words come less often", "steps": "labels and words come less often"}
JOINERS = "\u200c\u200d"  # Persian and Indic scripts need them
MARKS = 4  # combining marks on one letter; more would run over the lines above and below


def printable(text: str) -> str:
    """One line without what could move the cursor, turn the writing direction or break the encoding."""
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category == "Cs":
            shown.append("\ufffd")
        elif character in "\n\r\t" or category in ("Zl", "Zp"):
            shown.append(" ")
        elif marks <= MARKS and (category not in ("Cc", "Cf", "Cn", "Co") or character in JOINERS):
            shown.append(character)
    return "".join(shown)


def one_line(text: str) -> str:
    """Printable, without blanks at its ends or several in a row."""
    return " ".join(printable(text).split())


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or mm:ss in the first hour."""
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes:02}:{whole:02}"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def degraded_words(shed: str) -> str | None:
    """What a machine that is too slow leaves out; None when it has caught up."""
    if shed == CAUGHT_UP:
        return None
    return f"this machine is too slow: {SHED.get(shed, f'less of {printable(shed)}')}"


def plain_line(event: Event) -> str | None:
    """An event as a line of text; None for those that come every step."""
    match event:
        case UtteranceEvent():
            line = f"{clock(event.start)}  {printable(event.label)} {event.confidence:.0%}"
            return f"{line}  {printable(event.text)}" if event.text else line
        case TransitionEvent():
            return f"{clock(event.start)}  -> {printable(event.to_label)}"
        case GapEvent():
            return f"{clock(event.start)}  gap: {event.lost_seconds:.2f} s lost ({event.reason})"
        case DegradedEvent():
            return f"{clock(event.start)}  {degraded_words(event.shed) or 'this machine keeps up again'}"
        case SummaryEvent():
            return summary_line(event)
        case _:
            return None


def summary_line(event: SummaryEvent) -> str:
    """How long each emotion lasted, the longest first, and what went wrong."""
    lasted = sorted(((s, name) for name, s in event.seconds.items() if s > 0), reverse=True)
    parts = [f"{printable(name).replace('_', ' ')} {seconds:.1f} s" for seconds, name in lasted]
    line = f"{clock(event.end)} heard: {', '.join(parts) or 'nothing'}; {counted(event.utterances, 'utterance')}"
    if event.gaps:
        line += f"; {counted(event.gaps, 'gap')}, {event.lost_seconds:.1f} s lost"
    if event.latency:
        line += f"; latency {event.latency['median']:.2f} s median, {event.latency['p95']:.2f} s p95"
    return line
