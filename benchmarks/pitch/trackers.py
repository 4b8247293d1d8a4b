"""The pitch trackers of `python -m benchmarks.pitch`, ours and its peers, each behind the same few lines.

All give a frame every 10 ms (swift-f0: 16 ms, fixed). Each peer searches the range that its package has as default or its
documentation gives for speech; ours searches all of its bins (32 Hz to 2 kHz).
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from numpy.typing import NDArray

from streamser.clock import SAMPLE_RATE
from streamser.features.mel import HOP
from streamser.features.pitch import PitchTracker

PERIOD = HOP / SAMPLE_RATE
PRAAT_HZ, WORLD_HZ, CREPE_HZ, PENN_HZ = (75.0, 600.0), (71.0, 800.0), (50.0, 550.0), (30.0, 1000.0)
BLOCK = 8000  # samples: ours is fed as the recogniser feeds it, 0.5 s at a time
LEVELS = tuple(np.round(np.arange(0.01, 1.0, 0.01), 2).tolist())  # where a tracker says how sure it is
PRAAT_LEVELS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)  # a parameter of the analysis; 0.45 is the default
BATCH = 256  # frames at a time through the torch networks

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Track:
    """Frames in order of time: seconds f64[n], Hz f32[n] (0: no guess), how surely voiced f32[n]."""

    times: NDArray[np.float64]
    hz: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True)
class Tracker:
    """A tracker with its voicing thresholds.

    Attributes:
        name: in the tables.
        key: package, version and parameters; names the cache. Empty: never cached.
        look_ahead_ms: audio it needs after a frame's centre; None: the whole file.
        thresholds: to choose from.
        runs: one function for all thresholds, or one for each of them.
    """

    name: str
    key: str
    look_ahead_ms: float | None
    thresholds: tuple[float, ...]
    runs: tuple[Callable[[Audio], Track], ...]


class NotInstalled(Exception):  # noqa: N818
    """A tracker cannot run here, and why."""


def _needs(package: str, command: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise NotInstalled(f"{package} is not installed: {command}")


def _by_flag(times: NDArray[np.float64], hz: NDArray[np.float64]) -> Track:
    """A track of a tracker that guesses only where it says voiced."""
    return Track(times, hz.astype(np.float32), (hz > 0).astype(np.float32))


def ours(path: Path) -> Tracker:
    """Our network, streamed; silence follows the end so that the last frames come out."""
    tracker = PitchTracker.load(path)
    tracker.threshold = -1.0  # the best guess everywhere: voicing is decided by the benchmark

    def run(audio: Audio) -> Track:
        stream = tracker.stream()
        padded = np.concatenate([audio, np.zeros(tracker.look_ahead, np.float32)])
        parts = [stream.feed(padded[at : at + BLOCK]) for at in range(0, len(padded), BLOCK)]
        hz = np.concatenate([part.f0_hz for part in parts])
        times = np.arange(len(hz), dtype=np.float64) * PERIOD
        return Track(times, hz, np.concatenate([part.salience for part in parts]))

    return Tracker("streamser", "", 1000 * tracker.look_ahead / SAMPLE_RATE, LEVELS, (run,))


def swift() -> Tracker:
    """swift-f0: a convolutional network that reaches 2815 samples either way (stated in its source)."""
    _needs("swift_f0", "pip install swift-f0")
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def run(audio: Audio) -> Track:
        found = detector.detect(audio, SAMPLE_RATE)
        return Track(
            np.asarray(found.timestamps, np.float64), found.pitch_hz.astype(np.float32), found.confidence.astype(np.float32)
        )

    return Tracker("swift-f0", f"swift-f0-{version('swift-f0')}", 176.0, LEVELS, (run,))


def praat(method: str) -> Tracker:
    """Praat's autocorrelation (`ac`) or cross-correlation (`cc`), Boersma 1993; its path search sees the whole file."""
    _needs("parselmouth", "pip install streamser[benchmark]")
    import parselmouth

    def run(audio: Audio, threshold: float) -> Track:
        sound = parselmouth.Sound(audio.astype(np.float64), SAMPLE_RATE)
        analyse = sound.to_pitch_ac if method == "ac" else sound.to_pitch_cc
        pitch = analyse(PERIOD, pitch_floor=PRAAT_HZ[0], pitch_ceiling=PRAAT_HZ[1], voicing_threshold=threshold)
        return _by_flag(pitch.xs(), pitch.selected_array["frequency"])

    runs = tuple(lambda audio, threshold=threshold: run(audio, threshold) for threshold in PRAAT_LEVELS)
    key = f"parselmouth-{version('praat-parselmouth')}-{method}-" + "-".join(map(str, PRAAT_LEVELS))
    return Tracker(f"praat {method}", key, None, PRAAT_LEVELS, runs)


def world(method: str) -> Tracker:
    """WORLD's DIO with StoneMask, or Harvest: over the whole file, with no confidence to set a threshold on."""
    _needs("pyworld", "pip install streamser[train]")
    import pyworld

    def run(audio: Audio) -> Track:
        samples = audio.astype(np.float64)
        search = {"f0_floor": WORLD_HZ[0], "f0_ceil": WORLD_HZ[1], "frame_period": 1000 * PERIOD}
        if method == "harvest":
            hz, times = pyworld.harvest(samples, SAMPLE_RATE, **search)
        else:
            coarse, times = pyworld.dio(samples, SAMPLE_RATE, **search)
            hz = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
        return _by_flag(times, hz)

    return Tracker(method, f"pyworld-{version('pyworld')}-{method}", None, (0.5,), (run,))


@contextlib.contextmanager
def _standing_in(*names: str) -> Iterator[None]:
    """While a package is imported: empty modules for what it imports only to read, resample and plot files.

    torchaudio must never be installed beside torch here (CONTRIBUTING.md), and librosa and tensorboard are large.
    """
    absent = [name for name in names if name not in sys.modules and importlib.util.find_spec(name.split(".")[0]) is None]
    if "tensorboard" in absent:
        absent.append("torch.utils.tensorboard")
    sys.modules.update({name: MagicMock() for name in absent})
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def crepe() -> Tracker:
    """CREPE's tiny network by torchcrepe, frame by frame (its Viterbi needs librosa): half its window of 1024 ahead."""
    _needs("torchcrepe", "pip install --no-deps torchcrepe==0.0.24")
    import torch

    with _standing_in("torchaudio", "librosa", "resampy"):
        import torchcrepe
    torch.set_num_threads(1)
    np.random.seed(0)  # torchcrepe dithers its bins' centres, once, from the global generator

    def run(audio: Audio) -> Track:
        hz, confidence = torchcrepe.predict(
            torch.from_numpy(audio)[None],
            SAMPLE_RATE,
            HOP,
            *CREPE_HZ,
            "tiny",
            decoder=torchcrepe.decode.weighted_argmax,
            return_periodicity=True,
            batch_size=BATCH,
        )
        return Track(np.arange(hz.shape[1]) * PERIOD, hz[0].numpy(), confidence[0].numpy())

    return Tracker("torchcrepe tiny", f"torchcrepe-{version('torchcrepe')}-tiny", 32.0, LEVELS, (run,))


def penn() -> Tracker:
    """FCNF0++ by PENN 0.0.5 (that wheel holds the weights; later ones take them from a hub): half of 128 ms ahead."""
    _needs("penn", "pip install --no-deps penn==0.0.5 yapecs")
    if version("penn") != "0.0.5":
        raise NotInstalled(f"the weights of penn {version('penn')} lie on a hub: pip install --no-deps penn==0.0.5 yapecs")
    import soxr
    import torch

    with _standing_in("torchaudio", "tensorboard"):
        import penn
    torch.set_num_threads(1)

    def run(audio: Audio) -> Track:
        slow = np.ascontiguousarray(soxr.resample(audio, SAMPLE_RATE, penn.SAMPLE_RATE), np.float32)
        hz, confidence = penn.from_audio(
            torch.from_numpy(slow)[None], penn.SAMPLE_RATE, PERIOD, *PENN_HZ, batch_size=BATCH, pad=True
        )
        return Track((np.arange(hz.shape[1]) + 0.5) * PERIOD, hz[0].numpy(), confidence[0].numpy())

    return Tracker("penn", "penn-0.0.5", 64.0, LEVELS, (run,))


PEERS: dict[str, Callable[[], Tracker]] = {
    "swift-f0": swift,
    "praat ac": lambda: praat("ac"),
    "praat cc": lambda: praat("cc"),
    "dio": lambda: world("dio"),
    "penn": penn,
    "torchcrepe tiny": crepe,
    "harvest": lambda: world("harvest"),
}


def all_trackers(path: Path, without: Collection[str] = ()) -> tuple[list[Tracker], list[str]]:
    """Ours from `path`, then the peers that are installed and wanted, and a line for each that is not.

    Raises:
        SystemExit: there is no peer of a name in `without`.
    """
    if unknown := set(without) - set(PEERS):
        raise SystemExit(f"no peer is called {', '.join(sorted(unknown))}: choose among {', '.join(PEERS)}")
    found, missing = [ours(path)], []
    for name, make in PEERS.items():
        if name in without:
            missing.append(f"not run: {name}: left out by --without")
            continue
        try:
            found.append(make())
        except NotInstalled as why:
            missing.append(f"not run: {name}: {why}")
    return found, missing
