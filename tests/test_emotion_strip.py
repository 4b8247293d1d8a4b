"""The strip of the last minutes: what each column says, and the colours and letters of labels."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.text import Text

from streamser.sinks.emotion_strip import KEPT, EmotionStrip, ticks
from streamser.sinks.look import ASCII, Look
from streamser.sinks.palette import colours, letters, readable_on
from tests.conftest import LABELS
from tests.live_material import console, gap, step

LOOK = Look.of(console(), LABELS)
PLAIN = Look.of(console(colour=False), LABELS)


def heard(*parts: tuple[str | None, float], share: float = 0.7) -> EmotionStrip:
    """Emotions one after another, each with its seconds."""
    strip = EmotionStrip()
    at = 0.0
    for label, seconds in parts:
        for _ in range(round(seconds * 2)):
            strip.hear(step(at, label, share))
            at += 0.5
    return strip


def backgrounds(line: Text) -> list[str | None]:
    """Of each character."""
    found: list[str | None] = [None] * len(line)
    for span in line.spans:
        _, _, background = str(span.style).partition(" on ")
        found[span.start : span.end] = [background or None] * (span.end - span.start)
    return found


def test_a_column_is_two_seconds_of_its_longest_emotion() -> None:
    strip = heard(("anger", 20), ("sadness", 4), ("fear", 0.5), ("neutral", 1.5))
    line = strip.names(LOOK, 0, 13)
    assert line.plain == " anger    s n"
    colour = colours(LABELS)
    assert backgrounds(line) == [colour["anger"]] * 10 + [colour["sadness"]] * 2 + [colour["neutral"]]


def test_silence_doubt_and_lost_audio_are_seen() -> None:
    strip = heard(("anger", 4), (None, 6), ("uncertain", 2))
    strip.lose(gap(12.0, 0.4))
    strip.hear(step(12.5, "fear"))
    assert strip.names(LOOK, 0, 9).plain == "a ···?" + LOOK.glyphs.lost + "  "
    assert strip.heights(LOOK, 0, 9).plain.rstrip()[2:5] == "   "
    strip.lose(gap(14.0, 7.0))
    assert strip.names(LOOK, 6, 5).plain == LOOK.glyphs.lost * 5


def test_speech_shows_where_silence_is_longer() -> None:
    assert heard(("anger", 0.5), (None, 1.5)).names(LOOK, 0, 1).plain == "a"


def test_heights_say_how_surely() -> None:
    sure, unsure = heard(("anger", 2), share=0.95), heard(("anger", 2), share=0.2)
    heights = LOOK.glyphs.heights
    assert heights.index(sure.heights(LOOK, 0, 1).plain) > heights.index(unsure.heights(LOOK, 0, 1).plain) + 3


def test_without_colour_names_and_letters_say_it() -> None:
    strip = heard(("anger", 20), ("surprise", 4), ("sadness", 4))
    line = strip.names(PLAIN, 0, 14)
    assert line.plain == "anger─────u─s─"
    assert not any(str(span.style) for span in line.spans)
    ascii_look = Look(LABELS, colours(LABELS), letters(LABELS), colour=False, glyphs=ASCII)
    assert strip.names(ascii_look, 0, 14).plain == "anger-----u-s-"


def test_hours_take_no_more_memory_than_minutes() -> None:
    strip = EmotionStrip()
    for at in range(0, 20_000, 4):
        strip.hear(step(float(at)))
    strip.lose(gap(20_000.0, 30 * 3600.0))
    assert len(strip._columns) <= KEPT
    assert strip.names(LOOK, strip.last - 2, 3).plain == LOOK.glyphs.lost * 3


def test_times_stand_below_their_columns() -> None:
    line = ticks(LOOK, 20, 60).plain
    assert line.index("╵01:00") == 10
    assert line.index("╵02:00") == 40
    assert len(line) == 60


def test_every_label_has_a_colour_and_a_letter_of_its_own() -> None:
    own = (*(f"Stimmung {n}" for n in range(40)), "喜び", "怒り", "anger")
    assert len(set(colours(own).values())) == len(own) + 1  # and `uncertain`
    assert colours(own)["anger"] == colours(LABELS)["anger"]
    assert colours(("happy", "sad"))["happy"] == colours(LABELS)["happiness"]
    assert letters(LABELS) == dict(zip(LABELS, "nadfhsu", strict=True))
    assert len(set(letters(own[:30]).values())) == 30
    assert all(letter.isascii() and len(letter) == 1 for letter in letters(own).values())


@pytest.mark.parametrize("system", [ColorSystem.STANDARD, ColorSystem.EIGHT_BIT])
def test_the_default_labels_stay_apart_with_few_colours(system: ColorSystem) -> None:
    few = {Color.parse(colour).downgrade(system).number for colour in colours(LABELS).values()}
    assert len(few) == len(LABELS) + 1  # and `uncertain`


def test_names_can_be_read_on_their_colours() -> None:
    assert readable_on("#000000") == "#ffffff"
    assert readable_on("#ffff00") == "#000000"
