"""`streamser devices`: the list, and the level meter."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.virtual_microphone import VirtualMicrophone
from streamser.audio.pieces import Block, Lost, Piece
from streamser.cli.main import main
from streamser.cli.meter import CLIPPED, Reading, line, readings, show
from streamser.clock import SAMPLE_RATE
from streamser.sinks.look import Look
from tests.fake_portaudio import PortAudio
from tests.live_material import console, written
from tests.recordings import tone, write_wav


class Played:
    """A source of given pieces."""

    name, seconds = "a microphone", None

    def __init__(self, pieces: Sequence[Piece], channels: int) -> None:
        self.pieces, self.channels = pieces, channels

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    def close(self) -> None:
        return


def agent_and_customer(clipped: bool = False) -> Played:
    """A second: a tone on the first channel, nothing on the second."""
    samples = np.zeros((SAMPLE_RATE, 2), np.float32)
    samples[:, 0] = tone(1.0, SAMPLE_RATE) * (2 if clipped else 1)
    return Played([Block(samples[start : start + 320]) for start in range(0, SAMPLE_RATE, 320)] + [Lost(3.0, "device")], 2)


def test_every_channel_has_a_level_of_its_own() -> None:
    found = list(readings(agent_and_customer(), 0.5))
    assert len(found) == 2
    for agent, customer in found:
        assert agent.rms == pytest.approx(-9.0, abs=0.1)
        assert agent.peak == pytest.approx(0.5, abs=0.001)
        assert customer == Reading(None, 0.0)


def test_clipping_on_one_channel_is_not_lost_in_the_other() -> None:
    ((agent, customer),) = readings(agent_and_customer(clipped=True), 1.0)
    assert agent.peak >= CLIPPED > customer.peak


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_line_fits_any_terminal(width: int) -> None:
    look = Look.of(Console(force_terminal=True, width=width, legacy_windows=False), ())
    for reading in (Reading(None, 0.0), Reading(None, 0.3), Reading(-120.0, 1e-5), Reading(-30.0, 0.5), Reading(0.0, 1.0)):
        assert line(reading, "0  ", look, width).cell_len <= width
    if width >= 80:
        assert line(Reading(0.0, 1.0), "0  ", look, width).plain.endswith("CLIPPED")  # the bar gives way, not the figures


def test_what_a_line_says() -> None:
    look = Look.of(Console(force_terminal=True, width=80, legacy_windows=False), ())

    def said(rms: float | None, peak: float) -> str:
        return line(Reading(rms, peak), "", look, 80).plain

    assert "-30.0 dB  peak  -6.0 dB" in said(-30.0, 0.5)
    assert "CLIPPED" in said(-3.0, 1.0)
    assert "CLIPPED" not in said(-3.0, 0.9)
    assert "digital silence: is it muted, or is this program not allowed to use it?" in said(None, 0.0)
    full = [said(rms, 0.1).count(look.glyphs.full) for rms in (-90.0, -60.0, -30.0, 0.0)]
    assert full[0] == full[1] == 0 < full[2] < full[3]


def test_a_terminal_shows_one_line_a_channel_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = console(width=80)
    show(agent_and_customer(), terminal)
    shown = written(terminal)
    assert "0  " in shown
    assert "digital silence" in shown
    assert "\x1b[1A" in shown  # back to the first of two lines
    assert "\x1b[2A" not in shown  # and no further: nothing was wrapped


def test_a_driver_s_line_ends_do_not_break_the_list(portaudio: PortAudio, capsys: pytest.CaptureFixture[str]) -> None:
    portaudio.names = ["Headset (@bthhfenum.sys,#2;%1 Hands-Free%0\r\n;(Anna))", "USB mic"]
    assert main(["devices"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("*     0  Headset (@bthhfenum.sys,#2;%1 Hands-Free%0 ;(Anna))  ")
    assert second.startswith("      1  USB mic  ")
    assert head.index("channels") == first.index("  1  16000") + 2 - 7


def test_a_device_that_is_not_there(portaudio: PortAudio, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--meter", "camera"]) == 1
    assert "no microphone matches 'camera' (`streamser devices` lists all): 0 USB mic (ALSA)" in capsys.readouterr().err


def test_the_meter_follows_what_is_played(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    loud = write_wav(tmp_path / "tone.wav", tone(5.0, SAMPLE_RATE), SAMPLE_RATE)
    process = subprocess.Popen(
        [sys.executable, "-m", "streamser.cli.main", "devices", "--meter", "default", "--seconds", "8"],
        env=virtual_mic.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("streamser: the level of ")
    time.sleep(2.5)
    virtual_mic.play(loud).wait()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert any("dB  peak  -6." in text for text in lines), out
