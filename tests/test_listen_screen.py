"""`streamser listen` on a terminal: what a person sees while a virtual microphone hears speech."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np

from benchmarks.listen import spoken_clips
from benchmarks.virtual_microphone import VirtualMicrophone
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.sinks.look import BLOCKS
from tests.conftest import LABELS
from tests.recordings import write_wav
from tests.terminal import Terminal

LISTEN = [sys.executable, "-m", "streamser.cli.main", "listen", "--device", "default", "--language", "en"]


def test_what_is_said_is_seen(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    clip = spoken_clips(tmp_path, ["en/quick_brown_fox"])[0]
    terminal = Terminal(LISTEN, virtual_mic.environment)
    try:
        before = terminal.wait_for(lambda lines: any("no speech" in line for line in lines))
        assert "listening" in before[0]
        assert any("Speak: what is said appears here" in line for line in before)
        assert any("not of what a person feels" in line for line in before)
        assert not any("sure" in line or "%" in line for line in before)
        virtual_mic.play(clip.path)
        during = terminal.wait_for(lambda lines: any("Hz" in line for line in lines) and any(BLOCKS.mark in line for line in lines))
        headline = next(line for line in during if "sure" in line or "perhaps" in line)
        assert headline.split()[0].casefold() in (*LABELS, "uncertain")
        assert sum("%" in line and BLOCKS.track in line for line in during) == len(LABELS)
        after = terminal.wait_for(lambda lines: any("1 utterance " in line for line in lines))
        assert any("fox" in line.casefold() and "%" in line for line in after)
        strip = next(number for number, line in enumerate(after) if f"{BLOCKS.tick}00:00" in line) - 1
        assert set(after[strip - 1].strip()) & set(BLOCKS.heights)
        assert after[strip].replace(BLOCKS.silence, "").strip()
        assert len(terminal.colours()) > len(LABELS)
        terminal.resize(60, 18)
        small = terminal.wait_for(lambda lines: "listening" in lines[0] and "Ctrl-C ends" in "".join(lines[16:]))
        assert max(map(len, small)) <= 60
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0
        left = terminal.written.rpartition(b"\x1b[?1049l")[2].decode()
        assert "1 utterance" in left
        assert " heard: " in left
        assert "Ctrl-C" not in left
        assert terminal.written.count(b"\x1b[?1049h") == terminal.written.count(b"\x1b[?1049l") == 1
    finally:
        terminal.close()


def test_two_channels_without_colour(tmp_path: Path) -> None:
    clip = spoken_clips(tmp_path, ["en/hello_world"])[0]
    said = np.concatenate([piece.samples[:, 0] for piece in open_file(clip.path) if isinstance(piece, Block)])
    both = write_wav(tmp_path / "both.wav", np.stack([np.zeros_like(said), said], axis=1), 16_000)
    with VirtualMicrophone(channels=2) as microphone:
        terminal = Terminal([*LISTEN, "--channels", "split"], microphone.environment, colour=False)
        try:
            terminal.wait_for(lambda lines: any("channel 0" in line and "channel 1" in line for line in lines))
            microphone.play(both)
            lines = terminal.wait_for(lambda lines: any("1 utterance " in line for line in lines))
            assert any("  1  " in line and "hello" in line.casefold() for line in lines)
            assert terminal.colours() == {"default"}
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.end() == 0
            left = "\n".join(terminal.lines())
            assert "channel 0  00:" in left
            assert "channel 1  00:" in left
        finally:
            terminal.close()
