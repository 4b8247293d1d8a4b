"""The cache of whole clips' encodings, and manifests filled with what Whisper hears."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from streamser.features.pitch import PitchTracker
from streamser.features.whisper import Hypothesis, Word
from train import encodings, transcribe
from train.corpora.manifest import Clip, read_manifest, write_manifest
from train.encoders import speech_part
from train.whisper import PACK


class SpeechFrom:
    """A voice activity detector that hears speech in given frames of 32 ms."""

    def __init__(self, *frames: range) -> None:
        self.frames = {number for entry in frames for number in entry}

    def stream(self) -> Any:
        def feed(samples: np.ndarray) -> Any:
            frames = range(len(samples) // 512)
            return SimpleNamespace(probability=np.array([0.9 if number in self.frames else 0.1 for number in frames]))

        return SimpleNamespace(feed=feed)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ((range(10, 14), range(30, 40)), (10 * 512 - 1600, 40 * 512 + 1600)),
        ((range(0, 5),), (0, 5 * 512 + 1600)),
        ((range(10, 11), range(20, 23)), (20 * 512 - 1600, 23 * 512 + 1600)),  # one frame is a click
        ((), (0, 48_000)),
        ((range(80, 94),), (80 * 512 - 1600, 48_000)),
    ],
)
def test_trimmed_to_speech(frames: tuple[range, ...], expected: tuple[int, int]) -> None:
    assert speech_part.speech_part(np.zeros(48_000, np.float32), SpeechFrom(*frames)) == expected


def test_trimmed_to_20_seconds_and_short_clips_stay_whole() -> None:
    start, end = speech_part.speech_part(np.zeros(16_000 * 40, np.float32), SpeechFrom(range(100, 1200)))
    assert end - start == 20 * 16_000
    for count in (0, 100, 800):
        assert speech_part.speech_part(np.zeros(count, np.float32), SpeechFrom(range(9))) == (0, count)


def test_f0_on_the_grid_of_the_encoders() -> None:
    tracker = PitchTracker.load(PACK / "pitch.onnx")
    time = np.arange(15_900) / 16_000
    samples = (0.2 * sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 8))).astype(np.float32)
    f0 = encodings.track_f0(samples, tracker)
    assert f0.shape == (50,)
    assert f0.dtype == np.float32
    assert np.median(np.abs(f0[10:40] - 200)) < 4
    whole = tracker.stream().feed(np.pad(samples, (0, 8000))).f0_hz
    np.testing.assert_allclose(f0[:40], whole[:80:2], rtol=1e-5)


class CountingEncoder:
    """Says of every frame which clip it is from, by the clip's level, in two layers."""

    width, depth = 3, 2
    heard = 0

    def encode(self, samples: np.ndarray) -> np.ndarray:
        CountingEncoder.heard += 1
        frames = np.arange(-(-len(samples) // 320), dtype=np.float32)
        return np.stack([np.stack([frames, np.full_like(frames, samples[0]), np.full_like(frames, 1e6)], axis=-1)] * 2, axis=1)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """Three clips, of which the second is short; encoders and detector are made up."""
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))
    clips = []
    for index, seconds in enumerate((0.5, 0.01, 0.33)):
        path = tmp_path / "data" / f"{index}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(round(seconds * 16_000), 0.25 * (index + 1), np.float32), 16_000, subtype="FLOAT")
        clips.append(Clip("data", path, "x", "anger", f"s{index}", "f", "en", seconds, "", "train", f"I am number {index}."))
    monkeypatch.setattr(encodings, "clips_of", lambda corpus, split, labels: [clip for clip in clips if clip.split == split])
    monkeypatch.setattr(encodings, "VoiceActivityDetector", SimpleNamespace(load=lambda: SpeechFrom()))
    monkeypatch.setattr(encodings, "load_audio_encoder", lambda name: CountingEncoder())
    monkeypatch.setattr(encodings, "fingerprint", lambda name: f"weights of {name}")
    encodings._kind_folder.cache_clear()
    CountingEncoder.heard = 0
    return clips


def test_what_is_built_is_what_is_loaded(corpus: list[Clip]) -> None:
    kind = "audio:some@50"
    with pytest.raises(SystemExit, match=r"run `python -m train encode --kinds audio:some@50 --corpora data --splits train`"):
        encodings.load_encodings(kind, "data", "train")
    encodings.build_encodings(kind, "data", "train")
    found = encodings.load_encodings(kind, "data", "train")
    assert found.values.shape == (25 + 1 + 17, 2, 3)
    assert (found.values.dtype, found.rate) == (np.float16, 50.0)
    assert isinstance(found.values, np.memmap)
    assert found.offsets.tolist() == [0, 25, 26, 43]
    np.testing.assert_array_equal(found.clip(2)[:, 1, 0], np.arange(17))
    assert found.clip(1)[0, 0].tolist() == [0.0, 0.5, 65504.0]  # what float16 cannot hold is its greatest


def test_frames_are_pooled_to_12_5_hz_and_the_last_mean_is_of_what_is_left(corpus: list[Clip]) -> None:
    encodings.build_encodings("audio:some@12.5", "data", "train")
    found = encodings.load_encodings("audio:some@12.5", "data", "train")
    assert found.rate == 12.5
    assert found.clip(0)[:, 0, 0].tolist() == [1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 24.0]
    assert len(found.clip(1)) == 1


def test_nothing_is_encoded_twice_and_what_changed_is(corpus: list[Clip]) -> None:
    kind = "audio:some@50"
    folder = encodings.build_encodings(kind, "data", "train")
    assert encodings.build_encodings(kind, "data", "train") == folder
    assert CountingEncoder.heard == 3
    corpus.append(Clip("data", corpus[0].path, "x", "anger", "s0", "f", "en", 0.5, "", "test"))
    corpus.append(Clip("data", corpus[2].path, "x", "anger", "s2", "f", "en", 0.3, "", "test"))
    encodings.build_encodings(kind, "data", "test")
    assert CountingEncoder.heard == 3  # another split (a fold) of the same clips
    test, train = encodings.load_encodings(kind, "data", "test"), encodings.load_encodings(kind, "data", "train")
    np.testing.assert_array_equal(test.clip(1), train.clip(2))
    soundfile.write(corpus[1].path, np.full(640, 0.125, np.float32), 16_000, subtype="FLOAT")
    with pytest.raises(SystemExit, match="not in the cache"):
        encodings.load_encodings(kind, "data", "train")
    encodings.build_encodings(kind, "data", "train")
    assert CountingEncoder.heard == 4
    assert encodings.load_encodings(kind, "data", "train").offsets.tolist() == [0, 25, 27, 44]


def test_a_build_that_fails_leaves_nothing(corpus: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    corpus[2].path.write_bytes(b"no sound")
    with pytest.raises(SystemExit, match=r"2\.wav"):
        encodings.build_encodings("audio:some@50", "data", "train")
    cached = [path for path in encodings.cache_root().rglob("*") if path.is_file()]
    assert not cached


def test_words_and_the_streamed_kinds(corpus: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus[1] = Clip(*[getattr(corpus[1], name) for name in list(Clip.__dataclass_fields__)[:-2]], "", "")
    for kind in ("text:minilm", "spectral", "f0"):
        encodings.build_encodings(kind, "data", "train")
    words, columns, f0 = (encodings.load_encodings(kind, "data", "train") for kind in ("text:minilm", "spectral", "f0"))
    assert (words.rate, columns.rate, f0.rate) == (0.0, 6.25, 50.0)
    assert [len(words.clip(index)) for index in range(3)] == [7, 0, 7]
    assert columns.values.shape == (4 + 1 + 3, 192)
    assert (f0.values.shape, f0.values.dtype) == ((43,), np.float32)
    corpus[0] = Clip(*[getattr(corpus[0], name) for name in list(Clip.__dataclass_fields__)[:-2]], "Other words.", "")
    with pytest.raises(SystemExit, match="text:minilm"):
        encodings.load_encodings("text:minilm", "data", "train")
    encodings.load_encodings("f0", "data", "train")


@pytest.mark.parametrize("kind", ["audio:whisper-base", "audio:whisper-base@25", "pitch", "audio:@50"])
def test_unknown_kinds(kind: str) -> None:
    with pytest.raises(SystemExit, match=r"no kind .*audio:ENCODER@12\.5"):
        encodings.make(kind)


def test_the_verb(corpus: list[Clip], capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    encodings.add_arguments(parser)
    arguments = ["--kinds", "audio:some@50", "--corpora", "data", "--splits", "train"]
    assert encodings.run(parser.parse_args(arguments)) == 0
    assert Path(capsys.readouterr().out.strip()).name.startswith("data-train-")


class Hearing:
    """A Whisper that hears the level of what it is given; stops after some clips, as a crash does."""

    languages = frozenset({"en", "pl"})

    def __init__(self, until: int = 100) -> None:
        self.heard: list[tuple[int, str | None]] = []
        self.until = until

    def encode(self, samples: np.ndarray) -> np.ndarray:
        assert len(samples) % 320 == 0
        assert len(samples) <= 30 * 16_000
        if len(self.heard) == self.until:
            raise KeyboardInterrupt
        return samples

    def decode(self, encoding: np.ndarray, language: str | None, prior: dict, least: float) -> Hypothesis:
        self.heard.append((len(encoding), language))
        words = (Word(f" level {encoding[0]:.2f},", 0, 1, 0.9), Word(" yes", 1, 2, 0.9)) if encoding[0] > 0.3 else ()
        return Hypothesis(words, language or "pl", {})


@pytest.fixture
def manifest(corpus: list[Clip], tmp_path: Path) -> Path:
    path = tmp_path / "data" / "manifest.csv"
    write_manifest(path, corpus)
    return path


def test_a_manifest_is_transcribed_and_resumed(manifest: Path) -> None:
    output = manifest.with_name("out.csv")
    with pytest.raises(KeyboardInterrupt):
        transcribe.transcribe_manifest(manifest, output, "auto", Hearing(until=2))  # type: ignore[arg-type]
    assert not output.exists()
    with transcribe.journal_of(output).open("a") as journal:
        journal.write('{"path": "cut sho')
    rest = Hearing()
    transcribe.transcribe_manifest(manifest, output, "auto", rest)  # type: ignore[arg-type]
    assert len(rest.heard) == 1
    before, after = read_manifest(manifest), read_manifest(output)
    assert [clip.text for clip in after] == ["", "level 0.50, yes", "level 0.75, yes"]
    assert [clip.path.resolve() for clip in after] == [clip.path.resolve() for clip in before]
    assert [(clip.speaker, clip.split, clip.language) for clip in after] == [(f"s{index}", "train", "en") for index in range(3)]
    assert not transcribe.journal_of(output).exists()


def test_another_language_is_another_run(manifest: Path) -> None:
    output = manifest.with_name("out.csv")
    with pytest.raises(KeyboardInterrupt):
        transcribe.transcribe_manifest(manifest, output, "auto", Hearing(until=2))  # type: ignore[arg-type]
    again = Hearing()
    transcribe.transcribe_manifest(manifest, output, "en", again)  # type: ignore[arg-type]
    assert [language for _, language in again.heard] == ["en"] * 3


def test_long_clips_are_cut_where_they_are_quiet() -> None:
    samples = np.full(40 * 16_000, 0.5, np.float32)
    samples[25 * 16_000 : 26 * 16_000] = 0.001
    hearing = Hearing()
    text, language = transcribe.transcribe(samples, hearing, None)  # type: ignore[arg-type]
    assert 25 * 16_000 < hearing.heard[0][0] - 8000 < 26 * 16_000 + 320
    assert [spoken for _, spoken in hearing.heard] == [None, "pl"]  # one language a clip
    assert language == "pl"
    assert text == "level 0.50, yes"
    assert transcribe.transcribe(np.zeros(0, np.float32), hearing, None) == ("", "")  # type: ignore[arg-type]


def test_what_cannot_be_transcribed_is_one_line(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no language 'klingon'"):
        transcribe.transcribe_manifest(manifest, tmp_path / "out.csv", "klingon", Hearing())  # type: ignore[arg-type]
    (tmp_path / "data" / "1.wav").unlink()
    with pytest.raises(SystemExit, match=r"1 of 3 clips are not there.*1\.wav"):
        transcribe.transcribe_manifest(manifest, tmp_path / "out.csv", "auto", Hearing())  # type: ignore[arg-type]
    arguments = argparse.Namespace(manifest=tmp_path / "none.csv", output=None, language="auto")
    with pytest.raises(SystemExit, match=r"none\.csv: no such manifest"):
        transcribe.run(arguments)
