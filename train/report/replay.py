"""Streams made of cached clips: each clip is one utterance, judged beside what its voice said in the utterances before.

A history only moves when an utterance ends, so a stream can be replayed from the cached rows of fresh clips with the runtime's own
`streamser.speaker_history`. Many streams go side by side, so that the graph hears full batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streamser.clock import SAMPLE_RATE
from streamser.late_fusion import NEUTRAL
from streamser.packs.manifest import HistorySettings
from streamser.speaker_history import SpeakerStatistics, SpokenUtterance, Voices
from train.features import STEP, WINDOW, Collection
from train.fusion.data import collate, with_histories
from train.fusion.decide import Decisions, EmittedDecisions, ensemble_posteriors
from train.report.context import Context, Outputs, joined

BATCH = 64


@dataclass(frozen=True)
class Turn:
    """One clip of a stream."""

    collection: Collection
    clip: int


@dataclass(frozen=True)
class Heard:
    """What the graph says of the clips of some turns.

    outputs: of all their rows, in order, but for the statistics, which no history changes. places: where each row is cached.
    heard: seconds of speech in each row's window, new: of those, since the row before; float32 [rows]. turn: int64 [rows], which
    of the `turns`.
    """

    context: Context
    outputs: Outputs
    places: list[tuple[Collection, int]]
    heard: np.ndarray
    new: np.ndarray
    turn: np.ndarray
    turns: int

    @property
    def seconds(self) -> np.ndarray:
        """float [turns]: seconds of speech in each clip."""
        return np.bincount(self.turn, self.new, self.turns)

    def decisions(self) -> Decisions:
        """The argmax of every clip."""
        return self.context.decided(self.outputs, self.heard, self.turn, self.turns)

    def emitted(self) -> EmittedDecisions:
        """What a stream would emit for every clip."""
        return self.context.emitted_of(self.outputs, self.heard, self.turn, self.turns)


class Replay:
    """Replays streams of one context's clips. The state of a stream is its `Voices`."""

    def __init__(self, context: Context) -> None:
        """Raises SystemExit where the graph hears no history, or nothing tells how one is made."""
        self.context = context
        if not context.remembers:
            raise SystemExit(f"{context.graph} remembers no voices: make one that does with `python -m export fusion`")
        self.settings = HistorySettings(**context.told["history"])
        self._neutral = context.labels.index(NEUTRAL) if NEUTRAL in context.labels else None
        self._rows: dict[Collection, list[np.ndarray]] = {}

    def voices(self, *enrolled: SpeakerStatistics) -> Voices:
        """A stream that has heard nothing yet but who was enrolled."""
        return Voices(self.settings.voice_threshold, list(enrolled))

    def rows(self, collection: Collection) -> list[np.ndarray]:
        """By clip, its rows in the order of time; a clip without speech has none."""
        if collection not in self._rows:
            inputs = self.context.inputs(collection)
            order = np.lexsort((inputs.now, inputs.clip))
            bounds = np.searchsorted(inputs.clip[order], np.arange(len(inputs.clip_label) + 1))
            self._rows[collection] = [order[first:last] for first, last in pairwise(bounds.tolist())]
        return self._rows[collection]

    def hear(self, turns: Sequence[Turn], voices: Sequence[Voices] | None = None) -> Heard:
        """The clips of some turns, each in a stream of its own, beside the history of its voice there; nothing is remembered.

        Args:
            turns: the clips.
            voices: for each, the stream that it is heard in; None for fresh streams.
        """
        places = [(turn.collection, row) for turn in turns for row in self.rows(turn.collection)[turn.clip].tolist()]
        counts = [len(self.rows(turn.collection)[turn.clip]) for turn in turns]
        number = np.repeat(np.arange(len(turns)), counts)
        outputs = self._cold(places)
        if voices is not None:
            outputs = self._beside(places, outputs, [voices[index] for index in number.tolist()])
        heard = np.array([self.context.inputs(collection).heard[row] for collection, row in places], np.float32)
        return Heard(self.context, outputs, places, heard, self._new(places, heard, number), number, len(turns))

    def remember(self, found: Heard, voices: Sequence[Voices], floor: float | None = None) -> None:
        """The clips that were heard have ended: each joins the histories of its stream. floor: another than the pack's."""
        outputs = found.outputs
        posteriors = ensemble_posteriors(outputs.members + self.context.prior)
        spoken = [SpokenUtterance() for _ in range(found.turns)]
        for row, (number, (collection, place)) in enumerate(zip(found.turn.tolist(), found.places, strict=True)):
            spoken[number].add(
                self.context.cold(collection).statistics[place],
                outputs.voice[row],
                posteriors[row],
                float(outputs.known[row]),
                float(found.heard[row]),
                float(found.new[row]),
            )
        for utterance, stream in zip(spoken, voices, strict=True):
            utterance.join(stream, self.settings.floor if floor is None else floor, self._neutral)

    def _cold(self, places: list[tuple[Collection, int]]) -> Outputs:
        labels = len(self.context.labels)
        parts = [Outputs(np.zeros((1, 0, labels), np.float32), *(np.zeros((0, *shape), np.float32) for shape in ((), (0,), (0,))))]
        order: list[int] = []
        for collection in dict.fromkeys(collection for collection, _ in places):
            wanted = [place for place, (entry, _) in enumerate(places) if entry == collection]
            rows, cold = [places[place][1] for place in wanted], self.context.cold(collection)
            parts.append(Outputs(cold.members[:, rows], cold.known[rows], cold.statistics[rows, :0], cold.voice[rows]))
            order += wanted
        found, back = joined(parts[1:] or parts), np.argsort(order)
        return Outputs(found.members[:, back], found.known[back], found.statistics[back], found.voice[back])

    def _beside(self, places: list[tuple[Collection, int]], cold: Outputs, voices: list[Voices]) -> Outputs:
        """The graph once more on those rows whose voice has a history."""
        matched: dict[int, SpeakerStatistics] = {}
        for place, stream in enumerate(voices):
            history = stream.match(cold.voice[place])
            if history is not None:
                matched[place] = history
        material = [(self.context.inputs(collection), row) for collection, row in places]
        order = sorted(matched, key=lambda place: int(np.ptp(material[place][0].slices["whisper"][material[place][1]])))
        members = cold.members.copy()
        for start in range(0, len(order), BATCH):  # like lengths together: less padding
            chunk = order[start : start + BATCH]
            rows, heard = zip(
                *((inputs.row(row), inputs.heard[row]) for inputs, row in (material[place] for place in chunk)), strict=True
            )
            histories = [(matched[place].mean, matched[place].square, matched[place].seconds) for place in chunk]
            members[:, chunk] = self.context.run(with_histories(collate(list(rows), np.array(heard)), histories)).members
        return Outputs(members, cold.known, cold.statistics, cold.voice)

    def _new(self, places: list[tuple[Collection, int]], heard: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Seconds of speech since the clip's row before: what the window gained, or a step where it began to slide."""
        now = np.array([self.context.inputs(collection).now[row] for collection, row in places])
        first = np.diff(number, prepend=-1) > 0
        gained = np.maximum(np.diff(heard, prepend=0), 0)
        return np.where(first, heard, np.where(now > WINDOW, STEP / SAMPLE_RATE, gained)).astype(np.float32)
