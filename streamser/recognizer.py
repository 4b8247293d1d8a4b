"""The streaming core: audio in, events out. Networks are loaded once and shared; all state lives in the stream."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from streamser.audio.file import open_file
from streamser.audio.pieces import Channels
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.enrolment import ONE_VOICE, Enrolment, check_pack
from streamser.ensemble import Ensemble
from streamser.errors import UsageError
from streamser.events import Event
from streamser.feature_stream import Features
from streamser.features.whisper import DECODINGS
from streamser.judge import Judge
from streamser.packs.manifest import Pack
from streamser.packs.resolve import find_pack
from streamser.recording import recognize_source
from streamser.speaker_history import SpeakerStatistics
from streamser.stream import Stream, StreamSettings

GRID = 320  # samples: step and window are multiples of it, so that every network's frames fit
MAX_WINDOW = 8.0  # seconds, the longest that training has seen


class Recognizer:
    """The shared, stateless part: a pack's networks. Safe to use from several threads."""

    def __init__(self, pack: Pack, features: Features, ensemble: Ensemble) -> None:
        self.pack = pack
        self.features = features
        self.ensemble = ensemble
        self.pool = ThreadPoolExecutor(max_workers=DECODINGS, thread_name_prefix="transcript")

    @classmethod
    def load(cls, pack: str | Path = "default", accelerator: str = "auto") -> Recognizer:
        """Load a pack by name or folder onto `auto`, `cpu` or `cuda`.

        Raises:
            PackError: the pack is missing or damaged.
            AcceleratorError: CUDA was asked for and is not to be had.
        """
        found = find_pack(pack)
        features = Features.load(found, accelerator)
        return cls(found, features, Ensemble.load(found, features.text.labels, accelerator))

    def settings(
        self,
        step: float | None = None,
        window: float | None = None,
        delay: float | None = None,
        language: str = "auto",
        transcript: bool = True,
        words: bool = False,
        labels: tuple[str, ...] | None = None,
    ) -> StreamSettings:
        """Check the options of a stream; None takes the pack's value, a delay that fits step and window. Times in seconds.

        Raises:
            UsageError: times that do not fit each other, an unknown language or label.
        """
        step = self.pack.step if step is None else step
        window = self.pack.window if window is None else window
        delay = min(max(self.pack.delay, step), window) if delay is None else delay
        for name, value in (("step", step), ("window", window)):
            if not np.isfinite(value) or value <= 0 or abs(value * SAMPLE_RATE / GRID - round(value * SAMPLE_RATE / GRID)) > 1e-6:
                raise UsageError(f"--{name} {value} is not a positive multiple of 0.02 seconds")
        if not step <= delay <= window:
            raise UsageError(f"step {step} <= delay {delay} <= window {window} does not hold: choose them in that order")
        if step < 0.1 or window > MAX_WINDOW:
            raise UsageError(f"--step must be at least 0.1 and --window at most {MAX_WINDOW:g} seconds, not {step} and {window}")
        if language != "auto" and language not in self.features.whisper.languages:
            raise UsageError(f"language {language!r} is not known: use auto or a code such as en, de, pl")
        subset = self.ensemble.subset(labels or self.ensemble.labels)
        code = None if language == "auto" else language
        step_samples = to_samples(step)
        return StreamSettings(
            step=step_samples,
            window=to_samples(window),
            delay=to_samples(delay),
            transcript_step=_whole_steps(self.pack.transcript_step, step_samples),
            text_lag=_whole_steps(self.pack.text_lag, step_samples),
            language=code,
            transcript=transcript,
            words=words,
            subset=subset,
        )

    def stream(
        self,
        source: str = "stream",
        channel: int = 0,
        enrolment: SpeakerStatistics | str | Path | None = None,
        **options: Any,
    ) -> Stream:
        """Open a stream; `options` as in `settings`.

        Args:
            source, channel: what events call it.
            enrolment: of a person who will speak in it, see `enrol`; or where it was saved.

        Raises:
            UsageError: options that make no sense; an enrolment that cannot be read or was not made with this pack.
        """
        settings = self.settings(**options)
        if isinstance(enrolment, (str, Path)):
            enrolment = SpeakerStatistics.load(enrolment)
        try:
            judge = Judge(self.ensemble, settings.subset, enrolment)
        except UsageError as error:
            raise UsageError(f"pack {self.pack.name}: {error}") from error
        if enrolment is not None:
            check_pack(enrolment, self.pack)
        return Stream(self.features, self.ensemble, self.pool, settings, source, channel, judge)

    def enrol(self, recording: str | Path | np.ndarray) -> SpeakerStatistics:
        """How a person ordinarily sounds: heard as any stream is, for `stream(enrolment=...)`.

        Args:
            recording: of that person alone, speaking as usual, 3 seconds of speech or more; or its float samples [n] at 16 kHz.

        Raises:
            UsageError: the pack remembers no voices, or there is too little speech.
            AudioError: it cannot be read.
        """
        enrolment = self.enrolment()
        if isinstance(recording, np.ndarray):
            enrolment.feed(recording)
        else:
            with closing(open_file(recording)) as source:
                for _ in enrolment.hear(source):
                    pass
        return enrolment.statistics()

    def enrolment(self) -> Enrolment:
        """Begin to hear how a person ordinarily sounds, bit by bit.

        Raises:
            UsageError: the pack remembers no voices.
        """
        if self.ensemble.history is None:
            raise UsageError(f"the pack {self.pack.name} remembers no voices, so nobody can be enrolled: take another pack")
        settings = self.settings(transcript=False)
        judge = Judge(self.ensemble, settings.subset, history=ONE_VOICE)
        stream = Stream(self.features, self.ensemble, self.pool, settings, "enrolment", 0, judge)
        return Enrolment(stream, judge, self.pack)

    def recognize(self, path: str | Path, channels: Channels = "mix", **options: Any) -> Iterator[Event]:
        """Recognise a recording of any length, event by event; `channels` is `mix` or `split`, other options as in `settings`.

        Raises:
            AudioError: it cannot be read, or breaks off; what was heard before has been yielded by then.
        """
        source = open_file(path, channels)
        return recognize_source(source, [self.stream(source.name, channel, **options) for channel in range(source.channels)])


def _whole_steps(seconds: float, step: int) -> int:
    """A time in samples, rounded up to whole steps."""
    return -(-to_samples(seconds) // step) * step
