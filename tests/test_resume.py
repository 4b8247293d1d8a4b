"""`recognize --resume`: what a killed run left is gone on with, to the bytes of an unbroken run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamser.cli import journal
from streamser.cli.main import main
from streamser.clock import to_samples
from streamser.recognizer import Recognizer
from streamser.sinks.formats import FORMATS
from streamser.sinks.output import Output
from tests.recordings import encode, write_wav
from tests.test_stream import EXAMPLE, RATE, read, recognizer

# The command itself, but for checkpoints every second instead of every 25, so that short recordings do.
COMMAND = "import sys, streamser.cli.journal as j; j.EVERY = 16_000; from streamser.cli.main import main; sys.exit(main())"


class KilledError(BaseException):
    """Stands in for a power cut: nothing catches it, and nothing may be tidied up by who would."""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A call of two people, and one with lost packets."""
    samples = read(EXAMPLE)
    folder = tmp_path / "calls"
    folder.mkdir()
    write_wav(folder / "a.wav", np.stack([samples[: 6 * RATE], samples[4 * RATE : 10 * RATE]], axis=1), RATE)
    encode(folder / "b.mkv", "flac", RATE, samples[6 * RATE : 12 * RATE], skip=lambda start: 48_000 if start >= 32_000 else 0)
    return folder


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recogniser for all; checkpoints every second."""
    one = recognizer()
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda cls, *args, **kwargs: one))
    monkeypatch.setattr(journal, "EVERY", to_samples(1.0))


class Kill:
    """Breaks runs off after so many writes (`after`; None: never); `writes` counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after: int | None = None
        self.writes = 0
        write = Output.write_line

        def counted(output: Output, line: str) -> None:
            if self.after is not None and self.writes >= self.after:
                raise KilledError
            self.writes += 1
            write(output, line)

        monkeypatch.setattr(Output, "write_line", counted)

    def __call__(self, after: int | None) -> None:
        self.after, self.writes = after, 0


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Kill:
    return Kill(monkeypatch)


def comparable(path: Path) -> bytes:
    return re.sub(rb'"real_time_factor":[^,]*', b"", path.read_bytes())


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if not one.made_at_end])
@pytest.mark.usefixtures("shared")
def test_every_format_goes_on_to_the_same_bytes(name: str, calls: Path, killed_after: Kill) -> None:
    several = FORMATS[name].several
    paths = [str(calls)] if several else [str(calls / "a.wav")]
    whole, broken = calls.parent / "whole", calls.parent / "broken"
    arguments = ["recognize", *paths, "--format", name, "--channels", "split", "--no-transcript"]
    assert main([*arguments, "-o", str(whole)]) == 0
    third = killed_after.writes // 3
    for at in (third, third):  # and the one that goes on is killed again
        killed_after(at)
        with pytest.raises(KilledError):
            main([*arguments, "-o", str(broken), *(["--resume"] if broken.exists() else [])])
        assert comparable(whole).startswith(comparable(broken))  # a valid prefix
        assert Path(f"{broken}.checkpoint").exists()
    killed_after(None)
    assert main([*arguments, "-o", str(broken), "--resume"]) == 0
    assert comparable(broken) == comparable(whole)
    assert not Path(f"{broken}.checkpoint").exists()


@pytest.mark.usefixtures("shared")
def test_a_folder_of_results_goes_on(calls: Path, killed_after: Kill, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["recognize", str(calls), "--no-transcript", "-o"]
    assert main([*arguments, f"{calls.parent}/whole/"]) == 0
    killed_after((calls.parent / "whole" / "a.jsonl").read_bytes().count(b"\n") + 6)
    with pytest.raises(KilledError):
        main([*arguments, f"{calls.parent}/broken/"])
    killed_after(None)
    capsys.readouterr()
    assert main([*arguments, f"{calls.parent}/broken/", "--resume"]) == 0
    said = capsys.readouterr().err
    assert "a.jsonl is complete" in said
    assert re.search(r"going on at 00:0\d of .*b\.mkv", said)
    names = ["a.jsonl", "b.jsonl"]
    assert sorted(path.name for path in (calls.parent / "broken").iterdir()) == names
    for name in names:
        assert comparable(calls.parent / "broken" / name) == comparable(calls.parent / "whole" / name)


def started(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def ended_by(process: subprocess.Popen[str], number: signal.Signals, output: Path, lines: int) -> str:
    """Send the signal once the output has so many lines; what was said on standard error."""
    for _ in range(3000):
        if (output.exists() and output.read_bytes().count(b"\n") >= lines) or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


@pytest.mark.usefixtures("shared")
def test_a_real_run_that_is_stopped_and_killed(calls: Path) -> None:
    """With words: Ctrl-C, then kill -9, then SIGTERM, at moments drawn by chance."""
    rng = np.random.default_rng()
    output, whole = calls.parent / "broken.jsonl", calls.parent / "whole.jsonl"
    arguments = ["recognize", str(calls), "-o"]
    assert main([*arguments, str(whole)]) == 0
    lines = [int(line) for line in np.sort(rng.integers(1, whole.read_bytes().count(b"\n") - 8, 3))]
    for number, at in zip((signal.SIGINT, signal.SIGKILL, signal.SIGTERM), lines, strict=True):
        there = output.read_bytes().count(b"\n") if output.exists() else 0
        process = started(*arguments, str(output), *(["--resume"] if output.exists() else []))
        said = ended_by(process, number, output, max(at, there + 1))  # not before it goes on: a block was finished first
        if process.returncode == 0:  # it was faster
            break
        assert "Traceback" not in said
        assert output.read_bytes().endswith(b"\n")
        if number != signal.SIGKILL:
            assert process.returncode == 130
            assert "--resume goes on from there" in said
            assert Path(f"{output}.checkpoint").exists()
    process = started(*arguments, str(output), "--resume")
    assert process.wait(120) == 0, process.communicate()
    assert comparable(output) == comparable(whole), lines


@pytest.mark.usefixtures("shared")
def test_what_cannot_be_gone_on_with(
    calls: Path, killed_after: Kill, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamser.audio.file.WHOLE_BLOCK", 0.5)
    output = calls.parent / "o.jsonl"
    recording = calls / "a.wav"
    first = ["recognize", str(recording), "--no-transcript", "-o", str(output)]
    killed_after(4)
    with pytest.raises(KilledError):
        main(first)
    killed_after(None)
    left = output.read_bytes()

    def refused(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) in (1, 2)
        assert output.read_bytes() == left
        return capsys.readouterr().err

    assert "is unfinished: go on with --resume, or start again with --force" in refused(*first)
    assert "was begun with no --step, not --step 0.6" in refused(*first, "--step", "0.6", "--resume")
    assert "was begun with --no-transcript, not no --no-transcript" in refused(
        "recognize", str(recording), "-o", str(output), "--resume"
    )
    assert "was begun with --format jsonl, not --format csv" in refused(*first, "--format", "csv", "--resume")
    assert "was begun with other recordings" in refused("recognize", str(calls / "b.mkv"), *first[1:], "--resume")
    changed = recording.stat()
    os.utime(recording, ns=(changed.st_atime_ns, changed.st_mtime_ns + 10**9))
    assert "a.wav was changed since o.jsonl was begun" in refused(*first, "--resume")
    os.utime(recording, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    other = calls.parent / "pack"
    other.mkdir()
    (other / "pack.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(recognizer(), "pack", replace(recognizer().pack, folder=other))
        assert "was begun with a pack of SHA-256" in refused(*first, "--resume")
    output.write_bytes(left[:10])
    left = left[:10]
    assert re.search(r"has 10 bytes where \d+ were written", refused(*first, "--resume"))


@pytest.mark.usefixtures("shared")
def test_nothing_to_go_on_with(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = calls.parent / "o.jsonl"
    arguments = ["recognize", str(calls / "a.wav"), "--no-transcript", "-o", str(output), "--resume"]
    assert main(arguments) == 0  # none there: from the beginning
    finished = output.read_bytes()
    assert json.loads(finished.splitlines()[-1])["type"] == "summary"
    assert main(arguments) == 0
    assert "o.jsonl is complete" in capsys.readouterr().err
    assert output.read_bytes() == finished


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "say which, with -o"),
        (["-", "-o", "o.jsonl"], "standard input comes only once"),
        (["a.wav", "-o", "o.html", "--format", "html"], "made at the end"),
        (["a.wav", "-o", "o.TextGrid", "--format", "textgrid"], "made at the end"),
        (["a.wav", "-o", "o.jsonl", "--force"], "give one of them"),
        (["a.wav", "-o", os.devnull], "is none"),
    ],
)
def test_resume_where_it_makes_no_sense(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", *arguments, "--resume"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("shared")
def test_a_file_of_somebody_else_is_not_overwritten_by_a_checkpoint(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = calls.parent / "o.jsonl"
    other = Path(f"{output}.checkpoint")
    other.write_text("my own")
    assert main(["recognize", str(calls / "a.wav"), "-o", str(output)]) == 1
    assert "is no checkpoint that can be read" in capsys.readouterr().err
    assert other.read_text() == "my own"
