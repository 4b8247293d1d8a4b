"""What the live screen knows: gathered event by event, bounded however long it listens."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from streamser.events import (
    DegradedEvent,
    EmotionEvent,
    Event,
    GapEvent,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
)
from streamser.sinks.emotion_strip import EmotionStrip
from streamser.sinks.wording import degraded_words

REMEMBERED = 60  # utterances and gaps, for the tallest screen
PITCHES = 64  # steps of pitch that are drawn, for the widest


@dataclass
class Voice:
    """One channel now, and its last minutes."""

    emotion: EmotionEvent | None = None
    label: str | None = None  # the stable one, of the last speech
    since: float | None = None  # when it began, in seconds
    begun: float = 0.0  # when the open utterance began, in seconds
    text: str = ""  # its words that will not change
    pending: str = ""  # its words that may
    strip: EmotionStrip = field(default_factory=EmotionStrip)
    pitches: deque[float | None] = field(default_factory=lambda: deque(maxlen=PITCHES))


@dataclass
class LiveState:
    """All channels."""

    source: str = ""
    voices: dict[int, Voice] = field(default_factory=dict)
    said: list[UtteranceEvent | GapEvent] = field(default_factory=list)  # by time
    utterances: int = 0
    transitions: int = 0
    gaps: int = 0
    lost_seconds: float = 0.0
    shed: dict[int, str] = field(default_factory=dict)  # what a channel's stream leaves out, in words
    end: float = 0.0
    summaries: list[SummaryEvent] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if isinstance(event, SummaryEvent):
            self.summaries.append(event)
            return
        voice = self.voices.setdefault(event.channel, Voice())
        self.source = event.source
        self.end = max(self.end, event.end)
        match event:
            case EmotionEvent():
                if not (voice.text or voice.pending):
                    voice.begun = event.window_start
                voice.text, voice.pending = event.text, event.text_pending
                voice.emotion = event
                voice.label = event.stable_label or voice.label
                voice.pitches.append(event.pitch_hz)
                voice.strip.hear(event)
            case UtteranceEvent():
                self.utterances += 1
                if event.end > voice.begun:
                    voice.text = voice.pending = ""
                self._remember(event)
            case TransitionEvent():
                self.transitions += 1
                voice.since = event.start
            case GapEvent():
                voice.strip.lose(event)
                if event.channel == min(self.voices):  # all channels of a source lose the same audio
                    self.gaps += 1
                    self.lost_seconds += event.lost_seconds
                    self._remember(event)
            case DegradedEvent():
                words = degraded_words(event.shed)
                self.shed.pop(event.channel, None)
                if words is not None:
                    self.shed[event.channel] = words

    def _remember(self, event: UtteranceEvent | GapEvent) -> None:
        insort(self.said, event, key=lambda said: said.start)
        del self.said[:-REMEMBERED]
