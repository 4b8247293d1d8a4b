"""What may happen to a clip, as audEERING's ser-tests specify it: small changes, backgrounds, a bad telephone, a room.

Written from their description (arXiv 2312.06270; the method page of ser-tests), none of their code. An effect takes samples
float32 [n] at 16 kHz and a generator, which draws all that is random in it, and gives samples float32 [m].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE
from train.augmentation.waveform import looped

Float32 = NDArray[np.float32]
Change = Callable[[Float32, np.random.Generator], Float32]

FRAME = SAMPLE_RATE // 50  # 20 ms, for levels
FAINT = 1e-3  # of the loudest frame's power: softer frames are pauses
COUNTS = (100, 500, 1000)  # samples put in front or behind, or cut off
PHONE_RATE, PHONE_BITS = 8000, 7400  # of the narrow-band AMR codec
AMR_FRAME = 160
PHONE_THRESHOLD_DB, PHONE_RATIO, PHONE_ATTACK = -20.0, 0.8, 0.015  # of the compressor before it; decibels a decibel; seconds
PHONE_NOISE_DB, PHONE_NOISE_CUT = -25.0, 3000.0  # pink noise after it, high passed


@dataclass(frozen=True)
class Effect:
    """kind: `small`, `background`, `phone` or `room`: what is asked of a decision after it."""

    name: str
    kind: str
    change: Change


def power(samples: Float32) -> float:
    """The mean power of the frames that are no pauses; a little above 0 in silence."""
    whole = samples[: max(1, len(samples) // FRAME) * FRAME].astype(np.float64)
    if not len(whole):
        return 1e-12
    frames = np.mean(whole.reshape(-1, min(FRAME, len(whole))) ** 2, axis=1)
    return float(frames[frames >= FAINT * frames.max()].mean()) + 1e-12


def added(samples: Float32, sound: Float32, snr_db: float, start: int = 0) -> Float32:
    """A clip with a sound from sample `start` on, whose power lies `snr_db` below the clip's; what hangs over the end is cut."""
    scale = np.sqrt(power(samples) / power(sound) * 10 ** (-snr_db / 10))
    mixture = samples.copy()
    part = sound[: len(samples) - start]
    mixture[start : start + len(part)] += part * np.float32(scale)
    return mixture


def gain(samples: Float32, rng: np.random.Generator) -> Float32:
    return (samples * np.float32(10 ** (rng.choice([-2.0, -1.0, 1.0, 2.0]) / 20))).astype(np.float32)


def clipped(samples: Float32, rng: np.random.Generator) -> Float32:
    """0.1, 0.2 or 0.3 % of the samples, the loudest, cut to one level."""
    top = np.float32(np.quantile(np.abs(samples), 1 - rng.choice([0.001, 0.002, 0.003])))
    return np.clip(samples, -top, top)


def filtered(kind: str, cuts: Sequence[float]) -> Change:
    """A Butterworth filter of first order at one of the frequencies in Hz."""

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        return butterworth(samples, kind, float(rng.choice(cuts)), 1)

    return change


def butterworth(samples: Float32, kind: str, cut: float, order: int) -> Float32:
    from scipy.signal import butter, lfilter

    numerator, denominator = butter(order, cut, kind, fs=SAMPLE_RATE)
    return np.asarray(lfilter(numerator, denominator, samples), np.float32)


def zeros_first(samples: Float32, rng: np.random.Generator) -> Float32:
    return np.pad(samples, (int(rng.choice(COUNTS)), 0))


def zeros_last(samples: Float32, rng: np.random.Generator) -> Float32:
    return np.pad(samples, (0, int(rng.choice(COUNTS))))


def first_cut(samples: Float32, rng: np.random.Generator) -> Float32:
    return samples[int(rng.choice(COUNTS)) :]


def last_cut(samples: Float32, rng: np.random.Generator) -> Float32:
    return samples[: -int(rng.choice(COUNTS))]


def tone(samples: Float32, rng: np.random.Generator) -> Float32:
    """A sinusoid of 5 to 7 kHz, its peak 40 to 50 dB below the clip's."""
    peak = float(np.abs(samples).max()) * 10 ** (-rng.choice([40.0, 45.0, 50.0]) / 20)
    phase = 2 * np.pi * rng.uniform(5000, 7000) / SAMPLE_RATE * np.arange(len(samples))
    return (samples + peak * np.sin(phase)).astype(np.float32)


def white_noise(*snr_db: float) -> Change:
    """White noise at one of the distances in decibels."""

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        return added(samples, rng.standard_normal(len(samples)).astype(np.float32), float(rng.choice(snr_db)))

    return change


SMALL = tuple(
    Effect(name, "small", change)
    for name, change in (
        ("gain", gain),
        ("clip", clipped),
        ("high-pass filter", filtered("highpass", (50.0, 100.0, 150.0))),
        ("low-pass filter", filtered("lowpass", (6500.0, 7000.0, 7500.0))),
        ("zeros before", zeros_first),
        ("zeros after", zeros_last),
        ("beginning cut", first_cut),
        ("end cut", last_cut),
        ("tone", tone),
        ("white noise 35-45 dB", white_noise(35.0, 40.0, 45.0)),
    )
)


def background(recordings: Sequence[Float32], snr_db: float) -> Change:
    """One of the recordings under the whole clip, from a random place on, begun again where it ends."""

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        recording = recordings[int(rng.integers(len(recordings)))]
        return added(samples, looped(recording, len(samples), rng), snr_db)

    return change


def babble(voices: Sequence[Float32], snr_db: float) -> Change:
    """Four to seven other voices at once, equally loud."""

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        chosen = rng.choice(len(voices), int(rng.integers(4, 8)), replace=len(voices) < 7)
        parts = [looped(voices[index], len(samples), rng) / np.float32(np.sqrt(power(voices[index]))) for index in chosen]
        return added(samples, np.sum(parts, axis=0, dtype=np.float32), snr_db)

    return change


def interruption(recordings: Sequence[Float32], snr_db: float) -> Change:
    """One of the recordings, its pauses before and after cut off, once at a random place."""

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        sound = trimmed(recordings[int(rng.integers(len(recordings)))])
        return added(samples, sound, snr_db, int(rng.integers(max(1, len(samples) - len(sound)))))

    return change


def trimmed(samples: Float32) -> Float32:
    """Without the faint frames at both ends."""
    frames = np.mean(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64) ** 2, axis=1)
    loud = np.flatnonzero(frames >= FAINT * 10 * frames.max()) if len(frames) else np.zeros(0, int)
    return samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME] if len(loud) else samples


def phone(samples: Float32, rng: np.random.Generator) -> Float32:
    """A bad telephone: compressed in level, AMR at 7.4 kbit/s and 8 kHz, at full scale, with hiss above 3 kHz."""
    import soxr

    narrow = soxr.resample(compressed(samples), SAMPLE_RATE, PHONE_RATE)
    heard = soxr.resample(amr(np.asarray(narrow, np.float32)), PHONE_RATE, SAMPLE_RATE).astype(np.float32)
    heard = np.pad(heard[: len(samples)], (0, max(0, len(samples) - len(heard))))
    heard /= max(float(np.abs(heard).max()), 1e-6)
    pink = np.fft.rfft(rng.standard_normal(len(heard))) / np.sqrt(np.maximum(np.arange(len(heard) // 2 + 1), 1))
    hiss = np.fft.irfft(pink, len(heard)).astype(np.float32)
    hiss *= np.float32(10 ** (PHONE_NOISE_DB / 20) / np.sqrt(np.mean(hiss**2) + 1e-12))
    return np.clip(heard + butterworth(hiss, "highpass", PHONE_NOISE_CUT, 2), -1, 1).astype(np.float32)


def compressed(samples: Float32) -> Float32:
    """What is louder than the threshold rises by 0.8 dB a decibel; the level is followed with one time constant."""
    from scipy.signal import lfilter

    share = 1 - np.exp(-1 / (PHONE_ATTACK * SAMPLE_RATE))
    level = 10 * np.log10(lfilter([share], [1, share - 1], samples.astype(np.float64) ** 2) + 1e-12)
    over = np.maximum(level - PHONE_THRESHOLD_DB, 0)
    return (samples * 10 ** (-(1 - PHONE_RATIO) * over / 20)).astype(np.float32)


def amr(samples: Float32) -> Float32:
    """Through the narrow-band AMR codec, float32 at 8 kHz, about as long.

    Raises:
        SystemExit: this PyAV has no such codec.
    """
    import av
    from av.audio.frame import AudioFrame

    try:
        encoder = av.CodecContext.create("libopencore_amrnb", "w")
        decoder = av.CodecContext.create("libopencore_amrnb", "r")
    except av.FFmpegError as error:
        raise SystemExit(
            f"this PyAV has no AMR codec ({error}): install av from a wheel (pip install --force-reinstall av)"
        ) from None
    encoder.sample_rate, encoder.bit_rate, encoder.layout, encoder.format = PHONE_RATE, PHONE_BITS, "mono", "s16"
    decoder.sample_rate, decoder.layout = PHONE_RATE, "mono"
    whole = np.pad(np.clip(samples, -1, 1), (0, -len(samples) % AMR_FRAME))
    packets, heard = [], []
    for start in range(0, len(whole), AMR_FRAME):
        block = np.round(whole[start : start + AMR_FRAME] * 32767).astype(np.int16)
        frame = AudioFrame.from_ndarray(block[None], "s16", "mono")
        frame.sample_rate, frame.pts = PHONE_RATE, start
        packets += encoder.encode(frame)
    for packet in [*packets, *encoder.encode(None), None]:
        heard += [frame.to_ndarray().reshape(-1) for frame in decoder.decode(packet)]
    found = np.concatenate(heard)
    scale = 32768 if found.dtype == np.int16 else 1
    return (found.astype(np.float32) / np.float32(scale))[: len(samples)]


PHONE = Effect("telephone (AMR)", "phone", phone)


def room(response: Float32) -> Change:
    """A recorded room: its response, from the direct path on, as loud as the clip was and as long."""
    start = int(np.abs(response).argmax())

    def change(samples: Float32, rng: np.random.Generator) -> Float32:
        from scipy.signal import fftconvolve

        wet = np.asarray(fftconvolve(samples, response[start:])[: len(samples)], np.float32)
        return wet * np.float32(np.sqrt(power(samples) / power(wet)))

    return change
