"""One voice on the live screen: its emotion in words, a bar an emotion, pitch, level, arousal and latency."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from streamser.events import EmotionEvent
from streamser.sinks.live_state import Voice
from streamser.sinks.look import Look
from streamser.sinks.wording import clock, printable
from streamser.timeline import UNCERTAIN

METERS = 22  # columns of the meters beside the bars
BESIDE = 58  # columns from which on the meters stand beside the bars, not below
MOST_BARS = 60  # columns
LOWEST_HZ, HIGHEST_HZ = 70.0, 450.0  # of the drawn pitch
QUIETEST_DB = -60.0  # where the level's meter begins


def headline(voice: Voice, look: Look, width: int, name: str = "") -> Text:
    """The emotion and its confidence, in words: readable without colour."""
    line = Text(f"{name}  " if name else "", style="bold", end="")
    now = voice.emotion
    if now is None or now.state == "no_speech":
        line.append("no speech" if now is not None else "...", style=f"{look.dim} not bold")
    else:
        label = now.stable_label or now.label or ""
        line.append(f" {printable(label).upper()} ", style=look.badge(label))
        line.append(f"  {certainty(now, label)}", style="bold")
        if voice.since is not None and width > 40:
            line.append(f"  since {clock(voice.since)}", style=f"{look.dim} not bold")
    return look.fit(line, width)


def certainty(now: EmotionEvent, label: str) -> str:
    """How sure a step is of the stable label, which need not be the step's own."""
    likely = max(now.probabilities or {"": 0.0}, key=lambda name: (now.probabilities or {}).get(name, 0.0))
    if label == UNCERTAIN:
        return f"perhaps {printable(likely)}"
    share = now.confidence if label == now.label else (now.probabilities or {}).get(label)
    return f"{share:.0%} sure" if share is not None else ""


def bars(voice: Voice, look: Look, width: int, count: int) -> list[Text]:
    """A bar an emotion in the pack's order; where there are too many, the most probable and one for all others."""
    probabilities = (voice.emotion.probabilities if voice.emotion is not None else None) or {}
    stable = voice.emotion.stable_label if voice.emotion is not None else None
    labels = list(look.labels)
    others = 0
    if len(labels) > count:
        kept = sorted(labels, key=lambda label: -probabilities.get(label, 0.0))[: max(count - 1, 0)]
        others = len(labels) - len(kept)
        labels = [label for label in labels if label in kept]
    names = min(max([cell_len(printable(label)) for label in look.labels] + [8]), max(width // 3, 6))
    room = max(min(width - names - 9, MOST_BARS), 1)
    rows = [
        _bar(look, printable(label), label, probabilities.get(label), label == stable, names, room) for label in labels if count > 0
    ]
    if others and count > 0:
        rest = sum(share for label, share in probabilities.items() if label not in labels) if probabilities else None
        rows.append(_bar(look, f"{others} others", None, rest, False, names, room))
    return rows


def _bar(look: Look, name: str, label: str | None, share: float | None, stable: bool, names: int, room: int) -> Text:
    style = look.style(label)
    row = Text(end="").append(look.glyphs.mark if stable else " ", style=style)
    if not look.colour and label is not None:
        row.append(look.letters.get(label, "?"))  # what stands for it in the strip
    row.append(" ")
    shown = look.fit(Text(name, style=f"bold {style}" if stable else style), names)
    row.append_text(shown).append(" " * (names - shown.cell_len))
    row.append(" ")
    row.append_text(look.bar(share or 0.0, room - (0 if look.colour or label is None else 1), style))
    row.append(f" {share:>4.0%}" if share is not None else "", style=style)
    return row


def meters(voice: Voice, look: Look) -> list[Text]:
    """Pitch, level, arousal and latency, seven rows of 22 columns."""
    now = voice.emotion
    if now is None:
        return []
    rows = [_figure(look, "pitch", now.pitch_hz, "{:.0f} Hz"), _pitch_curve(voice, look)]
    rows += [_figure(look, "level", now.level_db, "{:.0f} dB"), look.bar(level_share(now.level_db), METERS)]
    rows += [_figure(look, "arousal", now.arousal, "{:.2f}"), look.bar(now.arousal or 0.0, METERS)]
    return [*rows, _figure(look, "latency", now.latency, "{:.2f} s")]


def meter_line(voice: Voice, look: Look, width: int) -> Text:
    """The same in one row, as far as it fits."""
    now = voice.emotion
    line = Text("  ", end="")
    if now is None:
        return line
    for value, pattern in (
        (now.level_db, "{:.0f} dB"),
        (now.pitch_hz, "{:.0f} Hz"),
        (now.latency, "{:.2f} s late"),
        (now.arousal, "arousal {:.2f}"),
    ):
        shown = pattern.format(value) if value is not None else ""
        if shown and len(line) + len(shown) + 2 <= width:
            line.append(f"{shown}  ", style=look.dim)
            if pattern.endswith("dB") and width >= 30:
                line.append_text(look.bar(level_share(value), 8)).append("  ")
    return line


def level_share(level_db: float | None) -> float:
    """0 to 1 for a level's meter."""
    return 0.0 if level_db is None else 1.0 - level_db / QUIETEST_DB


def _figure(look: Look, name: str, value: float | None, pattern: str) -> Text:
    row = Text(name, style=look.dim, end="")
    shown = pattern.format(value) if value is not None else "-"
    return row.append(shown.rjust(METERS - len(name)), style="not dim default")


def _pitch_curve(voice: Voice, look: Look) -> Text:
    """The pitch of the last steps, on a logarithmic scale; a blank where there was none."""
    span = math.log(HIGHEST_HZ / LOWEST_HZ)
    shown = list(voice.pitches)[-METERS:]
    curve = "".join(" " if hz is None else look.height(math.log(max(hz, LOWEST_HZ) / LOWEST_HZ) / span) for hz in shown)
    return Text(curve.rjust(METERS), style=look.dim, end="")
