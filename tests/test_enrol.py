"""`streamser enrol` and `--enrolment`: from a recording and from the microphone, kept, used, listed, forgotten."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.listen import spoken_clips
from benchmarks.virtual_microphone import VirtualMicrophone
from streamser.audio.file import open_file
from streamser.audio.pieces import Block, Piece, Source
from streamser.cli.main import main
from streamser.clock import SAMPLE_RATE
from streamser.enrolment_files import enrolment_path, enrolments_folder, find_enrolment, keep_enrolment
from streamser.errors import UsageError
from streamser.recognizer import Recognizer
from streamser.speaker_history import SpeakerStatistics
from tests.recordings import tone, write_wav

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
Command = Callable[..., tuple[int, str, str]]


@cache
def statistics() -> SpeakerStatistics:
    return Recognizer.load("default", accelerator="cpu").enrol(EXAMPLE)


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

    clip = str(write_wav(tmp_path / "clip.wav", samples_of(EXAMPLE)[: 4 * SAMPLE_RATE], SAMPLE_RATE))
    cold = judged(command, "recognize", clip, "--no-transcript")
    warm = judged(command, "recognize", clip, "--no-transcript", "--enrolment", "anna")
    assert warm == judged(command, "recognize", clip, "--no-transcript", "--enrolment", str(path))
    assert [event["start"] for event in cold] == [event["start"] for event in warm]
    assert [event["probabilities"] for event in cold] != [event["probabilities"] for event in warm]

    code, out, _ = command("enrol", "--list")
    assert (code, out.split()[0]) == (0, "anna")
    assert "s of speech  for default" in out
    code, _, err = command("enrol", "anna", "--from", str(EXAMPLE))
    assert code == 2
    assert "anna is enrolled already" in err
    before = path.stat().st_mtime_ns
    assert command("enrol", "anna", "--from", str(EXAMPLE), "--force")[0] == 0
    assert path.stat().st_mtime_ns > before

    assert command("enrol", "anna", "--remove")[:2] == (0, "anna is forgotten\n")
    assert not path.exists()
    assert command("enrol", "--list")[:2] == (0, "")
    code, _, err = command("recognize", str(EXAMPLE), "--enrolment", "anna")
    assert code == 2
    assert "nobody called anna is enrolled, and there is no such file: nobody is; `streamser enrol NAME` does it" in err


def judged(command: Command, *words: str) -> list[dict[str, object]]:
    code, out, err = command(*words)
    assert code == 0, err
    return [event for event in map(json.loads, out.splitlines()) if event["type"] == "emotion"]


def test_in_a_call_an_enrolment_counts_for_its_own_voice_alone(command: Command, tmp_path: Path) -> None:
    """Agent and customer on a channel each: whoever is enrolled is judged otherwise, and the other as if nobody were."""
    parts = [samples_of(clip.path) for clip in spoken_clips(tmp_path)]
    agent = np.concatenate([np.pad(part, (0, SAMPLE_RATE // 2)) for part in parts])
    customer = samples_of(EXAMPLE)[: len(agent)]
    both = np.stack([agent, customer], axis=1)[: 6 * SAMPLE_RATE]
    call = str(write_wav(tmp_path / "call.wav", both, SAMPLE_RATE))
    assert command("enrol", "agent", "--from", str(write_wav(tmp_path / "agent.wav", agent, SAMPLE_RATE)))[0] == 0
    keep_enrolment("customer", statistics())
    words = ("recognize", call, "--no-transcript", "--channels", "split")
    cold = [by_channel(judged(command, *words), channel) for channel in (0, 1)]
    for number, name in enumerate(("agent", "customer")):
        warm = judged(command, *words, "--enrolment", name)
        assert by_channel(warm, 1 - number) == cold[1 - number]
        own = by_channel(warm, number)
        assert [set(event) for event in own] == [set(event) for event in cold[number]]
        assert [event["state"] for event in own] == [event["state"] for event in cold[number]]
        said = [(a, b) for a, b in zip(own, cold[number], strict=True) if b["state"] == "speech"]
        assert sum(a["probabilities"] != b["probabilities"] for a, b in said) > 0.7 * len(said)


def by_channel(events: list[dict[str, object]], channel: int) -> list[dict[str, object]]:
    """Without the numbers, which other kinds of event count too."""
    return [{**event, "seq": None} for event in events if event["channel"] == channel]


def samples_of(path: Path) -> np.ndarray:
    return np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])


def test_nothing_of_the_voice_but_statistics_is_kept(command: Command) -> None:
    command("enrol", "anna", "--from", str(EXAMPLE))
    with np.load(enrolment_path("anna"), allow_pickle=False) as kept:
        assert {name: kept[name].shape for name in kept} == {
            "mean": (3072,), "square": (3072,), "voice": (24,), "seconds": (), "pack": (), "fusion": ()
        }  # fmt: skip
    samples = samples_of(EXAMPLE)
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
        (["enrol", "an\na", "--from", str(EXAMPLE)], "is no name"),
        (["recognize", str(EXAMPLE), "--enrolment", "bob"], "nobody called bob is enrolled, and there is no such file"),
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
    found = statistics()
    other = SpeakerStatistics(found.mean, found.square, found.voice, found.seconds, "early 0.1", "f00")
    keep_enrolment("eve", other)
    for words in (["recognize", str(EXAMPLE)], ["recognize", str(EXAMPLE), "--channels", "split"]):
        code, out, err = command(*words, "--enrolment", "eve")
        assert (code, out) == (2, "")
        assert "the enrolment was made with another pack, early 0.1, and this is default " in err


def test_names_of_any_script(command: Command) -> None:
    found = statistics()
    for name in ("Anna-Maria 2", "李", "अनन्या", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "Jose\u0301", "a@b.org"):
        keep_enrolment(name, found)
        assert find_enrolment(name).seconds == found.seconds
    assert find_enrolment("Jos\u00e9").seconds == found.seconds  # the same letter, written otherwise
    assert "अनन्या" in command("enrol", "--list")[1]
    for name in ("", ".", "..", "-x", "a/b", "a\\b", "a:b", "a.", "a ", "a\x1b[2J", "a" * 65, "李" * 64 + "a", "\udcff"):
        with pytest.raises(UsageError, match="is no name for an enrolment"):
            keep_enrolment(name, found)


def test_a_file_that_was_given_is_read_whatever_its_name(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = statistics()
    keep_enrolment("anna", found)
    monkeypatch.chdir(tmp_path)
    found.save("me.voice")
    SpeakerStatistics(found.mean, found.square, found.voice, 77.0, found.pack, found.fusion).save("anna")
    assert find_enrolment("me.voice").seconds == found.seconds
    assert find_enrolment("anna").seconds == found.seconds  # whoever is enrolled comes first
    assert find_enrolment("./anna").seconds == 77


def test_a_full_disk_leaves_the_old_enrolment(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_enrolment("anna", statistics())
    before = enrolment_path("anna").read_bytes()

    def fail(*args: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UsageError) as caught:
        keep_enrolment("anna", statistics(), force=True)
    assert "cannot be written: No space left on device" in str(caught.value)
    assert enrolment_path("anna").read_bytes() == before
    assert list(enrolments_folder().iterdir()) == [enrolment_path("anna")]


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STREAMSER_ENROLMENTS", "")
    monkeypatch.setenv("XDG_DATA_HOME", "")
    assert enrolments_folder() == tmp_path / ".local" / "share" / "streamser" / "enrolments"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert enrolments_folder() == tmp_path / "data" / "streamser" / "enrolments"


def test_recording_ends_by_itself_when_enough_was_heard(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The microphone is a recording here, heard as fast as it can be judged."""
    import streamser.cli.enrol as verb

    monkeypatch.setattr("streamser.audio.file.WHOLE_BLOCK", 0.1)

    def microphone(wanted: str | None, stack: ExitStack) -> Source:
        source = open_file(EXAMPLE)

        class Endless:
            name, seconds, channels = "a microphone", None, 1

            def __iter__(self) -> Iterator[Piece]:
                yield from source
                raise AssertionError("it was to end before")

            def close(self) -> None:
                source.close()

        return Endless()

    monkeypatch.setattr(verb, "open_microphone", microphone)
    monkeypatch.setattr(verb, "WANTED", 6.0)
    monkeypatch.setattr(verb, "SAID_EVERY", 2.0)
    code, out, err = command("enrol", "anna")
    assert (code, err.count(" of 6 s of speech\n")) == (0, 3)
    assert 6 <= find_enrolment("anna").seconds < 7
    assert "anna is enrolled with 6 s of speech" in out


def test_a_person_is_enrolled_at_the_microphone(virtual_mic: VirtualMicrophone, tmp_path: Path) -> None:
    environment = {**virtual_mic.environment, "STREAMSER_ENROLMENTS": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamser.cli.main", "enrol", "anna", "--device", "default"],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert "no audio is kept" in process.stderr.readline()
    time.sleep(1.0)  # the null sink's first callback
    samples = samples_of(EXAMPLE)
    virtual_mic.play(write_wav(tmp_path / "voice.wav", samples[: 9 * SAMPLE_RATE], SAMPLE_RATE)).wait()
    time.sleep(1.0)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("anna is enrolled with ")
    assert 4 < SpeakerStatistics.load(tmp_path / "anna.npz").seconds < 9
