"""Sentences spoken by two synthesisers of Debian, and their prosody changed with Praat: flat, angry, happy.

espeak-ng is a formant synthesiser, flite's `slt` a statistical one of a woman's voice. Praat (through parselmouth) keeps the
sounds and replaces pitch, rate and level (overlap-add, Moulines & Charpentier 1990).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamser.clock import SAMPLE_RATE

SYNTHESISERS = {
    "espeak-ng": ["espeak-ng", "-v", "en-us", "-s", "160", "-w"],
    "flite": ["flite", "-voice", "slt", "-o"],
}
LEVEL = 0.06  # root mean square of a flat voice
LONGEST = 60  # seconds that a synthesiser may take
FLOOR = 1e-4  # of the faint noise around and under the voice
BEFORE, AFTER = 0.3, 0.8  # seconds of it


@dataclass(frozen=True)
class Prosody:
    """How a voice is changed: mean F0 by a factor, its range around the mean (in logarithms) by a factor, rate, level in dB."""

    mean: float
    range: float
    rate: float
    level: float


PROSODIES = {
    "flat": Prosody(1.0, 0.0, 1.0, 0.0),
    "angry": Prosody(1.3, 1.8, 1.15, 8.0),
    "happy": Prosody(1.5, 2.2, 1.1, 4.0),
}


def require_synthesisers() -> None:
    """Raises SystemExit where a synthesiser is not installed."""
    missing = [name for name in SYNTHESISERS if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} cannot be run: apt-get install espeak-ng flite")


def speak(text: str, synthesiser: str) -> np.ndarray:
    """A sentence as the synthesiser speaks it: float32 [n], 16 kHz.

    Raises:
        SystemExit: the synthesiser fails.
    """
    import soundfile
    import soxr

    with tempfile.TemporaryDirectory() as folder:
        words, sound = Path(folder) / "words.txt", Path(folder) / "sound.wav"
        words.write_text(text + "\n", encoding="utf-8")
        command = [*SYNTHESISERS[synthesiser], str(sound), "-f", str(words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        if done.returncode or not sound.is_file():
            raise SystemExit(f"{synthesiser} cannot speak {text!r}: {done.stderr.strip() or 'no sound came'}")
        samples, rate = soundfile.read(sound, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), np.float32)


def with_prosody(samples: np.ndarray, prosody: Prosody) -> np.ndarray:
    """Speech with other pitch, rate and level, silence of faint noise around it: float32 [n], 16 kHz."""
    import parselmouth
    from parselmouth.praat import call

    sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
    manipulation = call(sound, "To Manipulation", 0.01, 60, 400)
    tier = call(manipulation, "Extract pitch tier")
    values = [call(tier, "Get value at index", index + 1) for index in range(call(tier, "Get number of points"))]
    if values:
        mean = float(np.exp(np.mean(np.log(values))))
        call(tier, "Formula", f"{mean * prosody.mean} * (self / {mean}) ^ {prosody.range}")
        call([tier, manipulation], "Replace pitch tier")
    if prosody.rate != 1.0:
        duration = call("Create DurationTier", "rate", 0.0, sound.duration)
        call(duration, "Add point", 0.0, 1.0 / prosody.rate)
        call([duration, manipulation], "Replace duration tier")
    changed = call(manipulation, "Get resynthesis (overlap-add)").values[0]
    changed *= LEVEL * 10 ** (prosody.level / 20) / max(float(np.sqrt(np.mean(changed**2))), 1e-9)
    whole = np.concatenate([np.zeros(round(BEFORE * SAMPLE_RATE)), changed, np.zeros(round(AFTER * SAMPLE_RATE))])
    whole += FLOOR * np.random.default_rng(0).standard_normal(len(whole))
    return np.clip(whole, -1.0, 1.0).astype(np.float32)
