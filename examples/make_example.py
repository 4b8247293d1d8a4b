"""Make examples/hello.flac: one synthetic voice, first calm, then, after a pause, raised (higher, livelier, faster, louder).

Run `python examples/make_example.py [OUT]`. It needs `flite` (Debian: `apt install flite`; its voice `slt` is free software),
and pyworld and soundfile (`pip install streamser[train]`). The same versions write the same samples. The recording was made by
this project with this script and may be used like its code (Apache-2.0). It is a demonstration of the commands: a synthesiser's
voice expresses no emotion, and what streamser says about it is no measure of anything.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyworld
import soundfile
import soxr

SAMPLE_RATE = 16_000
LEADING_SILENCE, PAUSE, TRAILING_SILENCE = 0.4, 1.5, 0.6  # seconds
DITHER = 1e-4  # noise floor, so that the silences are not digital zeros


@dataclass(frozen=True)
class Manner:
    """How a part is spoken."""

    stretch: float  # of the durations: below 1 is faster
    pitch: float  # factor on F0
    liveliness: float  # factor on the spread of log F0 about its mean
    brightness: float  # decibel added from 1 kHz to 4 kHz, as in a raised voice
    level: float  # peak, full scale is 1


PARTS = (
    (
        "Hello, and welcome. This is a short recording to try the program with. Nothing has happened yet.",
        Manner(stretch=1.05, pitch=0.92, liveliness=0.8, brightness=0.0, level=0.15),
    ),
    (
        "Stop it, right now! I told you twice already, and nobody listens to me! I am so angry with all of you!",
        Manner(stretch=0.88, pitch=1.35, liveliness=1.6, brightness=9.0, level=0.9),
    ),
)


def spoken(text: str, manner: Manner) -> np.ndarray:
    """The text in flite's voice `slt`, its pitch, timbre and level changed by the WORLD vocoder; float64 [n] at 16 kHz."""
    program = shutil.which("flite")
    if program is None:
        raise SystemExit("flite is not installed: apt install flite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.wav"
        stretch = f"duration_stretch={manner.stretch}"
        subprocess.run([program, "-voice", "slt", "--setf", stretch, "-t", text, "-o", str(path)], check=True)
        samples, rate = soundfile.read(path)
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    f0, times = pyworld.harvest(samples, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE)
    aperiodicity = pyworld.d4c(samples, f0, times, SAMPLE_RATE)
    voiced = f0 > 0
    centre = np.log(f0[voiced]).mean()
    raised = np.zeros_like(f0)
    raised[voiced] = manner.pitch * np.exp(centre + manner.liveliness * (np.log(f0[voiced]) - centre))
    hertz = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    octaves = np.log2(np.clip(hertz, 1000, 4000) / 1000) / 2  # 0 up to 1 kHz, 1 from 4 kHz
    envelope *= 10 ** (manner.brightness * octaves / 10)
    voice = pyworld.synthesize(raised, envelope, aperiodicity, SAMPLE_RATE)
    return voice * manner.level / np.abs(voice).max()


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("hello.flac")
    (calm, calm_manner), (raised, raised_manner) = PARTS
    silence = {seconds: np.zeros(round(seconds * SAMPLE_RATE)) for seconds in (LEADING_SILENCE, PAUSE, TRAILING_SILENCE)}
    first, second = spoken(calm, calm_manner), spoken(raised, raised_manner)
    samples = np.concatenate([silence[LEADING_SILENCE], first, silence[PAUSE], second, silence[TRAILING_SILENCE]])
    samples += DITHER * np.random.default_rng(0).standard_normal(len(samples))
    soundfile.write(out, np.clip(samples, -1, 1), SAMPLE_RATE, subtype="PCM_16")
    raised_from = LEADING_SILENCE + len(first) / SAMPLE_RATE + PAUSE
    print(f"{out.name}: {len(samples) / SAMPLE_RATE:.2f} s, the raised part from {raised_from:.2f} s")


if __name__ == "__main__":
    main()
