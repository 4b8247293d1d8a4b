"""Clips in any form that a corpus comes in are heard as float32 mono at 16 kHz."""

import numpy as np
import pytest

from train.corpora.audio import read_audio, seconds_of


def test_any_rate_and_channels_become_16_khz_mono(tmp_path):
    import soundfile

    path = tmp_path / "clip.wav"
    tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 44_100).astype(np.float32)
    soundfile.write(path, np.stack([tone, np.zeros_like(tone)], axis=1), 44_100, subtype="FLOAT")
    heard = read_audio(path)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16_000)
    assert heard.dtype == np.float32
    assert heard.shape == (8000,)
    assert np.abs(heard - wanted)[200:-200].max() < 0.01


def test_16_khz_mono_is_read_as_it_is(tmp_path):
    import soundfile

    path = tmp_path / "clip.wav"
    samples = np.random.default_rng(0).normal(0.0, 0.1, 80).astype(np.float32)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    assert np.array_equal(read_audio(path), samples)


def test_sound_that_only_ffmpeg_knows_is_read(tmp_path):
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 48_000), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert abs(len(read_audio(path)) - 16_000) < 2000
    assert abs(seconds_of(path) - 1.0) < 0.1


def test_what_is_not_audio_is_named(tmp_path):
    path = tmp_path / "clip.wav"
    with pytest.raises(SystemExit, match=r"clip.wav: no such file"):
        read_audio(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SystemExit, match=r"clip.wav: not audio"):
        read_audio(path)
