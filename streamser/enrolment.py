"""A person's ordinary voice, heard as any stream is, up to the statistics that a stream may begin with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamser.audio.pieces import Lost, Source
from streamser.clock import SAMPLE_RATE
from streamser.errors import UsageError
from streamser.judge import Judge
from streamser.packs.manifest import HistorySettings, Pack
from streamser.speaker_history import SpeakerStatistics
from streamser.stream import SHORT_GAP, Stream

LEAST = 3.0  # seconds of speech
ONE_VOICE = HistorySettings(floor=1.0, voice_threshold=math.inf)  # one person's, all of it ordinary


class Enrolment:
    """State of one enrolment: `hear` or `feed`, then `statistics`.

    Args:
        stream: one without a transcript, which this judge judges.
        judge: with the history settings `ONE_VOICE`.
        pack: whose networks hear.
    """

    def __init__(self, stream: Stream, judge: Judge, pack: Pack) -> None:
        self._stream = stream
        self._judge = judge
        self._pack = pack

    def feed(self, samples: np.ndarray) -> None:
        """Hear float [n], mono, 16 kHz."""
        self._stream.feed(samples)

    def hear(self, source: Source) -> Iterator[float]:
        """Hear a source's one channel until it ends; yields the seconds of speech that count so far, after every piece.

        Long losses are heard as short ones, after which a stream does not forget: it is one person all along.

        Raises:
            AudioError: it broke off.
        """
        for piece in source:
            if isinstance(piece, Lost):
                self._stream.gap(min(piece.seconds, SHORT_GAP / SAMPLE_RATE), piece.reason)
            else:
                self._stream.feed(piece.samples[:, 0])
            yield self._judge.evidence()

    def statistics(self) -> SpeakerStatistics:
        """What was heard of the voice; the enrolment ends.

        Raises:
            UsageError: too little speech.
        """
        self._stream.finish()
        histories = self._judge.voices.histories
        heard = histories[0].seconds if histories else 0.0
        if heard < LEAST:
            raise UsageError(
                f"an enrolment needs {LEAST:g} seconds of speech, and {heard:.1f} were heard: record more of it, in a quiet place"
            )
        pack = self._pack
        return replace(histories[0], pack=f"{pack.name} {pack.version}", fusion=pack.components["fusion"].sha256)


def check_pack(enrolment: SpeakerStatistics, pack: Pack) -> None:
    """Say if another pack made it: what its columns mean is known to that one's fusion graph alone.

    Raises:
        UsageError: another did, or it does not say which.
    """
    if enrolment.fusion == pack.components["fusion"].sha256:
        return
    made, here = enrolment.pack or "one that it does not name", f"{pack.name} {pack.version}"
    which = f"this is {here}" if made != here else f"this {here} has other weights"
    raise UsageError(f"the enrolment was made with another pack, {made}, and {which}: enrol again with this one")
