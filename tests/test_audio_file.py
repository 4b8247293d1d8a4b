"""Recordings: every rate, channel count and encoding; what is broken is said; memory stays bounded."""

from __future__ import annotations

import http.server
import threading
import tracemalloc
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from streamser.audio.file import expand, open_file
from streamser.audio.pieces import Block, Lost, Piece
from streamser.audio.resample import Resampler
from streamser.errors import AudioError
from tests.recordings import encode, tone, write_wav


def heard(path: Path | str, channels: str = "mix") -> np.ndarray:
    """float32 [n, channels] at 16 kHz: all blocks of a recording."""
    source = open_file(path, channels)  # type: ignore[arg-type]
    blocks = [piece.samples for piece in source if isinstance(piece, Block)]
    source.close()
    assert all(block.dtype == np.float32 for block in blocks)
    return np.concatenate(blocks)


def frequency(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    samples = heard(write_wav(tmp_path / "tone.wav", tone(1.0, rate), rate))
    assert samples.shape == (16_000, 1)
    assert frequency(samples[:, 0]) == pytest.approx(440, abs=1)
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("encoding", ["u8", "s16", "s24", "s32", "f32", "f64"])
def test_every_encoding_has_the_same_scale(tmp_path: Path, encoding: str) -> None:
    samples = heard(write_wav(tmp_path / "tone.wav", tone(0.5, 16_000), 16_000, encoding))
    np.testing.assert_allclose(samples[:, 0], tone(0.5, 16_000), atol=0.01 if encoding == "u8" else 1e-4)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_or_split(tmp_path: Path, channels: int) -> None:
    each = np.stack([tone(0.5, 16_000, 200.0 + 100 * i) for i in range(channels)], axis=1)
    path = write_wav(tmp_path / "many.wav", each, 16_000)
    np.testing.assert_allclose(heard(path)[:, 0], each.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(heard(path, "split"), each, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.mkv", "flac"), ("a.ts", "aac"), ("a.aiff", "pcm_s16be")],
)
def test_containers(tmp_path: Path, name: str, codec: str) -> None:
    samples = heard(encode(tmp_path / name, codec, 44_100, tone(2.0, 44_100)))
    assert len(samples) == pytest.approx(32_000, abs=1600)
    assert frequency(samples[4000:28_000, 0]) == pytest.approx(440, abs=1)


def test_any_split_resamples_the_same() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (44_100, 2)).astype(np.float32)

    def resampled(length: int) -> np.ndarray:
        resampler = Resampler(44_100, 2, "split")
        blocks = [resampler.feed(samples[i : i + length]) for i in range(0, len(samples), length)]
        return np.concatenate([*blocks, resampler.flush()])

    whole = resampled(len(samples))
    assert whole.shape == (16_000, 2)
    for length in (44, 882, 14_685):
        np.testing.assert_array_equal(resampled(length), whole)


def test_broken_samples_become_silence_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = tone(1.0, 16_000)
    samples[[100, 200, 300, 400]] = [np.nan, np.inf, -np.inf, 1e30]
    result = heard(write_wav(tmp_path / "broken.wav", samples, 16_000, "f64"))
    assert np.isfinite(result).all()
    assert (result[[100, 200, 300, 400]] == 0).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'broken.wav'}: 4 samples were not finite numbers and were heard as silence"
    ]


def test_lost_packets_are_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "lost.mkv"
    encode(path, "flac", 16_000, tone(4.0, 16_000), skip=lambda start: 32_000 if start >= 16_000 else 0)
    pieces = list(open_file(path))
    (lost,) = [piece for piece in pieces if isinstance(piece, Lost)]
    assert lost.reason == "source"
    assert lost.seconds == pytest.approx(2.0, abs=0.01)
    before = sum(len(piece.samples) for piece in pieces[: pieces.index(lost)] if isinstance(piece, Block))
    assert before == pytest.approx(16_000, abs=4608)


@pytest.mark.parametrize(("name", "codec"), [("cut.flac", "flac"), ("cut.mp3", "libmp3lame"), ("cut.mkv", "flac"), ("cut.wav", "")])
def test_truncated_recordings_are_heard_and_then_reported(tmp_path: Path, name: str, codec: str) -> None:
    whole = tmp_path / f"whole-{name}"
    write_wav(whole, tone(4.0, 44_100), 44_100) if not codec else encode(whole, codec, 44_100, tone(4.0, 44_100))
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source = open_file(path)
    pieces: list[Piece] = []
    with pytest.raises(AudioError, match=r"truncated: 2\.\d s of 4\.0 s are there") as caught:
        pieces.extend(source)
    assert sum(len(piece.samples) for piece in pieces if isinstance(piece, Block)) > 2.0 * 16_000
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0])
def test_a_wav_written_while_it_flowed_is_not_truncated(tmp_path: Path, declared: int) -> None:
    path = write_wav(tmp_path / "flow.wav", tone(1.0, 16_000), 16_000, declared=declared)
    assert len(heard(path)) == 16_000


def test_what_cannot_be_recognised_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("these are only words\n" * 50)
    (tmp_path / "folder").mkdir()
    write_wav(tmp_path / "short.wav", tone(0.08, 16_000), 16_000)
    write_wav(tmp_path / "none.wav", tone(0.0, 16_000), 16_000)
    for name, message in {
        "missing.wav": "no such file",
        "empty.wav": "an empty file",
        "text.wav": "not audio|no audio in it",
        "folder": "a directory",
        "short.wav": r"only 0\.080 s long; at least 0\.1 s",
        "none.wav": "no audio",
    }.items():
        with pytest.raises(AudioError, match=message) as caught:
            open_file(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_exactly_100_ms_is_enough(tmp_path: Path) -> None:
    for rate in (8_000, 16_000, 44_100):
        assert len(heard(write_wav(tmp_path / "short.wav", tone(0.1, rate), rate))) == 1600


def test_folders_stand_for_their_recordings(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("b.wav", "inner/c.FLAC", "a.mp3", "notes.txt"):
        (tmp_path / name).touch()
    assert expand(str(tmp_path)) == [str(tmp_path / name) for name in ("a.mp3", "b.wav", "inner/c.FLAC")]
    (tmp_path / "none").mkdir()
    with pytest.raises(AudioError, match="a directory without audio files"):
        expand(str(tmp_path / "none"))


def test_addresses_are_opened(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", tone(1.0, 16_000), 16_000)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert len(heard(f"{address}/call.wav")) == 16_000
        with pytest.raises(AudioError, match="cannot be opened"):
            open_file(f"{address}/missing.wav")
        server.shutdown()


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", np.zeros(600 * 16_000, np.float32), 16_000)
    tracemalloc.start()
    source = open_file(path)
    longest = max(len(piece.samples) for piece in source if isinstance(piece, Block))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert longest < 11 * 16_000
    assert peak < 5_000_000  # the samples alone would take 38 MB


@pytest.mark.parametrize(("name", "video", "audio"), [("clip.mp4", "mpeg4", "aac"), ("clip.mkv", "mpeg4", "flac")])
def test_the_sound_of_a_video(tmp_path: Path, name: str, video: str, audio: str) -> None:
    path = tmp_path / name
    samples = tone(2.0, 16_000).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(audio, rate=16_000, layout="mono")
        for index in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 12 * index, np.uint8), format="rgb24")
            container.mux(pictures.encode(picture))
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, start : start + 1024]), "fltp", "mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(sound.encode(frame))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    heard = np.concatenate([piece.samples for piece in open_file(path) if isinstance(piece, Block)])
    assert len(heard) == pytest.approx(32_000, abs=2100)
    assert float(np.abs(heard[4000:28_000]).max()) == pytest.approx(0.5, abs=0.05)
