"""How loud a step is, in events."""

from __future__ import annotations

import numpy as np
import pytest

from streamser.audio.level import Level
from streamser.events import EmotionEvent
from tests.recordings import tone
from tests.test_stream import RATE, recognizer


def test_levels_of_known_sounds() -> None:
    level = Level()
    assert level.take() is None
    level.add(np.ones(100, np.float32))
    assert level.take() == 0.0
    level.add(np.zeros(100, np.float32))
    assert level.take() is None
    level.add(np.full(50, 0.1, np.float32))
    level.add(np.full(50, -0.1, np.float32))
    assert level.take() == -20.0


def test_every_step_says_how_loud_it_is() -> None:
    loud = tone(1.0, RATE).astype(np.float32)  # amplitude 0.5: -9.0 dB
    stream = recognizer().stream(transcript=False)
    events = stream.feed(np.concatenate([np.zeros(RATE, np.float32), loud, loud[: RATE // 4]]))
    events += stream.gap(0.5, "overflow") + stream.gap(1.0, "device")
    events += stream.feed(loud[: RATE // 4]) + stream.feed(loud[:2000]) + stream.finish()
    levels = [event.level_db for event in events if isinstance(event, EmotionEvent)]
    # silence, the tone, half a step of it and half lost, lost, lost; lost and the tone; 0.125 s of the tone alone
    assert levels == [None, None, -9.0, -9.0, -12.0, None, None, -12.0, -9.0]
    assert all(event.state == "no_speech" for event in events if isinstance(event, EmotionEvent))


@pytest.mark.parametrize("block", [160, 5333])
def test_levels_do_not_depend_on_how_audio_is_split(block: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE + 777).astype(np.float32)

    def levels(size: int) -> list[float | None]:
        stream = recognizer().stream(transcript=False)
        events = [event for start in range(0, len(noise), size) for event in stream.feed(noise[start : start + size])]
        return [event.level_db for event in events + stream.finish() if isinstance(event, EmotionEvent)]

    assert levels(block) == levels(len(noise)) == [pytest.approx(-20.0, abs=0.5)] * 5
