"""Runs of several threads joined in one: the waiting, and that the answers are what single runs give."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loading import batches, mean_batches
from streamser import Recognizer
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.batching import BatchedSession, batch_axis, joined
from streamser.events import EmotionEvent
from streamser.gathering import Gatherer
from streamser.packs.resolve import find_pack
from streamser.sessions import open_session

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
PATIENCE = 20.0  # seconds after which a test fails rather than hang
TOLERANCE = 1e-5  # of log probabilities and the like, by their largest: rows beside others are summed in another order


class Slow:
    """A call that ends when the test lets it."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def __call__(self, asked: list[int]) -> list[int]:
        self.calls.append(asked)
        self.entered.release()
        assert self.go_on.acquire(timeout=PATIENCE)
        if -1 in asked:
            raise ValueError("minus one")
        return [10 * number for number in asked]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def parity(number: int) -> int:
    return number % 2


def test_what_comes_while_a_call_runs_goes_in_one_call_by_kind_and_the_oldest_first() -> None:
    slow = Slow()
    gatherer = Gatherer(slow, parity, most=3, wait=None)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(gatherer.ask, 1)]
        assert slow.entered.acquire(timeout=PATIENCE)
        for count, number in enumerate((2, 3, 4, 6, 8), start=1):
            answers.append(pool.submit(gatherer.ask, number))
            until(lambda expected=count: gatherer.held_back == expected)  # type: ignore[misc]
        for _ in range(4):
            slow.go_on.release()
        assert [answer.result(PATIENCE) for answer in answers] == [10, 20, 30, 40, 60, 80]
    assert slow.calls == [[1], [2, 4, 6], [3], [8]]  # at most three, evens and odds apart
    assert (gatherer.calls, gatherer.requests, gatherer.held_back) == (4, 6, 0)


def test_a_lone_request_is_never_held_back() -> None:
    gatherer = Gatherer(lambda asked: asked, parity, most=8, wait=None)
    assert [gatherer.ask(number) for number in range(5)] == list(range(5))
    assert gatherer.calls == 5


def test_after_the_wait_bound_a_request_runs_beside_the_call_under_way() -> None:
    slow = Slow()
    gatherer = Gatherer(slow, parity, most=8, wait=0.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gatherer.ask, 1)
        assert slow.entered.acquire(timeout=PATIENCE)
        second = pool.submit(gatherer.ask, 3)
        assert slow.entered.acquire(timeout=PATIENCE)  # though the first has not ended
        assert not first.done()
        slow.go_on.release(2)
        assert (first.result(PATIENCE), second.result(PATIENCE)) == (10, 30)
    assert slow.calls == [[1], [3]]


def test_an_error_reaches_all_who_were_in_the_call_and_nobody_else() -> None:
    slow = Slow()
    gatherer = Gatherer(slow, parity, most=8, wait=None)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(gatherer.ask, 2)
        assert slow.entered.acquire(timeout=PATIENCE)
        together = [pool.submit(gatherer.ask, number) for number in (-1, 5)]
        until(lambda: gatherer.held_back == 2)
        slow.go_on.release(2)
        assert first.result(PATIENCE) == 20
        for future in together:
            with pytest.raises(ValueError, match="minus one"):
                future.result(PATIENCE)
        slow.go_on.release()
        assert gatherer.ask(7) == 70  # it goes on


def test_arrays_are_joined_and_filled_up() -> None:
    one, other = np.ones((1, 2, 3), np.float32), np.full((2, 4, 3), 2, np.float32)
    whole = joined([one, other])
    assert whole.shape == (3, 4, 3)
    assert whole[0].tolist() == [[1] * 3, [1] * 3, [0] * 3, [0] * 3]
    assert joined([other, other]).shape == (4, 4, 3)
    assert joined([np.array([True]), np.array([False])]).tolist() == [True, False]


def fusion_feeds(seed: int, nodes: tuple[int, int, int, int]) -> dict[str, np.ndarray]:
    """One step as a stream would ask for it, its text missing where there is one node of it."""
    rng = np.random.default_rng(seed)
    whisper, pitch, spectral, text = nodes
    feeds: dict[str, np.ndarray] = {
        "whisper": rng.standard_normal((1, whisper, 3, 512)).astype(np.float32),
        "pitch": rng.integers(0, 257, (1, pitch)),
        "spectral": rng.standard_normal((1, spectral, 192)).astype(np.float32),
        "text": rng.standard_normal((1, text, 384)).astype(np.float32),
        "heard": np.array([[0.08 * whisper]], np.float32),
        "history_mean": rng.standard_normal((1, 3072)).astype(np.float32),
        "history_square": rng.uniform(1, 2, (1, 3072)).astype(np.float32),
        "history_seconds": np.array([[float(seed)]], np.float32),
    }
    for name, count in zip(("whisper", "pitch", "spectral", "text"), nodes, strict=True):
        feeds[f"{name}_age"] = rng.uniform(0, 4, (1, count)).astype(np.float32)
        feeds[f"{name}_mask"] = np.full((1, count), name != "text" or text > 1)
    return feeds


def test_the_fusion_of_many_threads_is_the_fusion_of_each() -> None:
    """Windows of several lengths, their nodes filled up and masked."""
    session = open_session(find_pack("default").file("fusion"))
    sizes = [(50, 200, 25, 1), (6, 25, 3, 1), (50, 200, 25, 30), (31, 125, 15, 12)]
    feeds = [fusion_feeds(seed, sizes[seed % len(sizes)]) for seed in range(12)]
    alone = [session.run(None, own) for own in feeds]
    batched = BatchedSession(session, masked=True, wait=None)
    together = threading.Barrier(len(feeds))

    def ask(own: dict[str, np.ndarray]) -> list[np.ndarray]:
        together.wait(PATIENCE)
        return batched.run(None, own)

    with ThreadPoolExecutor(len(feeds)) as pool:
        found = list(pool.map(ask, feeds))
    assert batched.gatherer.requests == len(feeds) > batched.gatherer.calls  # some were joined
    for one, other in zip(alone, found, strict=True):
        for values, shared in zip(one, other, strict=True):
            assert values.shape == shared.shape
            np.testing.assert_allclose(shared, values, atol=TOLERANCE * max(1.0, float(np.abs(values).max())))


def test_names_are_answered_in_their_order_and_shapes_that_fit_nobody_run_alone() -> None:
    session = open_session(find_pack("default").file("fusion"))
    batched = BatchedSession(session, masked=False, wait=None)
    one, other = fusion_feeds(1, (10, 20, 5, 1)), fusion_feeds(2, (11, 20, 5, 1))
    assert batched._kind((("known",), one)) != batched._kind((("known",), other))
    assert batched._kind((("known",), one)) == batched._kind((("known",), fusion_feeds(3, (10, 20, 5, 1))))
    assert batched._kind((("known",), one)) != batched._kind((("arousal",), one))
    known, arousal = batched.run(["known", "arousal"], one)
    assert (known.shape, arousal.shape) == ((1,), (len(find_pack("default").members), 1))


def test_a_graph_without_a_batch_axis_is_known() -> None:
    pack = find_pack("default")
    axes = {name: batch_axis(open_session(pack.file(name))) for name in ("pitch", "spectral", "fusion")}
    assert axes == {"pitch": None, "spectral": None, "fusion": "batch"}
    with pytest.raises(ValueError, match="batch axis"):
        BatchedSession(open_session(pack.file("pitch")))


def test_streams_that_share_runs_give_the_events_of_streams_alone() -> None:
    """Labels and times to the letter, probabilities to the last digit that is written but one."""
    recognizer = Recognizer.load("default", accelerator="cpu")
    with closing(open_file(EXAMPLE)) as source:
        samples = np.concatenate([piece.samples[:, 0] for piece in source if isinstance(piece, Block)])

    def events(place: int) -> list[EmotionEvent]:
        stream = recognizer.stream(f"stream {place}", transcript=False)
        found = stream.feed(samples[: len(samples) - 80_000 * (place + 1)]) + stream.finish()
        return [event for event in found if isinstance(event, EmotionEvent)]

    alone = [events(place) for place in range(2)]
    session = recognizer.ensemble.session
    recognizer.ensemble.session = BatchedSession(session, masked=True, wait=None)  # type: ignore[arg-type]
    before = batches(recognizer)
    with ThreadPoolExecutor(2) as pool:
        shared = list(pool.map(events, range(2)))
    assert before == {"fusion": (0, 0)}
    assert mean_batches(before, batches(recognizer))["fusion"] >= 1
    for own, other in zip(alone, shared, strict=True):
        assert [(event.start, event.label, event.stable_label) for event in own] == [
            (event.start, event.label, event.stable_label) for event in other
        ]
        for one, two in zip(own, other, strict=True):
            assert one.probabilities == (two.probabilities and pytest.approx(two.probabilities, abs=2e-4))


def test_the_fusion_graph_of_a_pack_hears_nothing_of_masked_places() -> None:
    """What `masked` promises: whatever stands where a mask is False, the answer is the same."""
    session = open_session(Path(find_pack("default").file("fusion")))
    feeds = fusion_feeds(4, (20, 40, 8, 9))
    for name in ("whisper", "pitch", "spectral", "text"):
        feeds[f"{name}_mask"][:, -3:] = False
    usual = session.run(None, feeds)
    for name in ("whisper", "pitch", "spectral", "text"):
        feeds[name][:, -3:] = 0
        feeds[f"{name}_age"][:, -3:] = 0
    for one, other in zip(usual, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
