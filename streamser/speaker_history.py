"""What a stream remembers of the voices in it, so that a person is compared with how they usually sound.

Numpy alone, so that training replays streams with this very class. An utterance joins when it has ended, so that nothing is
ever compared with itself; the more neutral it seems, the more it counts as how the voice usually sounds.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamser.errors import UsageError
from streamser.timeline import step_weight

MOST_VOICES = 4  # that a stream keeps apart
MOST_EVIDENCE = 120.0  # seconds: what is older fades
LEAST_KNOWN = 0.5  # an utterance less likely than this to be speech joins no history


@dataclass(frozen=True)
class SpeakerStatistics:
    """How a voice has sounded: weighted means over its utterances, so far as they were heard.

    mean, square: float32 [D], of the utterances' statistics and of their squares. voice: float32 [V], its voice print.
    seconds: the evidence, above 0. pack, fusion: of an enrolment, the pack that heard it (name and version) and the SHA-256 of its
    fusion graph. Raises ValueError where they do not fit each other.
    """

    mean: np.ndarray
    square: np.ndarray
    voice: np.ndarray
    seconds: float
    pack: str = ""
    fusion: str = ""

    def __post_init__(self) -> None:
        for name in ("mean", "square", "voice"):
            values = getattr(self, name)
            if values.ndim != 1 or values.dtype != np.float32 or not len(values):
                raise ValueError(f"{name} is {values.dtype} {list(values.shape)}, not float32 [n]")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds NaN or infinite values")
        if len(self.mean) != len(self.square):
            raise ValueError(f"mean has {len(self.mean)} columns, square {len(self.square)}")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"evidence of {self.seconds} seconds")

    def save(self, path: str | Path) -> None:
        """Write a `.npz` file, exactly at `path`.

        Raises:
            UsageError: it cannot be written there.
        """
        try:
            with Path(path).open("wb") as file:
                pack, fusion = np.str_(self.pack), np.str_(self.fusion)
                seconds = np.float64(self.seconds)
                np.savez(file, mean=self.mean, square=self.square, voice=self.voice, seconds=seconds, pack=pack, fusion=fusion)
        except OSError as error:
            raise UsageError(f"the enrolment {path} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | Path) -> SpeakerStatistics:
        """Read what `save` wrote.

        Raises:
            UsageError: the file is missing or is none.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if not isinstance(arrays, np.lib.npyio.NpzFile):
                    raise ValueError("one array, not an archive of four")
                heard = (arrays["mean"], arrays["square"], arrays["voice"], float(arrays["seconds"]))
                if "fusion" not in arrays:
                    raise ValueError("an older streamser made it, which did not note the pack")
                return cls(*heard, str(arrays["pack"]), str(arrays["fusion"]))
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            told = getattr(error, "strerror", None) or (error.args[0] if error.args else error)
            raise UsageError(f"the enrolment {path} cannot be read ({told}): make it again with `streamser enrol`") from error


@dataclass
class Voices:
    """The voices of one stream, each told from the others by its voice print.

    voice_threshold: the largest distance between two voice prints of one voice: the mean of their squared differences.
    histories: the one that spoke last comes last.
    """

    voice_threshold: float
    histories: list[SpeakerStatistics] = field(default_factory=list)

    def match(self, voice: np.ndarray) -> SpeakerStatistics | None:
        """The history of the voice that sounds like float32 [V] `voice`; None where no voice heard so far is near enough."""
        nearest = self._nearest(voice)
        return None if nearest is None else self.histories[nearest]

    def add(self, statistics: np.ndarray, voice: np.ndarray, seconds: float) -> None:
        """Take in an utterance that has ended; a voice not heard before takes the place of the one that was silent longest.

        Args:
            statistics: float32 [D], of the utterance.
            voice: float32 [V], its voice print.
            seconds: its evidence; nothing is added where it is 0.
        """
        if seconds <= 0:
            return
        square = _float32(np.square(statistics))
        new = SpeakerStatistics(_float32(statistics), square, _float32(voice), min(seconds, MOST_EVIDENCE))
        nearest = self._nearest(voice)
        if nearest is None:
            del self.histories[: max(len(self.histories) - MOST_VOICES + 1, 0)]
        else:
            new = _blend(self.histories.pop(nearest), new)
        self.histories.append(new)

    def clear(self) -> None:
        """Forget all voices."""
        self.histories.clear()

    def _nearest(self, voice: np.ndarray) -> int | None:
        if not self.histories:
            return None
        prints = np.stack([history.voice for history in self.histories]).astype(np.float64)
        distances = np.square(prints - voice).mean(axis=1)
        nearest = int(distances.argmin())
        return nearest if distances[nearest] <= self.voice_threshold else None


def _blend(old: SpeakerStatistics, new: SpeakerStatistics) -> SpeakerStatistics:
    """Both, by their evidence; at most MOST_EVIDENCE of it counts against what comes later."""
    share = new.seconds / (old.seconds + new.seconds)

    def mean(past: np.ndarray, present: np.ndarray) -> np.ndarray:
        return _float32(past + share * (present.astype(np.float64) - past))

    seconds = min(old.seconds + new.seconds, MOST_EVIDENCE)
    return SpeakerStatistics(mean(old.mean, new.mean), mean(old.square, new.square), mean(old.voice, new.voice), seconds)


def _float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


@dataclass
class SpokenUtterance:
    """What an utterance tells of its voice: means over its steps, weighted as the time line weighs them."""

    seconds: float = 0.0  # of speech heard in it
    _weight: float = 0.0
    _known: float = 0.0
    _statistics: np.ndarray | None = None
    _voice: np.ndarray | None = None
    _log_posterior: np.ndarray | None = None

    def add(
        self,
        statistics: np.ndarray,
        voice: np.ndarray,
        log_posterior: np.ndarray,
        known: float,
        heard: float,
        new: float,
    ) -> None:
        """Take in one step.

        Args:
            statistics: float32 [D], the graph's.
            voice: float32 [V], the graph's.
            log_posterior: float [labels], of the step's sound among all labels of the pack, normalised.
            known: the graph's, 0 to 1.
            heard: seconds of speech in the step's window.
            new: seconds of speech since the step before; of an utterance's first step all that was heard counts.
        """
        weight = step_weight(heard)
        self.seconds += heard if self._statistics is None else new
        self._statistics = _weighted(self._statistics, weight, statistics)
        self._voice = _weighted(self._voice, weight, voice)
        self._log_posterior = _weighted(self._log_posterior, weight, log_posterior)
        self._known += weight * known
        self._weight += weight

    @property
    def evidence(self) -> float:
        """Seconds of speech heard in it; 0 as long as it is hardly speech."""
        return self.seconds if self._weight and self._known / self._weight >= LEAST_KNOWN else 0.0

    def join(self, voices: Voices, floor: float, neutral: int | None) -> None:
        """Now that it has ended, add it to its voice's history: by floor + (1 - floor) * p(neutral) of its seconds.

        Args:
            floor: the share of an utterance that does not seem neutral at all; with 1, all count the same.
            neutral: the column of that label; None where the pack has none, and then all count in full.
        """
        if self._statistics is None or self._voice is None or self._log_posterior is None or not self.evidence:
            return
        share = 1.0
        if neutral is not None:
            mean = self._log_posterior / self._weight
            share = floor + (1 - floor) * float(np.exp(mean[neutral] - np.logaddexp.reduce(mean)))
        voices.add(self._statistics / self._weight, self._voice / self._weight, share * self.seconds)


def _weighted(total: np.ndarray | None, weight: float, values: np.ndarray) -> np.ndarray:
    weighted = weight * np.asarray(values, np.float64)
    return weighted if total is None else total + weighted
