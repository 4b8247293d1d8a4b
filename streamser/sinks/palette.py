"""A colour and a letter for every label, whatever a pack calls its labels: the screen and pages show the same ones."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from streamser.timeline import UNCERTAIN

# Bright enough on black, dark enough on white, and seven different ones where a terminal has 16 colours.
KNOWN = {
    "neutral": "#94a3b8",
    "anger": "#e5484d",
    "disgust": "#2f9e44",
    "fear": "#b14be0",
    "happiness": "#eab308",
    "sadness": "#3b82f6",
    "surprise": "#06b6d4",
}
OTHER_NAMES = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}
SPARE = ("#f97316", "#ec4899", "#84cc16", "#14b8a6", "#8b5cf6", "#b45309", "#64748b")
GREY = "#6b7280"  # uncertain
TURN = 0.381966  # of the colour circle, between colours where the spare ones are used up


def colours(labels: Iterable[str]) -> dict[str, str]:
    """`#rrggbb` of each label, and of `uncertain`; the usual emotions have theirs in every pack."""
    labels = tuple(labels)
    chosen = {UNCERTAIN: GREY}
    for label in labels:
        name = label.casefold()
        known = KNOWN.get(OTHER_NAMES.get(name, name))
        if known is not None and known not in chosen.values():
            chosen[label] = known
    free = [colour for colour in (*SPARE, *KNOWN.values()) if colour not in chosen.values()]
    turned = 0
    for label in labels:
        if label in chosen:
            continue
        if free:
            chosen[label] = free.pop(0)
            continue
        red, green, blue = colorsys.hls_to_rgb(turned * TURN % 1.0, 0.55, 0.6)
        chosen[label] = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
        turned += 1
    return chosen


def readable_on(colour: str) -> str:
    """`#000000` or `#ffffff`, whichever is read better on `#rrggbb` (relative luminance, as WCAG defines it)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.18 else "#ffffff"


def letters(labels: Iterable[str]) -> dict[str, str]:
    """One ASCII character a label, each different as long as they last: the first of its name that is still free."""
    chosen: dict[str, str] = {}
    for label in labels:
        names = [c for c in label.casefold() if c.isascii() and c.isalnum()]
        candidates = [*names, *"123456789", *"abcdefghijklmnopqrstuvwxyz"]
        free = (c for c in candidates if c not in chosen.values())
        chosen[label] = next(free, "#")
    return chosen
