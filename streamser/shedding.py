"""What a live stream leaves out when the machine is too slow: in a stated order, with hysteresis, and only as long as it must.

First the transcript is decoded less often, then the steps that are judged grow to twice and to four times their length. How far
behind the stream is counts, and whether that grows: a backlog that shrinks by itself sheds nothing more. What was shed comes back
one by one after a while without a backlog; after a relapse that while is twice as long, so that nothing flaps.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamser.events import Shed

BEHIND = (1.0, 2.0, 4.0)  # seconds from capture to judgement beyond which the first, second, third thing goes
CAUGHT_UP = 0.5  # seconds under which there is no backlog
CALM = 5.0  # seconds of audio without a backlog until the last thing that went comes back
RELAPSE = 120.0  # seconds of audio within which shedding the same thing again is a relapse
LONGEST_CALM = 160.0  # seconds that relapses may raise the calm to


@dataclass(frozen=True)
class Level:
    """shed: as `degraded` events say it; decoding: how many times rarer than usual; stride: steps that a judgement covers."""

    shed: Shed
    decoding: int
    stride: int


LEVELS = (Level("nothing", 1, 1), Level("transcript", 2, 1), Level("steps", 4, 2), Level("steps", 4, 4))


class Shedding:
    """State of one live stream.

    Args:
        transcript: whether there is one to shed.
        longest: steps that the window holds; no judgement covers more, or audio would go unheard.
    """

    def __init__(self, transcript: bool, longest: int) -> None:
        self._levels = [level for level in LEVELS if level.stride <= longest and (transcript or level.shed != "transcript")]
        self._at = 0
        self._behind = 0.0
        self._heard = 0.0  # seconds of audio
        self._calm = 0.0  # seconds of audio so far without a backlog
        self._enough = [CALM for _ in self._levels]  # calm until each level is left downwards
        self._left = [-RELAPSE for _ in self._levels]  # when that was

    @property
    def level(self) -> Level:
        return self._levels[self._at]

    def update(self, behind: float, seconds: float, words_late: bool) -> None:
        """Take in live audio that is about to be judged; moves by one level at most.

        Args:
            behind: seconds since it was captured.
            seconds: how much it is.
            words_late: whether a decoding was not done in time.
        """
        grows, self._behind = behind >= self._behind, behind
        self._heard += seconds
        # Steps go back to their length as soon as they can: emotions come before words.
        calm = behind <= CAUGHT_UP and not (words_late and self.level.shed == "transcript")
        self._calm = self._calm + seconds if calm else 0.0
        if self._goes_up(behind > BEHIND[min(self._at, len(BEHIND) - 1)] and grows, words_late):
            self._at += 1
            relapse = self._heard - self._left[self._at] < RELAPSE
            self._enough[self._at] = min(2 * self._enough[self._at], LONGEST_CALM) if relapse else CALM
            self._calm = 0.0
        elif self._at and self._calm >= self._enough[self._at]:
            self._left[self._at] = self._heard
            self._at -= 1
            self._calm = 0.0

    def _goes_up(self, backlog: bool, words_late: bool) -> bool:
        above = self._levels[self._at + 1 :]
        return bool(above) and (backlog or (words_late and above[0].shed == "transcript"))
