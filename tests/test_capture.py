"""What the audio callback keeps, stamps and counts: blocks, clocks and PortAudio's stamps are made up, so hours pass in no time."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from streamser.audio import capture as capture_module
from streamser.audio.capture import Capture, Captured

RATE = 1000
BLOCK = 0.1  # seconds
AWAKE = 500.0  # what `time.monotonic()` lags behind `clock.elapsed()`: the machine once slept
SET = 7000.0  # PortAudio's clock minus `clock.elapsed()`


class SoundCard:
    """Hands blocks to a capture at times of its choice; seconds since the first sample was captured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit: float = 10.0) -> None:
        self.capture = Capture(RATE, limit)
        self.now = 0.0
        self.asleep = AWAKE
        self.set = SET
        self.blocks: list[Captured] = []
        monkeypatch.setattr(capture_module, "elapsed", lambda: 1000.0 + self.now)
        monkeypatch.setattr(capture_module, "time", SimpleNamespace(monotonic=lambda: 1000.0 + self.now - self.asleep))

    def hear(self, end: float, arrival: float | None = None, stamp: float | None = None, overflow: bool = False) -> None:
        """The block whose last sample was captured at `end`, delivered then or later."""
        self.now = end if arrival is None else arrival
        times = SimpleNamespace(
            currentTime=self.now + self.set, inputBufferAdcTime=(end if stamp is None else stamp) - BLOCK + self.set
        )
        self.capture.callback(np.full((100, 1), end, np.float32), 100, times, SimpleNamespace(input_overflow=overflow))

    def read(self) -> list[Captured]:
        while block := self.capture.get(0):
            self.blocks.append(block)
        return self.blocks

    def steady(self, start: float, end: float) -> None:
        for index in range(round((end - start) / BLOCK)):
            self.hear(start + (index + 1) * BLOCK, start + (index + 1) * BLOCK + 0.01)

    def losses(self) -> list[tuple[float, float]]:
        """(end of the block, seconds lost before it)."""
        return [(round(float(b.samples[0, 0]), 3), pytest.approx(b.lost, abs=0.02)) for b in self.read() if b.lost]  # type: ignore[misc]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    return SoundCard(monkeypatch)


def test_an_overflow_counts_the_seconds_that_the_clocks_miss(card: SoundCard) -> None:
    card.steady(0, 3)
    card.hear(3.4, overflow=True)
    card.steady(3.4, 5)
    assert card.losses() == [(3.4, 0.3)]


def test_an_overflow_of_unknown_length_is_still_told(card: SoundCard) -> None:
    card.steady(0, 3)
    card.hear(3.1, overflow=True)
    assert [block.lost for block in card.read() if block.lost] == [capture_module.LEAST]


def test_missing_audio_is_lost_though_nothing_reported_it(card: SoundCard) -> None:
    card.steady(0, 3)
    card.hear(3.3)  # as stamps jump
    card.steady(3.1, 4)
    card.steady(5, 6)
    assert card.losses() == [(5.1, 1.0)]


@pytest.mark.parametrize("stopped", [3.0, 8.0, 9.5])
@pytest.mark.parametrize("since", [1.0, 5.0])
def test_audio_that_was_kept_while_the_process_stood_still_is_not_lost(card: SoundCard, since: float, stopped: float) -> None:
    card.steady(0, since)
    card.read()
    resumed = since + stopped
    for index in range(round(stopped / BLOCK)):
        card.hear(since + (index + 1) * BLOCK, resumed + index * 0.001)
    card.read()
    card.steady(resumed, resumed + 5)
    assert card.losses() == []
    assert card.capture.lost_since() == 0
    for block in card.blocks:  # and all of it is as old as it is
        assert block.captured_at == pytest.approx(1000.0 + float(block.samples[0, 0]) - AWAKE, abs=0.02)


def test_audio_that_was_not_kept_is_lost_also_at_the_very_start(card: SoundCard) -> None:
    card.steady(0, 1)
    card.steady(4, 7)
    assert card.losses() == [(5.1, 3.0)]  # 2 s of audio until stamps are trusted


def test_an_overflow_at_the_very_start_is_counted(card: SoundCard) -> None:
    card.steady(0, 1)
    card.hear(1.4, overflow=True)
    card.steady(1.4, 5)
    assert [seconds for _, seconds in card.losses()] == [0.3]


def test_wrong_stamps_at_the_start_lose_nothing_and_do_not_move_the_start(card: SoundCard) -> None:
    for index in range(20):
        end = (index + 1) * BLOCK
        card.hear(end, end + 0.01, stamp=end - 0.3 + 0.2 * (index > 10))  # as PulseAudio's
    card.steady(2, 6)
    assert card.losses() == []
    assert card.blocks[0].until - BLOCK == pytest.approx(1000.01)


def test_a_sound_cards_own_clock_is_followed_for_hours_without_a_gap(card: SoundCard) -> None:
    rng = np.random.default_rng(0)
    for drift in (-3e-4, 3e-4):
        card.capture = Capture(RATE)
        for index in range(72_000):  # 2 hours
            end = (index + 1) * BLOCK * (1 + drift)
            card.hear(end, end + 0.1, stamp=end + rng.uniform(-0.1, 0.1))
            block = card.capture.get(0)
            assert block is not None
            assert block.lost == 0
        assert block.captured_at == pytest.approx(1000.0 + end - AWAKE, abs=0.2)


def test_losses_too_small_to_see_add_up(card: SoundCard) -> None:
    at, lost, told = 0.0, 0.0, 0.0
    for index in range(36_000):  # an hour, of which 0.2 % go missing, a block at a time
        skipped = BLOCK if index % 500 == 499 else 0.0
        lost += skipped
        at += BLOCK + skipped
        card.hear(at)
        block = card.capture.get(0)
        assert block is not None
        told += block.lost
    assert lost > 7
    assert told == pytest.approx(0.75 * lost, abs=1.0)  # a part of it could be the card's own clock


def test_setting_the_systems_clock_changes_nothing(card: SoundCard) -> None:
    card.steady(0, 3)
    card.set += 3600
    card.steady(3, 6)
    card.hear(6.1, stamp=6.1 - 3600)  # set between the two readings
    card.hear(6.2, stamp=6.2 + 3600)
    card.steady(6.2, 8)
    assert card.losses() == []
    ends = [block.captured_at for block in card.blocks]
    assert all(0.05 < late - early < 0.15 for early, late in pairwise(ends))


def test_a_sleep_of_the_machine_is_lost_audio(card: SoundCard) -> None:
    card.steady(0, 3)
    card.asleep += 3600
    card.steady(3603, 3606)
    assert card.losses() == [(3603.1, 3600.0)]
    assert card.blocks[-1].captured_at == pytest.approx(1006.0 - AWAKE, abs=0.02)


def test_without_stamps_the_time_of_arrival_counts(card: SoundCard) -> None:
    for index in range(50):
        end = (index + 1) * BLOCK
        card.hear(end + (end > 4), stamp=-card.set)  # nothing but zeros
    assert card.losses() == [(5.1, 1.0)]
    assert card.blocks[-1].captured_at == pytest.approx(1006.0 - AWAKE)


def test_a_full_queue_is_dropped_whole_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SoundCard(monkeypatch, limit=3.0)
    card.steady(0, 2.5)
    first = card.capture.get(0)
    assert first is not None
    card.steady(2.5, 9)
    card.read()
    assert card.blocks == []  # all that waited was old
    assert card.capture.lost_since() == pytest.approx(8.9)
    card.steady(9, 10)
    assert card.losses() == [(9.1, 8.9)]
    assert len(card.blocks) == 10
    assert card.capture.lost_since() == 0
