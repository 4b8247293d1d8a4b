"""`streamser enrol` and `--enrolment`: from a recording and from the microphone, kept, used, listed, forgotten."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.virtual_microphone import VirtualMicrophone
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.cli.devices import meter_line
from streamser.cli.main import main
from streamser.clock import SAMPLE_RATE
from streamser.enrolment_files import enrolment_path, find_enrolment
from streamser.errors import UsageError
from streamser.recognizer import Recognizer
from streamser.speaker_history import SpeakerStatistics
from tests.recordings import tone, write_wav

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in this process, with a folder of its own for enrolments: (exit code, output, errors)."""
    monkeypatch.setenv("STREAMSER_ENROLMENTS", str(tmp_path / "enrolments"))
    networks = Recognizer.load("default", accelerator="cpu")
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda cls, pack, accelerator: networks))

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_person_is_enrolled_used_listed_and_forgotten(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("enrol", "anna", "--from", str(EXAMPLE))
    path = enrolment_path("anna")
    assert code == 0
    assert out.startswith("anna is enrolled with ")
    assert str(path) in out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    cold = judged(command, "recognize", str(EXAMPLE), "--no-transcript")
    warm = judged(command, "recognize", str(EXAMPLE), "--no-transcript", "--enrolment", "anna")
    assert warm == judged(command, "recognize", str(EXAMPLE), "--no-transcript", "--enrolment", str(path))
    assert [event["start"] for event in cold] == [event["start"] for event in warm]
    assert [event["probabilities"] for event in cold] != [event["probabilities"] for event in warm]

    code, out, _ = command("enrol", "--list")
    assert (code, out.split()[0]) == (0, "anna")
    assert "s of speech  for default" in out
    code, _, err = command("enrol", "anna", "--from", str(EXAMPLE))
    assert code == 2
    assert "anna is enrolled already" in err
    assert command("enrol", "anna", "--from", str(EXAMPLE), "--force")[0] == 0

    assert command("enrol", "anna", "--remove")[:2] == (0, "anna is forgotten\n")
    assert not path.exists()
    assert command("enrol", "--list")[:2] == (0, "")
    code, _, err = command("recognize", str(EXAMPLE), "--enrolment", "anna")
    assert code == 2
    assert "nobody called anna is enrolled: nobody is; `streamser enrol NAME` does it" in err


def judged(command: Command, *words: str) -> list[dict[str, object]]:
    code, out, err = command(*words)
    assert code == 0, err
    return [event for event in map(json.loads, out.splitlines()) if event["type"] == "emotion"]


def test_nothing_of_the_voice_but_statistics_is_kept(command: Command) -> None:
    command("enrol", "anna", "--from", str(EXAMPLE))
    with np.load(enrolment_path("anna"), allow_pickle=False) as kept:
        assert {name: kept[name].shape for name in kept} == {
            "mean": (3072,), "square": (3072,), "voice": (24,), "seconds": (), "pack": (), "fusion": ()
        }  # fmt: skip
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(EXAMPLE) if isinstance(piece, Block)])
    assert enrolment_path("anna").stat().st_size < 30_000 < samples.nbytes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["enrol"], "whom? Give a NAME"),
        (["enrol", "--list", "anna"], "--list stands alone"),
        (["enrol", "anna", "--remove"], "nobody called anna is enrolled"),
        (["enrol", "anna", "--remove", "--from", "x.wav"], "--remove takes a NAME only"),
        (["enrol", "anna", "--from", "x.wav", "--device", "0"], "--from and --device exclude each other"),
        (["enrol", "../anna", "--from", str(EXAMPLE)], "'../anna' is no name for an enrolment"),
        (["enrol", "anna.npz", "--from", str(EXAMPLE)], "'anna.npz' is no name"),
        (["recognize", str(EXAMPLE), "--enrolment", "nowhere/anna.npz"], r"nowhere/anna.npz cannot be read"),
        (["devices", "--seconds", "3"], "--seconds is how long --meter shall run"),
    ],
)
def test_mistakes(command: Command, words: list[str], message: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_too_little_speech_keeps_nothing(command: Command, tmp_path: Path) -> None:
    quiet = write_wav(tmp_path / "tone.wav", tone(4.0, SAMPLE_RATE), SAMPLE_RATE)
    code, _, err = command("enrol", "anna", "--from", str(quiet))
    assert code == 2
    assert "an enrolment needs 3 seconds of speech, and" in err
    assert not enrolment_path("anna").exists()
    code, _, err = command("enrol", "anna", "--from", str(tmp_path / "none.wav"))
    assert (code, err) == (1, f"streamser: {tmp_path / 'none.wav'}: no such file\n")


def test_an_enrolment_of_another_pack(command: Command) -> None:
    command("enrol", "anna", "--from", str(EXAMPLE))
    found = find_enrolment("anna")
    other = SpeakerStatistics(found.mean, found.square, found.voice, found.seconds, "early 0.1", "f00")
    with pytest.raises(UsageError, match=r"made with the pack early 0\.1, not with this default: enrol again"):
        Recognizer.load("default", "cpu").stream(enrolment=other)


def test_a_person_is_enrolled_at_the_microphone(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    environment = {**virtual_mic.environment, "STREAMSER_ENROLMENTS": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamser.cli.main", "enrol", "anna", "--device", "default"],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert "no audio is kept" in process.stderr.readline()
    time.sleep(1.0)  # the null sink's first callback
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(EXAMPLE) if isinstance(piece, Block)])
    virtual_mic.play(write_wav(tmp_path / "voice.wav", samples[: 9 * SAMPLE_RATE], SAMPLE_RATE)).wait()
    time.sleep(1.0)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("anna is enrolled with ")
    assert 4 < SpeakerStatistics.load(tmp_path / "anna.npz").seconds < 9


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
    assert any("#####" in line and " dB, peak   -6." in line for line in out.splitlines())


def test_what_the_meter_says() -> None:
    assert "digital silence: muted, or not allowed?" in meter_line(None, 0.0)
    assert meter_line(-30.0, 0.5).startswith("[" + 20 * "#" + 20 * " " + "]  -30.0 dB, peak   -6.0 dB")
    assert "CLIPPED" in meter_line(-3.0, 1.0)
    assert "CLIPPED" not in meter_line(-3.0, 0.9)
