"""The growing transcript of a stream: decoded on the audio clock's grid, agreed between successive hypotheses.

What two successive hypotheses begin with alike is committed (local agreement, Liu et al. 2020), and the decoder goes on behind
the last committed sentence, so that it always hears a short stretch. Decoding runs beside the steps in a pool. The step at
time t uses the last text that was due `lag` before t, so that events depend on the audio alone; only live, on a machine
too slow, is a text used later than that.

Words belong to a run, a stretch of speech without a pause; where an endless run was cut into utterances, each utterance
takes the words that were spoken in it, so that none is lost or doubled at the cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamser.agreement import RunText, Text, quietest_near
from streamser.audio.ring import AudioRing
from streamser.clock import SAMPLE_RATE, to_samples
from streamser.features.whisper import FRAME, Encoding, Hypothesis, Whisper
from streamser.segmenter import Utterance

MIN_HEARD = to_samples(0.4)  # a shorter stretch is not decoded before its utterance ends
TAIL = to_samples(0.5)  # heard after an utterance's end, so that its last sound is whole
SILENT_TAIL = to_samples(0.5)  # and as much silence: the encoder misses a word that ends at its edge
MAX_OPEN = to_samples(6.0)  # a longer open stretch is cut behind the last committed word, not only behind a sentence
LONGEST_OPEN = to_samples(10.0)  # a longer one is committed as it stands: the bound on what must be kept
RAREST = to_samples(4.0)  # that often an open utterance is decoded however slow the machine is, so that what is kept suffices
GIVE_UP = to_samples(10.0)  # a live decoding that has not begun so long after it was due is left out: words must not lag on and on
MAX_WAITING = 2  # decodings under way live before new ones are shed
SURE_OF_LANGUAGE = 0.85  # a run's open hypotheses are not asked for their language again; it costs a fifth of a decoding
LEAST_LOG_PROBABILITY = {False: -1.0, True: -1.5}  # of an open utterance's hypothesis, of a closed one's


@dataclass(frozen=True)
class FinalText:
    """The last word on a closed utterance; words with times in seconds since the stream's start, where asked for.

    counted: the part of the text that the recogniser does not doubt.
    """

    utterance: Utterance
    text: str = ""
    language: str | None = None
    words: list[dict[str, Any]] | None = None
    counted: str = ""


@dataclass(frozen=True)
class _Decoding:
    due: int
    run: int
    anchor: int
    samples: np.ndarray  # from the anchor to `due`, or to the utterance's end; then empty in a stream that was restored
    last: Utterance | None  # the utterance that ends with this decoding
    future: Future[Hypothesis]


class Transcript:
    """State of one stream's transcript."""

    def __init__(self, whisper: Whisper, pool: Executor, language: str | None, step: int, lag: int, words: bool) -> None:
        """language: a code, or None to detect it; step, lag: samples; words: give closed utterances' words their times."""
        self._whisper = whisper
        self._pool = pool
        self._language = language
        self._step = step
        self._lag = lag
        self._words = words
        self._waiting: deque[_Decoding] = deque()
        self._prior: dict[str, float] = {}
        self._runs: dict[int, RunText] = {}  # of the open run, and of ended ones whose last word is not due yet
        self._cut: deque[tuple[int, Utterance]] = deque()  # utterances that ended at a cut, and since when that is known
        self._late = False

    def take_late(self) -> bool:
        """Whether a live decoding was left out or came late since this was last asked."""
        late, self._late = self._late, False
        return late

    def current(self, utterance: Utterance | None) -> Text:
        """The words of the given utterance as far as they are due."""
        if utterance is None or utterance.run not in self._runs:
            return Text()
        return self._runs[utterance.run].between(utterance.start if self._is_continued(utterance) else None, _upper(utterance))

    def schedule(
        self,
        now: int,
        ring: AudioRing,
        open_one: Utterance | None,
        closed: list[Utterance],
        window: tuple[int, Encoding] | None,
        live: bool,
        rarer: int = 1,
    ) -> None:
        """Start what is due at `now`: closed utterances for good, the open one on the grid.

        Args:
            window: start and encoding of the step's own window, used again where it covers the same audio.
            rarer: how many times wider than usual the grid is.
        """
        for utterance in closed:
            assert utterance.end is not None
            if utterance.cut:
                self._cut.append((now, utterance))
            else:
                self._submit(now, utterance, ring, min(utterance.end + TAIL, now), None, last=True)
        grid = self._step * max(1, min(rarer, RAREST // self._step))
        if open_one is None or now % grid or now - max(open_one.start, self._run(open_one).anchor) < MIN_HEARD:
            return
        if live and len(self._waiting) >= MAX_WAITING + self._lag // self._step:
            self._late = True
            return
        same = window is not None and window[0] == self._run(open_one).anchor
        self._submit(now, open_one, ring, now, window[1] if window is not None and same else None, last=False)

    def collect(self, now: int, live: bool) -> list[FinalText]:
        """Take in what was due `lag` before `now`; waits for it unless live."""
        finals = []
        while self._waiting and self._waiting[0].due + self._lag <= now:
            first = self._waiting[0]
            if live and not first.future.done():
                self._late = True
                if now - first.due <= GIVE_UP or not first.future.cancel():
                    break
            finals += self._take(self._waiting.popleft())
        return finals

    def finish(self) -> list[FinalText]:
        """Wait for everything."""
        finals = []
        while self._waiting:
            finals += self._take(self._waiting.popleft())
        return finals

    def snapshot(self) -> dict[str, Any]:
        """All that is known between two blocks of a recording, without samples; waits for what is being decoded."""
        waiting = [(one.due, one.run, one.anchor, one.last, one.future.result()) for one in self._waiting]
        return {"waiting": waiting, "prior": self._prior, "runs": self._runs, "cut": [*self._cut]}

    @staticmethod
    def passages(state: dict[str, Any]) -> list[tuple[int, int]]:
        """The sample indices [start, end) of the audio that `restore` reads: what was open when it went to the decoder."""
        return [(anchor, due) for due, _, anchor, last, _ in state["waiting"] if last is None]

    def restore(self, state: dict[str, Any], read: Callable[[int, int], np.ndarray]) -> None:
        """Take back a snapshot; `read` gives the samples of its passages."""
        self._prior, self._runs, self._cut = state["prior"], state["runs"], deque(state["cut"])
        for due, run, anchor, last, hypothesis in state["waiting"]:
            samples = _whole_frames(read(anchor, due)) if last is None else np.zeros(0, np.float32)
            future: Future[Hypothesis] = Future()
            future.set_result(hypothesis)
            self._waiting.append(_Decoding(due, run, anchor, samples, last, future))

    def _run(self, utterance: Utterance) -> RunText:
        return self._runs.setdefault(utterance.run, RunText(utterance.anchor))

    def _is_continued(self, utterance: Utterance) -> bool:
        return utterance.number != utterance.run

    def _submit(self, due: int, utterance: Utterance, ring: AudioRing, end: int, encoding: Encoding | None, last: bool) -> None:
        anchor = min(max(self._run(utterance).anchor, ring.start), end)  # live, a late decoder may have let audio go by
        samples = ring.read(anchor, end)
        if last:
            samples = np.pad(samples, (0, SILENT_TAIL))
        samples = _whole_frames(samples)
        prior = dict(self._prior)
        language = self._language or (None if last else self._run(utterance).sure_language)

        def decode() -> Hypothesis:
            if end == anchor:
                return Hypothesis((), self._language or "", {})
            heard = encoding or self._whisper.encode(samples)
            return self._whisper.decode(heard, language, prior, LEAST_LOG_PROBABILITY[last])

        future = self._pool.submit(decode)
        self._waiting.append(_Decoding(due, utterance.run, anchor, samples, utterance if last else None, future))

    def _take(self, decoding: _Decoding) -> list[FinalText]:
        text = self._runs[decoding.run]
        if not decoding.future.cancelled():
            self._learn(decoding, text)
        finals = []
        while self._cut and self._cut[0][0] <= decoding.due:
            over = self._cut.popleft()[1]
            finals.append(self._final(over, text))
            text.forget_before(over.end or 0)
        if decoding.last is not None:
            finals.append(self._final(decoding.last, text))
            for old in [run for run in self._runs if run < decoding.run]:
                del self._runs[old]
        return finals

    def _learn(self, decoding: _Decoding, text: RunText) -> None:
        hypothesis = decoding.future.result()
        offset = decoding.anchor / SAMPLE_RATE
        words = [
            replace(word, start=offset + word.start, end=offset + word.end, doubted=hypothesis.doubted) for word in hypothesis.words
        ]
        if decoding.last is not None:
            text.replace_from(decoding.anchor, words)
            text.language = hypothesis.language
            self._learn_language(hypothesis)
        elif decoding.anchor == text.anchor:  # else it is out of date: a late one, live
            text.agree(words, decoding.due, hypothesis.language)
            if hypothesis.language_log_probabilities and hypothesis.language_probability >= SURE_OF_LANGUAGE:
                text.sure_language = hypothesis.language
            self._advance(decoding, text)

    def _advance(self, decoding: _Decoding, text: RunText) -> None:
        """Let the decoder go on behind the last committed sentence, or in a long stretch behind the last committed word."""
        length = decoding.due - decoding.anchor
        too_long = length > LONGEST_OPEN - self._lag - self._step
        if too_long:
            text.commit_all()
        count = len(text.committed) if length > MAX_OPEN else text.sentence_end()
        if too_long and count == 0:
            text.settle(0, decoding.due)
        elif count:
            end = to_samples(text.committed[count - 1].end) - decoding.anchor
            text.settle(count, decoding.anchor + quietest_near(decoding.samples, end))

    def _final(self, utterance: Utterance, text: RunText) -> FinalText:
        part = text.between(utterance.start if self._is_continued(utterance) else None, _upper(utterance))
        words = [*part.final, *part.open]
        said = "".join(word.text for word in words).strip()
        timed = [
            {"word": w.text.strip(), "start": round(w.start, 3), "end": round(w.end, 3), "probability": round(w.probability, 3)}
            for w in words
        ]
        language = text.language if said else None
        return FinalText(utterance, said, language, timed if self._words else None, part.counted_part())

    def _learn_language(self, hypothesis: Hypothesis) -> None:
        if hypothesis.words:
            for code, value in hypothesis.language_log_probabilities.items():
                self._prior[code] = self._prior.get(code, 0.0) + value


def _whole_frames(samples: np.ndarray) -> np.ndarray:
    return np.pad(samples, (0, -len(samples) % FRAME))


def _upper(utterance: Utterance) -> int | None:
    return utterance.end if utterance.cut else None
