"""What can happen to a voice on its way to us: speed, a room, noise, a telephone line, another gain.

Every effect is a plain function of samples float32 [n] at 16 kHz and a generator, which draws all that is random in it, and
gives samples float32 [m]; only `speed` changes the length. Features and labels in time (F0) are made after it. Noise comes from
the training half of the noise folder, and rooms are simulated: the recorded rooms and the other half are for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from streamser.clock import SAMPLE_RATE

Float32 = NDArray[np.float32]
SPEEDS = (0.9, 1.1)
SNR_DB = (5.0, 30.0)
GAIN_DB = (-20.0, 6.0)
REVERBERATION = (0.15, 0.8)  # seconds to fall by 60 dB
FRAME = SAMPLE_RATE // 50  # 20 ms, for the level of what is spoken
FAINT = 1e-3  # of the loudest frame's power: softer frames are pauses


def speed(samples: Float32, rng: np.random.Generator) -> Float32:
    """Played 0.9 to 1.1 times as fast, so that duration, F0 and formants change together: float32 [n] -> [about n / factor]."""
    import soxr

    factor = rng.uniform(*SPEEDS)
    return np.asarray(soxr.resample(samples.astype(np.float32, copy=False), SAMPLE_RATE * factor, SAMPLE_RATE), dtype=np.float32)


def room(samples: Float32, rng: np.random.Generator) -> Float32:
    """A simulated room: noise that decays by 60 dB in 0.15 to 0.8 s, 0 to 14 dB softer than the direct path before it.

    As long as what came in: the tail after its end is cut.
    """
    length = int(SAMPLE_RATE * rng.uniform(*REVERBERATION))
    response = rng.standard_normal(length) * 10.0 ** (-3.0 * np.arange(length) / length)
    response *= rng.uniform(0.2, 1.0) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    size = 1 << (len(samples) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    return wet.astype(np.float32)


def noise(samples: Float32, rng: np.random.Generator) -> Float32:
    """A recording of the training half of the noise folder, 5 to 30 dB under the voice.

    Raises:
        SystemExit: there is no data folder, or no recording in it that may train.
    """
    from train.corpora import data_root

    recordings = _training_noise(data_root())
    recording = recordings[int(rng.integers(len(recordings)))]
    return mixed(samples, looped(recording, len(samples), rng), float(rng.uniform(*SNR_DB)))


def telephone(samples: Float32, rng: np.random.Generator) -> Float32:
    """A telephone line: about 300 to 3400 Hz, and in half of all calls 8 bits a sample (G.711's mu-law)."""
    size = next_fast_len(len(samples), real=True)
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    low, high = rng.uniform(200, 400), rng.uniform(3000, 3700)
    response = 1 / (1 + (low / np.maximum(frequencies, 1.0)) ** 8) / (1 + (frequencies / high) ** 16)
    narrow = np.fft.irfft(np.fft.rfft(samples, size) * response, size)[: len(samples)]
    peak = float(np.abs(narrow).max())
    if peak > 0 and rng.random() < 0.5:
        squeezed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
        squeezed = np.round(squeezed * 127) / 127
        narrow = np.sign(squeezed) * peak * np.expm1(np.abs(squeezed) * np.log(256)) / 255
    return narrow.astype(np.float32)


def gain(samples: Float32, rng: np.random.Generator) -> Float32:
    """20 dB softer to 6 dB louder; what passes full scale is clipped, as a converter does."""
    return np.clip(samples * np.float32(10.0 ** (rng.uniform(*GAIN_DB) / 20.0)), -1.0, 1.0).astype(np.float32)


# In the order in which they happen to a voice, whatever the order they are asked for in.
EFFECTS: dict[str, Callable[[Float32, np.random.Generator], Float32]] = {
    "speed": speed,
    "room": room,
    "noise": noise,
    "telephone": telephone,
    "gain": gain,
}


def augment(samples: Float32, names: Iterable[str], rng: np.random.Generator, share: float) -> Float32:
    """Samples float32 [n] at 16 kHz after a random choice of the named effects, each with probability `share`: float32 [m].

    Raises:
        SystemExit: a name that is no effect.
    """
    wanted = tuple(names)
    unknown = sorted(set(wanted) - set(EFFECTS))
    if unknown:
        raise SystemExit(f"no effect {unknown[0]!r} on the waveform: choose from {', '.join(EFFECTS)}")
    for name, effect in EFFECTS.items():
        if name in wanted and rng.random() < share:
            samples = effect(samples, rng)
    return samples


def mixed(samples: Float32, background: Float32, snr_db: float) -> Float32:
    """A voice and a background as long, float32 [n]: the voice's mean power where it is not pausing lies `snr_db` above."""
    whole = samples[: max(1, len(samples) // FRAME) * FRAME].astype(np.float64)
    power = np.mean(whole.reshape(-1, min(FRAME, len(whole))) ** 2, axis=1) if len(whole) else np.zeros(1)
    level = float(power[power >= FAINT * power.max()].mean())
    loudness = float(np.mean(background.astype(np.float64) ** 2)) + 1e-12
    return (samples + background * np.float32(np.sqrt(level / loudness) * 10.0 ** (-snr_db / 20.0))).astype(np.float32)


def looped(recording: Float32, length: int, rng: np.random.Generator) -> Float32:
    """`length` samples of a recording from a random place on, begun again where it ends: float32 [length]."""
    start = int(rng.integers(len(recording)))
    return np.resize(np.roll(recording, -start), length)


@cache
def _training_noise(root: Path) -> list[Float32]:
    """The recordings under a data root that the committed list leaves to training, read once."""
    from train.pitch.noise import recorded_noise

    recordings = recorded_noise(held_out=False)
    if not recordings:
        raise SystemExit(f"no noise that may train in {root / 'noise'}: it needs .flac files that no test is kept for")
    return recordings
