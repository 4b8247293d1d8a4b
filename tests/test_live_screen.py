"""The live screen as a sink: its thread, its terminal, warnings, the end; and the lines where nothing can be drawn."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from streamser.sinks.live import LiveScreen, open_live
from streamser.sinks.live_lines import LiveLines
from streamser.sinks.output import Output
from tests.conftest import LABELS
from tests.live_material import console, degraded, gap, step, summary, transition, utterance, written

ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
SUMMARY = summary(
    3700.0,
    seconds={"anger": 21.5, "no_speech": 60.0},
    utterances=31,
    gaps=1,
    lost_seconds=0.36,
    latency={"median": 0.4, "p95": 0.6, "p99": 0.7, "worst": 0.9},
)
HEARD = "heard: no speech 60.0 s, anger 21.5 s; 31 utterances; 1 gap, 0.4 s lost; latency 0.40 s median, 0.60 s p95"


def test_it_draws_and_leaves_what_was_heard() -> None:
    terminal = console(160)
    screen = LiveScreen(terminal, LABELS)
    screen.write(step(0.0, text="Hello"))
    end = time.monotonic() + 10
    while "ANGER" not in written(terminal):
        assert time.monotonic() < end
        time.sleep(0.01)
    screen.write(utterance(0.0, 1.0, "Hello, world."))
    screen.write(SUMMARY)
    screen.close()
    drawn, _, left = written(terminal).partition(LEFT)
    assert drawn.startswith(ENTERED)
    assert "Hello, world." in left
    assert f"1:01:40 {HEARD}" in left
    assert "\x1b[?25h" in drawn + left  # the cursor is back
    assert not any(thread.name == "live screen" for thread in threading.enumerate())


def test_a_terminal_that_takes_nothing_holds_nothing_up() -> None:
    released = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            if "anger" in text:
                released.wait(20)
            return len(text)

    terminal = console()
    terminal.file = Stuck()
    screen = LiveScreen(terminal, LABELS)
    took = []
    for n in range(200):
        begun = time.monotonic()
        screen.write(step(0.5 * n))
        took.append(time.monotonic() - begun)
        time.sleep(0.001)
    released.set()
    screen.close()
    assert screen._state.end == 100.0  # no event waited for the terminal, none was left out
    assert sum(took) < 10.0


def test_warnings_stand_on_the_screen_and_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for beneath in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", beneath)
        now = [100.0]
        terminal = console()
        screen = LiveScreen(terminal, LABELS, clock=lambda now=now: now[0])  # type: ignore[misc]
        screen.write(step(0.0))
        print("streamser: warning: the microphone is gone", file=sys.stderr)
        assert beneath.getvalue() == ("" if beneath.isatty() else "streamser: warning: the microphone is gone\n")
        assert any("! the microphone is gone" in line.plain for line in screen.picture())
        now[0] += 60.0
        assert not any("is gone" in line.plain for line in screen.picture())
        screen.close()
        assert sys.stderr is beneath
        assert beneath.getvalue() == "streamser: warning: the microphone is gone\n"


def test_what_breaks_the_drawing_is_told_when_the_stream_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamser.sinks.live.frame", lambda *args: 1 / 0)
    terminal = console()
    screen = LiveScreen(terminal, LABELS)
    screen._thread.join(10)
    screen.write(step(0.0))
    screen.write(SUMMARY)
    with pytest.raises(ZeroDivisionError):
        screen.close()
    assert LEFT in written(terminal)
    assert "31 utterances" in written(terminal)


def test_a_terminal_that_is_gone_ends_quietly() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    terminal = console()
    screen = LiveScreen(terminal, LABELS)
    terminal.file = Gone()
    screen.write(step(0.0))
    screen.close()


@pytest.mark.parametrize("kind", ["dumb", "no terminal", "old Windows"])
def test_lines_where_nothing_can_be_drawn(kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = console()
    if kind == "dumb":
        terminal._environ = {"TERM": "dumb"}
    elif kind == "no terminal":
        terminal._force_terminal = False
    else:
        terminal.legacy_windows = True
    sink = open_live(terminal, LABELS)
    sink.write(step(0.0))
    sink.write(utterance(0.0, 1.0, "Hello."))
    sink.close()
    assert capsys.readouterr().out == "00:00  anger 66%  Hello.\n"
    assert written(terminal) == ""


def test_live_lines_say_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    sink = LiveLines(Output(None))
    said = utterance(9.8, 14.1, "I told you,\x1b[2J 日本.")
    for event in (
        step(0.0, None),
        transition(11.0, "anger"),
        said,
        gap(40.0, 0.36),
        degraded(41, "steps"),
        degraded(50, "nothing"),
        SUMMARY,
    ):
        sink.write(event)
    assert capsys.readouterr().out.splitlines() == [
        "00:11  -> anger",
        "00:09  anger 66%  I told you,[2J 日本.",
        "00:40  gap: 0.36 s lost (overflow)",
        "00:41  this machine is too slow: labels and words come less often",
        "00:50  this machine keeps up again",
        f"1:01:40 {HEARD}",
    ]


def test_lines_of_several_channels_say_whose(capsys: pytest.CaptureFixture[str]) -> None:
    sink = LiveLines(Output(None), channels=2)
    sink.write(utterance(0.0, 1.0, "Hello.", channel=1))
    assert capsys.readouterr().out == "channel 1  00:00  anger 66%  Hello.\n"
