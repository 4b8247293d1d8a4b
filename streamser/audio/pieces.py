"""What every source of sound yields, in order: blocks of samples at 16 kHz, and audio that was lost in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamser.events import GapReason

Channels = Literal["mix", "split"]
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Consecutive samples.

    samples: float32 [n, channels] at 16 kHz, finite.
    captured_at: `time.monotonic()` at which the last sample was captured; None where the audio is not live.
    """

    samples: Samples
    captured_at: float | None = None


@dataclass(frozen=True)
class Lost:
    """Audio that is missing between the blocks around it, the same on every channel."""

    seconds: float
    reason: GapReason


Piece = Block | Lost


class Source(Protocol):
    """A recording or a device that was opened. Iterating raises AudioError where it is damaged, after what is readable.

    name: what events carry as `source`.
    channels: columns of each block: 1 with `mix`.
    seconds: the length that the recording declares; None where it declares none.
    """

    name: str
    seconds: float | None

    @property
    def channels(self) -> int: ...

    def __iter__(self) -> Iterator[Piece]: ...

    def close(self) -> None: ...
