"""What the tagging probes are asked: clips, their labels, and the groups that never lie on both sides of a fold.

The spectral network may have been taught the emotions of the training speakers of the four emotion corpora
(train/corpora/splits/splits.json), so those corpora are asked only with the speakers of validation and test: neither the
network nor the probe was taught anything by the speaker that is scored. (The validation speakers watched the training.)
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass

import numpy as np

from train.corpora import EVALUATION_CORPORA, LABELS, SPLITS_FILE, TRAINING_CORPORA, Clip, read_audio, read_corpus
from train.metrics import Score, uar
from train.scores import FOUR

SOUNDS, VOICES = "esc10", "deeply_nonverbal"
TASKS = (SOUNDS, VOICES, *TRAINING_CORPORA)
CONDITIONS = ("clean", "telephone")
CAP = 800  # clips of one corpus: Whisper at 100 ms a clip is what it saves; only nemo and ased and turev have more
TELEPHONE_HZ = (300.0, 3400.0)


@dataclass(frozen=True)
class Task:
    """One corpus as a question to a probe.

    Attributes:
        name: the corpus.
        clips: in the order of its manifest, at most `CAP`.
        labels: what to tell, str [clips].
        groups: who must not be in two folds, str [clips]: the speakers, or ESC-10's own folds.
        available: the clips that there were before the cap.
    """

    name: str
    clips: tuple[Clip, ...]
    labels: np.ndarray
    groups: np.ndarray
    available: int

    @property
    def speakers(self) -> np.ndarray:
        """Over whom intervals are drawn, str [clips]; in ESC-10 the recordings that its clips were cut from."""
        return np.array([clip.speaker for clip in self.clips])

    @property
    def score(self) -> Score:
        return accuracy if self.name == SOUNDS else uar

    @property
    def key(self) -> str:
        """A hash of the clips, their labels and groups."""
        rows = zip((clip.path.name for clip in self.clips), self.labels.tolist(), self.groups.tolist(), strict=True)
        return hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest()[:10]


def accuracy(truth: np.ndarray, decided: np.ndarray) -> float:
    """The share of clips that were told right."""
    return float((truth == decided).mean())


def capped(clips: list[Clip], most: int) -> list[Clip]:
    """At most `most` clips, as evenly over the speakers as they have them, the same ones whenever asked.

    A speaker's clips are ranked by the hash of their name; all first ranks are taken, then all second ones, and so on.
    """
    digest = {clip.path: hashlib.sha256(clip.path.name.encode()).hexdigest() for clip in clips}
    rank: dict[str, int] = {}
    order = []
    for clip in sorted(clips, key=lambda clip: digest[clip.path]):
        order.append((rank.setdefault(clip.speaker, 0), digest[clip.path], clip.path))
        rank[clip.speaker] += 1
    chosen = {path for _, _, path in sorted(order)[:most]}
    return [clip for clip in clips if clip.path in chosen]


def read_task(name: str, cap: int = CAP) -> Task:
    """The clips that a corpus is asked with.

    ESC-10: 10 classes, its 5 folds. deeply_nonverbal: 16 raw labels. ravdess: its 8 emotions; the other emotion corpora:
    the labels they have of the seven; evaluation-only ones: anger, happiness, neutral and sadness.
    """
    clips = read_corpus(name)
    raw = name in (SOUNDS, VOICES, "ravdess")
    if name in TRAINING_CORPORA:
        splits = json.loads(SPLITS_FILE.read_text())[name]
        unseen = {*splits["validation"], *splits["test"]}
        clips = [clip for clip in clips if clip.speaker in unseen and clip.label in LABELS]
    elif name in EVALUATION_CORPORA:
        clips = [clip for clip in clips if clip.label in {LABELS[index] for index in FOUR}]
    kept = capped(clips, cap)
    labels = np.array([clip.label_raw if raw else clip.label for clip in kept])
    groups = np.array([clip.extra if name == SOUNDS else clip.speaker for clip in kept])
    return Task(name, tuple(kept), labels, groups, len(clips))


def telephone(samples: np.ndarray) -> np.ndarray:
    """Only what a telephone passes: float32 [n] at 16 kHz through a causal Butterworth band pass of order 8."""
    from scipy import signal

    sections = signal.butter(4, TELEPHONE_HZ, "bandpass", fs=16_000, output="sos")
    return np.asarray(signal.sosfilt(sections, samples), np.float32)


@functools.lru_cache(maxsize=1)
def _audio(clips: tuple[Clip, ...], condition: str) -> list[np.ndarray]:
    """All clips of a task; the last one is kept, as one encoder after the other hears it."""
    change = telephone if condition == "telephone" else np.asarray
    return [change(read_audio(clip.path)) for clip in clips]


def task_audio(task: Task, condition: str) -> list[np.ndarray]:
    """float32 [n] at 16 kHz for each clip."""
    return _audio(task.clips, condition)
