"""Every mistake a user can make: one clear line, the documented exit code, and nothing already emitted lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser.audio import devices
from streamser.audio.devices import Device
from streamser.cli.main import main
from streamser.errors import AudioError, PackError
from streamser.recognizer import Recognizer
from tests.conftest import QuietRecognizer
from tests.recordings import encode, tone, write_wav


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "good.wav", tone(2.0, 16_000), 16_000)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def one_line(text: str) -> str:
    """What was said on standard error, which must be one line of the command's own."""
    assert text.startswith("streamser: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["sing"], "invalid choice: 'sing'"),
        (["recognize"], "PATH"),
        (["recognize", "a.wav", "--loud"], "--loud"),
        (["recognize", "a.wav", "--step", "fast"], "invalid float value: 'fast'"),
        (["recognize", "a.wav", "--format", "doc"], "invalid choice: 'doc'"),
        (["recognize", "a.wav", "--accelerator", "tpu"], "invalid choice: 'tpu'"),
        (["recognize", "a.wav", "--raw", "s16le:16000:1"], "give - as the path"),
        (["recognize", "-", "--raw", "s16le"], "s16le:16000:1"),
        (["recognize", "-", "-"], "only once"),
        (["recognize", "a.wav", "--words", "--no-transcript"], "--words needs the transcript"),
        (["recognize", "a.wav", "--labels", ","], "--labels names no label"),
        (["listen", "--seconds", "-1"], "not a length of time"),
        (["packs"], "list|show|verify"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in one_line(captured.err)
    assert captured.out == ""


def test_a_good_recording(good: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", str(good)]) == 0
    captured = capsys.readouterr()
    events = lines_of(captured.out)
    assert [event["type"] for event in events] == ["emotion"] * 4 + ["utterance", "summary"]
    assert {event["source"] for event in events} == {str(good)}
    assert captured.err == ""


def test_csv(good: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", str(good), "--format", "csv", "--labels", "anger,sadness"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 5
    assert [name for name in rows[0].split(",") if name.startswith("probability_")] == [
        "probability_anger",
        "probability_sadness",
    ]


def test_split_channels_have_a_time_line_each(
    tmp_path: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    stereo = np.stack([tone(1.0, 16_000), np.zeros(16_000)], axis=1)
    assert main(["recognize", str(write_wav(tmp_path / "two.wav", stereo, 16_000)), "--channels", "split"]) == 0
    events = lines_of(capsys.readouterr().out)
    assert [event["channel"] for event in events if event["type"] == "summary"] == [0, 1]
    loud = [float(np.abs(np.concatenate(stream.heard)).max()) for stream in quiet_recognizer.streams]
    assert loud == pytest.approx([0.5, 0.0], abs=0.01)


def test_bad_files_do_not_stop_the_others(
    good: Path, tmp_path: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("words " * 200)
    (tmp_path / "none").mkdir()
    write_wav(tmp_path / "short.wav", tone(0.05, 16_000), 16_000)
    bad = ["missing.wav", "empty.wav", "text.wav", "none", "short.wav"]
    assert main(["recognize", *(str(tmp_path / name) for name in bad), str(good)]) == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) == len(bad)
    words = ["no such file", "empty file", "audio", "a directory without audio", "only 0.050 s long"]
    for line, name, message in zip(errors, bad, words, strict=True):
        assert line.startswith(f"streamser: {tmp_path / name}: ")
        assert message in line
    assert lines_of(captured.out)[-1]["source"] == str(good)


def test_a_truncated_recording_keeps_what_was_heard(
    tmp_path: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = encode(tmp_path / "cut.wav", "pcm_s16le", 16_000, tone(4.0, 16_000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["recognize", str(path)]) == 1
    captured = capsys.readouterr()
    assert "truncated: 2.0 s of 4.0 s are there" in one_line(captured.err)
    assert lines_of(captured.out)[-1]["type"] == "summary"
    assert lines_of(captured.out)[-1]["end"] == pytest.approx(2.0, abs=0.01)


def test_broken_samples_are_a_warning(
    tmp_path: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tone(1.0, 16_000)
    samples[::7] = np.nan
    assert main(["recognize", str(write_wav(tmp_path / "nan.wav", samples, 16_000, "f32"))]) == 0
    captured = capsys.readouterr()
    assert "warning" in one_line(captured.err)
    assert "2286 samples were not finite numbers" in captured.err
    assert lines_of(captured.out)[-1]["type"] == "summary"


def test_outputs_are_checked_before_any_work(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda *args, **kwargs: pytest.fail("work was begun")))
    (tmp_path / "old.jsonl").write_text("precious\n")
    for output, message in (
        (tmp_path / "old.jsonl", "exists: choose another name, or overwrite it with --force"),
        (tmp_path / "no" / "o.jsonl", "cannot be written: no such file or directory"),
        (tmp_path / "old.jsonl" / "results", "cannot be written: not a directory"),
    ):
        assert main(["recognize", str(good), "-o", str(output)]) == 1
        assert message in one_line(capsys.readouterr().err)
    assert (tmp_path / "old.jsonl").read_text() == "precious\n"


def test_force_overwrites(good: Path, tmp_path: Path, quiet_recognizer: QuietRecognizer) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text("old\n" * 1000)
    assert main(["recognize", str(good), "-o", str(path), "--force"]) == 0
    assert lines_of(path.read_text())[-1]["type"] == "summary"


def test_a_missing_pack_is_said_and_leaves_no_output(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", str(good), "--pack", "nowhere", "-o", str(tmp_path / "o.jsonl")]) == 1
    assert "no pack 'nowhere'" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "o.jsonl").exists()
    assert main(["packs", "verify", "nowhere"]) == 1
    assert "no pack 'nowhere'" in one_line(capsys.readouterr().err)


def test_a_damaged_pack_is_said(good: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*args: object, **kwargs: object) -> None:
        raise PackError("fusion.onnx\nis not the file that pack.json names")

    monkeypatch.setattr(Recognizer, "load", classmethod(load))
    assert main(["recognize", str(good)]) == 1
    assert "fusion.onnx is not the file" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        ([], None, "no microphone was found"),
        ([Device(0, "a mic", "ALSA", 1, 16_000, True)], "camera", "no microphone matches 'camera'"),
        ([Device(0, "a mic", "ALSA", 1, 16_000, True), Device(1, "b mic", "ALSA", 1, 16_000, False)], "mic", "several"),
    ],
)
def test_a_wrong_device_lists_what_exists(
    found: list[Device],
    wanted: str | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "list_devices", lambda: found)
    assert main(["listen", *(["--device", wanted] if wanted else [])]) == 1
    line = one_line(capsys.readouterr().err)
    assert message in line
    assert "streamser devices" in line
    assert all(str(device) in line for device in found)


def test_devices_without_portaudio(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise AudioError("PortAudio is not installed: apt install libportaudio2")

    monkeypatch.setattr(devices, "sounddevice_module", missing)
    for verb in ("devices", "listen"):
        assert main([verb]) == 1
        assert "libportaudio2" in one_line(capsys.readouterr().err)


def test_recognize_works_without_portaudio(
    good: Path, quiet_recognizer: QuietRecognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # importing it fails
    assert main(["recognize", str(good)]) == 0
    assert lines_of(capsys.readouterr().out)[-1]["type"] == "summary"


# The command as a process of its own, with a recogniser without networks: for pipes and signals.
PROCESS = """
import sys
from tests.conftest import QuietRecognizer
from streamser.recognizer import Recognizer
Recognizer.load = classmethod(lambda cls, *args, **kwargs: QuietRecognizer())
from streamser.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: str, **settings: Any) -> subprocess.Popen[str]:
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments],
        text=True,
        cwd=root,
        env=environment,
        stderr=subprocess.PIPE,
        # A shell that started these tests in the background would have them, and what they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **settings,
    )


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", np.zeros(600 * 16_000, np.float32), 16_000)
    process = command("recognize", str(path), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "emotion"
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_reader_that_goes_away_before_the_end_is_no_error() -> None:
    process = command("--help", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_ctrl_c_ends_recognize_with_130_and_whole_lines(tmp_path: Path) -> None:
    output = tmp_path / "o.jsonl"
    process = command("recognize", "-", "--raw", "s16le:16000:1", "-o", str(output), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.buffer.write(b"\0" * 64_000)
    process.stdin.buffer.flush()
    end = time.monotonic() + 60
    while not (output.exists() and output.read_text().count("\n") >= 4):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert output.read_text().endswith("\n")
    assert [event["type"] for event in lines_of(output.read_text())] == ["emotion"] * 4


def test_standard_input_is_recognised(tmp_path: Path) -> None:
    data = write_wav(tmp_path / "a.wav", tone(2.0, 16_000), 16_000).read_bytes()
    process = command("recognize", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.buffer.write(data)
    process.stdin.close()
    events = lines_of(process.stdout.read())
    assert process.wait(60) == 0
    assert events[-1]["type"] == "summary"
    assert events[-1]["end"] == 2.0
    assert events[-1]["source"] == "-"


def test_an_empty_pipe_and_a_closed_one_are_said() -> None:
    process = command("recognize", "-", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "standard input: nothing in it" in one_line(errors)
