"""Standard input: recognised while it flows, in a container or raw."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from streamser.audio.pieces import Block
from streamser.audio.pipe import RawFormat, open_pipe
from streamser.errors import AudioError, UsageError
from tests.recordings import encode, tone, write_wav

SECONDS = 3.0


class Feeder:
    """Writes bytes into a pipe at the speed of sound, from a thread; counts what is gone."""

    def __init__(self, data: bytes, seconds: float, pace: float = 1.0) -> None:
        self.reading, self._writing = os.pipe()
        self._data, self._pause = data, seconds * pace / 50
        self.done = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        length = -(-len(self._data) // 50) or 1
        for start in range(0, len(self._data), length):
            os.write(self._writing, self._data[start : start + length])
            time.sleep(self._pause)
        self.done = True
        os.close(self._writing)


def piped(data: bytes, raw: str | None = None, channels: str = "mix") -> np.ndarray:
    feeder = Feeder(data, SECONDS, pace=0.0)
    source = open_pipe(feeder.reading, RawFormat.parse(raw) if raw else None, channels)  # type: ignore[arg-type]
    samples = np.concatenate([piece.samples for piece in source if isinstance(piece, Block)])
    source.close()
    os.close(feeder.reading)
    return samples


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.mkv", "flac")]
)
def test_containers_are_recognised_by_their_first_bytes(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec, 44_100, tone(SECONDS, 44_100))
    samples = piped(path.read_bytes())
    assert len(samples) == pytest.approx(SECONDS * 16_000, abs=1600)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("raw", [None, "s16le:44100:1"])
def test_audio_comes_out_while_it_flows(tmp_path: Path, raw: str | None) -> None:
    path = write_wav(tmp_path / "a.wav", tone(SECONDS, 44_100), 44_100)
    feeder = Feeder(path.read_bytes()[44:] if raw else path.read_bytes(), SECONDS)
    begun = time.monotonic()
    first = next(iter(open_pipe(feeder.reading, RawFormat.parse(raw) if raw else None)))
    assert isinstance(first, Block)
    assert time.monotonic() - begun < SECONDS / 2
    assert not feeder.done


@pytest.mark.parametrize(
    ("encoding", "dtype", "scale"), [("u8", "u1", 127), ("s16le", "<i2", 32767), ("s32le", "<i4", 2**31 - 1), ("f32le", "<f4", 1)]
)
def test_raw_encodings(encoding: str, dtype: str, scale: float) -> None:
    stereo = np.stack([tone(1.0, 16_000), tone(1.0, 16_000, 900)], axis=1)
    data = (stereo * scale + (128 if encoding == "u8" else 0)).astype(dtype).tobytes()
    np.testing.assert_allclose(piped(data, f"{encoding}:16000:2", "split"), stereo, atol=0.02 if encoding == "u8" else 1e-4)
    assert piped(data, f"{encoding}:8000:2").shape == (32_000, 1)


def test_a_sample_cut_off_at_the_end_is_left_out() -> None:
    data = (tone(1.0, 16_000) * 32767).astype("<i2").tobytes()
    assert len(piped(data[:-1], "s16le:16000:1")) == 15_999
    assert len(piped(data[:-3], "s16le:8000:2")) == 2 * (8_000 - 1)


def test_what_is_no_audio_is_said() -> None:
    for data, raw, message in (
        (b"", None, "nothing in it, or not audio"),
        (b"only words " * 100, None, "standard input: nothing in it, or not audio|-: no audio in it"),
        (b"", "s16le:16000:1", r"only 0\.000 s long"),
        (b"\0" * 1600, "s16le:16000:1", r"only 0\.050 s long; at least 0\.1 s"),
    ):
        with pytest.raises(AudioError, match=message):
            piped(data, raw)


@pytest.mark.parametrize(
    "raw", ["s16", "s16le:16000", "s16be:16000:1", "s16le:fast:1", "s16le:16000:0", "s16le:10:1", "s16le:16000:1:2"]
)
def test_a_wrong_raw_format_is_a_usage_error(raw: str) -> None:
    with pytest.raises(UsageError, match="--raw"):
        RawFormat.parse(raw)


def test_a_terminal_is_not_waited_for() -> None:
    master, terminal = os.openpty()
    with pytest.raises(AudioError, match="standard input is a terminal"):
        open_pipe(terminal)
    os.close(master)
    os.close(terminal)
