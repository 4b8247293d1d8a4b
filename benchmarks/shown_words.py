"""How long after a word was spoken it was shown, told from a stream's events (with `words=True`) alone."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.listen import plain_words, words_in_order
from benchmarks.pacing import Heard
from streamser.clock import to_seconds
from streamser.events import EmotionEvent, UtteranceEvent
from streamser.features.voice_activity import FRAME
from streamser.segmenter import ONSET_FRAMES

ONSET = to_seconds(ONSET_FRAMES * FRAME)  # seconds of an utterance that must have been heard before it is known


@dataclass(frozen=True)
class WordDelay:
    """Seconds from the end of a word until it was shown, and until it was shown as one that will not change."""

    shown: float
    settled: float


def word_delays(heard: list[Heard], begin: float) -> list[WordDelay]:
    """The delay of every word of the utterances that ended.

    An utterance's words are those of its `utterance` event, with their times; a word counts as shown at the first event whose text
    has it and all words before it, but for words that were shown otherwise before. What no `emotion` event showed, the
    `utterance` event did.

    Args:
        heard: all events, in order.
        begin: monotonic time of the stream's first sample.
    """
    utterances = [entry for entry in heard if isinstance(entry.event, UtteranceEvent)]
    steps = [entry for entry in heard if isinstance(entry.event, EmotionEvent)]
    delays = []
    for number, entry in enumerate(utterances):
        utterance = entry.event
        assert isinstance(utterance, UtteranceEvent)
        after = utterances[number + 1].event.start if number + 1 < len(utterances) else float("inf")
        own = [
            step for step in steps if utterance.start + ONSET <= step.event.end < after + ONSET and step.returned <= entry.returned
        ]
        timed = [(word, spoken["end"]) for spoken in utterance.words or [] for word in plain_words(spoken["word"])]
        words = [word for word, _ in timed]
        shown = _first_shown(words, own, entry.returned, pending=True)
        settled = _first_shown(words, own, entry.returned, pending=False)
        for (_, end), first, last in zip(timed, shown, settled, strict=True):
            delays.append(WordDelay(first - begin - end, last - begin - end))
    return delays


def _first_shown(words: list[str], steps: list[Heard], otherwise: float, pending: bool) -> list[float]:
    """When each word was first shown; `otherwise` where no step did."""
    times: list[float] = []
    for step in steps:
        event = step.event
        assert isinstance(event, EmotionEvent)
        text = plain_words(event.text + event.text_pending if pending else event.text)
        found = words_in_order(words, text)
        times += [step.returned] * (found - len(times))
    return times + [otherwise] * (len(words) - len(times))
