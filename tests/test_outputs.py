"""Where the command puts what it found: one output, or one a recording in a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streamser.cli.main import main
from streamser.recognizer import Recognizer
from streamser.sinks.names import file_name, word_name
from tests.conftest import QuietRecognizer
from tests.recordings import tone, write_wav

EXTENSIONS = {"jsonl": "jsonl", "csv": "csv", "srt": "srt", "vtt": "vtt", "rttm": "rttm", "textgrid": "TextGrid"}


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder with two recordings, one of them in a folder of its own."""
    (tmp_path / "calls" / "monday").mkdir(parents=True)
    write_wav(tmp_path / "calls" / "a call.wav", tone(1.0, 16_000), 16_000)
    write_wav(tmp_path / "calls" / "monday" / "b.wav", tone(2.0, 16_000), 16_000)
    return tmp_path / "calls"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda *args, **kwargs: pytest.fail("work was begun")))


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_folder_gets_a_file_a_recording(name: str, calls: Path, quiet_recognizer: QuietRecognizer) -> None:
    out = calls.parent / "new" / "out"
    assert main(["recognize", str(calls), "--format", name, "-o", f"{out}/"]) == 0
    assert files_in(out) == [f"a call.{EXTENSIONS[name]}", f"monday/b.{EXTENSIONS[name]}"]
    assert "so, " in (out / "monday" / f"b.{EXTENSIONS[name]}").read_text() or name == "rttm"


def test_results_may_lie_beside_the_recordings(calls: Path, quiet_recognizer: QuietRecognizer) -> None:
    assert main(["recognize", str(calls), "--format", "srt", "-o", str(calls)]) == 0
    assert files_in(calls) == ["a call.srt", "a call.wav", "monday/b.srt", "monday/b.wav"]


def test_one_output_holds_several_recordings(calls: Path, quiet_recognizer: QuietRecognizer) -> None:
    out = calls.parent
    for name in ("jsonl", "csv", "rttm"):
        assert main(["recognize", str(calls), "--format", name, "-o", f"{out}/all.{name}"]) == 0
    sources = [json.loads(line)["source"] for line in (out / "all.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(sources)) == [str(calls / "a call.wav"), str(calls / "monday" / "b.wav")]
    assert [line.split()[1] for line in (out / "all.rttm").read_text().splitlines()] == ["a_call", "b"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "srt"], "one srt file cannot hold 2 recordings: give a folder as in -o results/"),
        (["--format", "vtt", "-o", "all.vtt"], "one vtt file cannot hold 2 recordings"),
        (["--format", "textgrid", "-o", "all.TextGrid"], "one textgrid file cannot hold 2 recordings"),
        (["--format", "textgrid"], "--format textgrid is made at the end: give a file with -o"),
        (["--format", "html"], "--format html is made at the end: give a file with -o"),
    ],
)
def test_what_a_format_cannot_do_is_wrong_usage(
    arguments: list[str], message: str, calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(calls.parent)
    assert main(["recognize", str(calls), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert files_in(calls.parent) == ["calls/a call.wav", "calls/monday/b.wav"]


def test_recordings_of_one_name_keep_their_suffix(calls: Path, quiet_recognizer: QuietRecognizer) -> None:
    (calls / "monday" / "B.wave").write_bytes((calls / "monday" / "b.wav").read_bytes())
    paths = [str(calls / "a call.wav"), str(calls / "monday" / "b.wav"), str(calls / "monday" / "B.wave")]
    assert main(["recognize", *paths, "-o", f"{calls.parent}/out/"]) == 0
    assert files_in(calls.parent / "out") == ["B.wave.jsonl", "a call.jsonl", "b.wav.jsonl"]


@pytest.mark.usefixtures("no_work")
def test_recordings_that_cannot_be_told_apart_are_refused(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin = write_wav(calls / "b.wav", tone(1.0, 16_000), 16_000)
    other = calls / "monday" / "b.wav"
    for arguments, message in (
        (["-o", f"{calls.parent}/out/"], "would both be called b.wav.jsonl in that folder"),
        (["--format", "rttm"], "would both be called b in one rttm file"),
    ):
        assert main(["recognize", str(twin), str(other), *arguments]) == 2
        assert f"{twin} and {other} {message}" in capsys.readouterr().err
    assert not (calls.parent / "out").exists()


def test_existing_results_in_a_folder_are_kept_unless_forced(
    calls: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    (calls.parent / "out" / "monday").mkdir(parents=True)
    old = calls.parent / "out" / "monday" / "b.TextGrid"
    old.write_text("precious")
    command = ["recognize", str(calls), "--format", "textgrid", "-o", str(calls.parent / "out")]
    assert main(command) == 1
    assert f"{old} exists: choose another folder, or overwrite what is there with --force" in capsys.readouterr().err
    assert files_in(calls.parent / "out") == ["monday/b.TextGrid"]
    assert main([*command, "--force"]) == 0
    assert old.read_text().startswith("File type")


def test_a_bad_recording_leaves_no_file_and_a_broken_one_what_was_heard(
    calls: Path, quiet_recognizer: QuietRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    (calls / "empty.wav").touch()
    whole = write_wav(calls / "cut.wav", tone(4.0, 16_000), 16_000)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert main(["recognize", str(calls), "--format", "textgrid", "-o", f"{calls.parent}/out/"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert files_in(calls.parent / "out") == ["a call.TextGrid", "cut.TextGrid", "monday/b.TextGrid"]
    assert re.search(r"xmax = (1\.99\d|2\.000)\n", (calls.parent / "out" / "cut.TextGrid").read_text())


def test_a_folder_that_got_nothing_is_not_left_behind(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", str(calls), "--pack", "nowhere", "-o", f"{calls.parent}/out/"]) == 1
    assert "no pack" in capsys.readouterr().err
    assert not (calls.parent / "out").exists()


@pytest.mark.usefixtures("no_work")
def test_a_folder_that_cannot_be_made_is_said(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (calls.parent / "file").touch()
    assert main(["recognize", str(calls), "-o", f"{calls.parent}/file/"]) == 1
    assert "file cannot be made: file exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "file", "word"),
    [
        ("calls/a call.v2.wav", "a call.v2.wav", "a_call.v2"),
        ("-", "standard-input", "standard-input"),
        ("https://host.org/shows/one%20two.mp3?token=secret#t=1", "one_20two.mp3", "one_20two"),
        ("rtsp://user:secret@camera:554/", "camera_554", "camera_554"),
        ('"?".wav', '"?".wav', "_"),
    ],
)
def test_what_a_recording_is_called(source: str, file: str, word: str) -> None:
    assert file_name(source) == file
    assert word_name(source) == word
