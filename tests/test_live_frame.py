"""What stands on the live screen: at every size, with and without colour, whatever was said."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from streamser.events import Event
from streamser.sinks.look import BLOCKS
from tests.conftest import LABELS
from tests.live_material import console, degraded, gap, shown, step, transition, utterance

CALL: list[Event] = [
    step(0.0, None, pitch_hz=None),
    transition(0.5, "anger"),
    *[step(0.5 + 0.5 * n) for n in range(60)],
    utterance(0.5, 14.0, "I told you twice."),
    gap(30.5, 0.8),
    step(31.5, text="And nobody", text_pending=" listens"),
]


def line_with(lines: list[str], part: str) -> str:
    found = [line for line in lines if part in line]
    assert found, "\n".join(lines)
    return found[0]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_everything_stands_on_24_rows(columns: int) -> None:
    lines = shown(CALL, console(columns))
    text = "\n".join(lines)
    for part in ("a microphone", "listening", "00:32", "ANGER", "70% sure", "231 Hz", "-23 dB", "0.83", "0.42 s"):
        assert part in text, part
    for label in LABELS:
        assert any(label in line for line in lines), label
    assert "66%  I told you twice." in line_with(lines, "I told you")
    assert line_with(lines, "And nobody listens").lstrip().startswith("00:28")
    assert "0.8 s of audio lost (overflow)" in text
    assert "1 utterance   1 change   1 gap (0.8 s lost)" in text
    assert "Ctrl-C ends" in text
    assert "what" in line_with(lines, "feel")


@pytest.mark.parametrize("voices", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [(20, 5), (30, 10), (40, 12), (60, 16), (80, 24), (120, 30), (300, 90)])
def test_it_never_outgrows_the_terminal(size: tuple[int, int], voices: int) -> None:
    events = [
        event for channel in range(voices) for event in (step(0.0, channel=channel), utterance(0, 1, "word " * 80, channel=channel))
    ]
    lines = shown(events, console(*size))
    assert len(lines) <= size[1]
    assert max(cell_len(line) for line in lines) <= size[0]
    assert sum("ANGER" in line for line in lines) >= 1
    if size >= (80, 24):
        assert any("word word" in line for line in lines)


def test_the_longest_bar_is_the_likeliest_emotion() -> None:
    lines = shown([step(0.0, "fear", 0.6)], console())
    lengths = {label: line_with(lines, f" {label} ")[:40].count("━") for label in LABELS}
    assert max(lengths, key=lambda label: lengths[label]) == "fear"
    assert line_with(lines, "▸").split()[1] == "fear"
    assert "60%" in line_with(lines, "▸")


def test_silence_has_no_emotion() -> None:
    text = "\n".join(shown([step(0.0), step(0.5, None)], console()))
    assert "no speech" in text
    assert "sure" not in text
    assert "▸" not in text


def test_a_stable_label_beside_another_step_says_its_own_probability() -> None:
    probabilities = {**dict.fromkeys(LABELS, 0.02), "anger": 0.3, "fear": 0.6}
    lines = shown([step(0.0, "anger", label="fear", confidence=0.6, probabilities=probabilities)], console())
    assert "30% sure" in line_with(lines, "ANGER")
    unsure = step(0.0, "anger", stable_label="uncertain", label="uncertain", confidence=0.2, probabilities=probabilities)
    assert "perhaps fear" in line_with(shown([unsure], console()), "UNCERTAIN")


def test_words_of_now_give_way_to_the_utterance() -> None:
    events: list[Event] = [step(0.0, text="Hello", text_pending=" word")]
    assert any("...  Hello word" in line for line in shown(events, console()))
    events.append(utterance(0.0, 0.5, "Hello, world."))
    lines = shown(events, console())
    assert "66%  Hello, world." in line_with(lines, "Hello")
    assert not any("Hello word" in line for line in lines)


def test_the_newest_words_are_kept_whole() -> None:
    events: list[Event] = [utterance(n, n + 1, f"number {n} " + "said " * 20) for n in range(30)]
    lines = shown(events, console())
    assert any("number 29" in line for line in lines)
    assert not any("number 0 " in line for line in lines)
    first = next(line for line in lines if "said" in line)
    assert "number" in first  # no utterance without its beginning


def test_late_utterances_stand_by_time() -> None:
    lines = shown([utterance(9, 10, "second", channel=1), utterance(4, 8, "first")], console())
    order = [word for line in lines for word in ("first", "second") if word in line]
    assert order == ["first", "second"]


def test_channels_stand_apart() -> None:
    events: list[Event] = [step(0.0), step(0.0, "sadness", channel=1), gap(0.5, 1.0), gap(0.5, 1.0, channel=1)]
    events.append(utterance(0, 1, "Where is it?", channel=1))
    lines = shown(events, console())
    both = line_with(lines, "ANGER")
    assert both.index("channel 0") < both.index("ANGER") < both.index("channel 1") < both.index("SADNESS")
    assert "1  anger" in line_with(lines, "Where is it?")
    assert "1 gap (1.0 s lost)" in line_with(lines, "utterance ")  # both channels lost the same second


def test_a_device_that_is_silent_for_long_is_noticed() -> None:
    lines = shown([step(0.0, text="Hello")], console(), waiting=65.0, notice="the device is gone")
    assert "nothing arrives for 01:05" in lines[0]
    assert "listening" not in lines[0]
    assert not any("sure" in line for line in lines)  # it is not so now
    assert any("Hello" in line for line in lines)
    assert any("! the device is gone" in line for line in lines)


def test_shed_work_is_said_until_it_is_over() -> None:
    events: list[Event] = [step(0.0), degraded(0.5, "transcript")]
    assert any("too slow: words come less often" in line for line in shown(events, console()))
    events.append(degraded(1.0, "steps"))
    lines = shown(events, console())
    assert any("labels and words come less often" in line for line in lines)
    assert sum("too slow" in line for line in lines) == 1
    events.append(degraded(2.0, "nothing"))
    assert not any("too slow" in line for line in shown(events, console()))
    assert any("less of something new" in line for line in shown([degraded(0.5, "something new")], console()))


@pytest.mark.parametrize(
    "text",
    [
        "[bold red]not markup[/] [link=x]y[/link] :smile: [/]",
        "日本語の文字は広い。" * 12,
        "e\u0301" * 90,
        "z" + "\u0335" * 500 + " zalgo",
        "\x1b[31m\x1b[2J\x07 control \x9b5A \r\n lines\tand tabs",
        "\u202e reversed \u2066 isolated",
        "\udcff broken",
        "👩‍👩‍👧‍👦 family 🇩🇪" * 10,
        "",
        "x" * 500,
    ],
)
def test_no_text_breaks_the_screen(text: str) -> None:
    terminal = console()
    events: list[Event] = [utterance(0, 1, text), step(1.0, text=text, text_pending=text)]
    lines = shown(events, terminal, notice=text)
    assert len(lines) == 24
    assert max(cell_len(line) for line in lines) <= 80
    joined = "".join(lines)
    assert not set(joined) & {"\x1b", "\x9b", "\x07", "\r", "\n", "\u202e", "\u2066", "\udcff"}
    if text.startswith("["):
        assert "[bold red]not markup[/] [link=x]y[/link] :smile: [/]" in joined


def test_ascii_alone_where_the_terminal_has_nothing_else() -> None:
    terminal = console(encoding="ascii", colour=False)
    lines = shown(CALL, terminal, notice="careful")
    "\n".join(lines).encode("ascii")
    assert line_with(lines, "anger ")[:40].count("=") > 15
    assert line_with(lines, ">").split()[0] == ">a"
    assert any(line.strip().startswith("anger---") for line in lines)


def test_without_colour_letters_and_names_say_it() -> None:
    lines = shown(CALL, console(colour=False))
    strip = line_with(lines, "anger──")
    assert BLOCKS.lost in strip
    assert line_with(lines, "sadness").split()[0] == "s"
    assert line_with(lines, "surprise").split()[0] == "u"


@pytest.mark.parametrize("count", [2, 3, 12, 40])
def test_labels_of_any_pack_fit(count: int) -> None:
    names = tuple(f"{n} a rather long name of an emotion 気持ち" for n in range(count))
    events: list[Event] = [step(0.5 * n, names[n % count], 0.6, names) for n in range(30)]
    events.append(step(15.0, names[1], 0.6, names))
    for terminal in (console(), console(60, 20), console(120, 50)):
        lines = shown(events, terminal, names)
        assert len(lines) <= terminal.height
        assert max(cell_len(line) for line in lines) <= terminal.width
        assert "60%" in line_with(lines, "▸")
        bars = [line for line in lines if "%" in line and "sure" not in line]
        others = [line for line in bars if "others" in line]
        assert len(bars) - len(others) + sum(int(line.split()[0]) for line in others) == count
