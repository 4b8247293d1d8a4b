"""Another way from a mouth to us: a room, a microphone's response, a noise floor, a codec, a gain; all drawn from one seed.

The clips of a session share a seed and so a channel, as the utterances of one call do. Rooms are simulated and noise is of
the training half: the recorded rooms and the other half are for tests.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import numpy as np

from streamser.clock import SAMPLE_RATE
from train.augmentation.waveform import Float32, gain, mixed, noise, room, telephone
from train.pitch.noise import coloured_noise

RESPONSE_POINTS, RESPONSE_DB = 7, 8.0  # of a microphone's response, evenly spread over octaves from 50 Hz to 8 kHz
BAND_LOW, BAND_HIGH = (40.0, 350.0), (3000.0, 7500.0)  # Hz
FLOOR_DB = (10.0, 45.0)  # of a steady noise below the voice
# How likely each effect is, in the order in which they happen to a voice.
SHARES = {"room": 0.35, "response": 0.6, "band": 0.25, "noise": 0.3, "floor": 0.4, "telephone": 0.1, "codec": 0.35, "gain": 1.0}
CODECS = (("libopus", "ogg", (6_000, 16_000)), ("libmp3lame", "mp3", (16_000, 40_000)), ("aac", "adts", (16_000, 48_000)))


def response(samples: Float32, rng: np.random.Generator) -> Float32:
    """A microphone's uneven response: up to 8 dB up or down at seven frequencies, smooth between them."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 50.0))
    places = np.linspace(np.log2(50.0), np.log2(SAMPLE_RATE / 2), RESPONSE_POINTS)
    level = np.interp(octaves, places, rng.uniform(-RESPONSE_DB, RESPONSE_DB, RESPONSE_POINTS))
    return np.fft.irfft(spectrum * 10.0 ** (level / 20.0), len(samples)).astype(np.float32)


def band(samples: Float32, rng: np.random.Generator) -> Float32:
    """A band limit: from 40 to 350 Hz up to 3 to 7.5 kHz."""
    frequencies = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 1.0)
    low, high = rng.uniform(*BAND_LOW), rng.uniform(*BAND_HIGH)
    passed = 1 / (1 + (low / frequencies) ** 6) / (1 + (frequencies / high) ** 12)
    return np.fft.irfft(np.fft.rfft(samples) * passed, len(samples)).astype(np.float32)


def floor(samples: Float32, rng: np.random.Generator) -> Float32:
    """A steady noise of any colour, 10 to 45 dB under the voice."""
    level = float(rng.uniform(*FLOOR_DB))
    return mixed(samples, coloured_noise(len(samples), rng), level)


def codec(samples: Float32, rng: np.random.Generator) -> Float32:
    """Encoded and decoded again as Opus, MP3 or AAC at a low bit rate; AAC comes 64 ms late."""
    name, container, (least, most) = CODECS[int(rng.integers(len(CODECS)))]
    return through_codec(samples, name, container, int(rng.uniform(least, most)))


def through_codec(samples: Float32, name: str, container: str, bit_rate: int) -> Float32:
    """Samples float32 [n] at 16 kHz after FFmpeg's encoder of that name and its decoder: float32 [n]."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(name, rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = bit_rate
        whole = np.clip(np.round(samples * 32767.0), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole[None]), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        sized = av.AudioResampler(format=stream.format.name, layout="mono", rate=SAMPLE_RATE, frame_size=stream.frame_size or None)
        for piece in (*sized.resample(frame), *sized.resample(None)):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    file.seek(0)
    back = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(file, "r") as source:
        parts = [piece.to_ndarray()[0] for decoded in source.decode(audio=0) for piece in back.resample(decoded)]
        parts += [piece.to_ndarray()[0] for piece in back.resample(None)]
    heard = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.ascontiguousarray(np.pad(heard, (0, max(0, len(samples) - len(heard))))[: len(samples)], np.float32)


EFFECTS: dict[str, Callable[[Float32, np.random.Generator], Float32]] = {
    "room": room,
    "response": response,
    "band": band,
    "noise": noise,
    "floor": floor,
    "telephone": telephone,
    "codec": codec,
    "gain": gain,
}


def through_channel(samples: Float32, seed: list[int]) -> Float32:
    """Samples float32 [n] at 16 kHz through the channel of a seed: float32 [n]. Clips of any length meet the same channel."""
    chosen = np.random.default_rng(seed).random(len(EFFECTS))
    for number, (name, effect) in enumerate(EFFECTS.items()):
        if chosen[number] < SHARES[name]:
            samples = effect(samples, np.random.default_rng([*seed, number]))
    return samples
