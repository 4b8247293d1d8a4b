"""Runs on bound buffers: the logic that CUDA needs, on the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from streamser.binding import MOST_SHAPES, BoundSession
from streamser.features.pitch import USUAL, PitchTracker
from streamser.features.spectral import SpectralEncoder
from streamser.packs.resolve import find_pack
from streamser.sessions import open_session


def spectral_feeds(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "mel": rng.standard_normal((1, 1, 16, 64)).astype(np.float32),
        "past": rng.standard_normal((6, 2, 3, 25, 4, 64)).astype(np.float32),
        "distance": np.arange(25),
    }


def test_bound_runs_are_plain_runs_to_the_bit_and_what_they_gave_stays() -> None:
    session = open_session(find_pack("default").file("spectral"), shapes="fixed")
    bound = BoundSession(session)
    feeds = [spectral_feeds(seed) for seed in range(4)]
    found = [bound.run(["written", "column"], own) for own in feeds]
    for own, (written, column) in zip(feeds, found, strict=True):
        expected = session.run(["written", "column"], own)
        np.testing.assert_array_equal(written, expected[0])
        np.testing.assert_array_equal(column, expected[1])


def test_threads_do_not_write_over_each_other() -> None:
    session = open_session(find_pack("default").file("spectral"), shapes="fixed")
    bound = BoundSession(session)
    feeds = [spectral_feeds(seed) for seed in range(4)]
    expected = [session.run(None, own) for own in feeds]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for one, other in zip(pool.map(lambda own: bound.run(None, own), feeds), expected, strict=True):
                np.testing.assert_array_equal(one[0], other[0])


def test_other_shapes_have_other_buffers_up_to_a_bound() -> None:
    session = open_session(find_pack("default").file("pitch"))
    bound = BoundSession(session)
    rng = np.random.default_rng(0)
    for _ in range(2):
        for frames in range(1, MOST_SHAPES + 3):
            feeds = {
                "mel": rng.standard_normal((1, frames, 128)).astype(np.float32),
                "state": rng.standard_normal((1, 6336)).astype(np.float32),
            }
            for one, other in zip(bound.run(None, feeds), session.run(None, feeds), strict=True):
                np.testing.assert_array_equal(one, other)
    assert len(bound._buffers) == MOST_SHAPES


def test_streams_on_bound_sessions_give_the_same_features() -> None:
    pack = find_pack("default")
    sound = np.random.default_rng(1).standard_normal(32_000).astype(np.float32) * 0.1

    def features(session_of: Any) -> tuple[np.ndarray, np.ndarray]:
        spectral = SpectralEncoder(session_of(open_session(pack.file("spectral"), shapes="fixed"))).stream()
        tracker = PitchTracker.load(pack.file("pitch"))
        tracker._session = session_of(tracker._session)
        pitch = tracker.stream()
        blocks = np.split(sound, 4)
        return np.concatenate([spectral.feed(own) for own in blocks]), np.concatenate([pitch.feed(own).salience for own in blocks])

    for one, other in zip(features(lambda session: session), features(BoundSession), strict=True):
        assert len(one) > 10
        np.testing.assert_array_equal(one, other)


def test_usual_shapes_are_recorded_when_the_session_is_opened_and_others_never() -> None:
    """onnxruntime records and replays by `gpu_graph_id`: -1 never, and every set of addresses needs a number of its own."""
    session = open_session(find_pack("default").file("pitch"))
    bound = BoundSession(session, recorded=USUAL)
    (usual,) = bound._buffers.values()
    assert usual.inputs["mel"].shape() == [1, 50, 128]
    for frames in (20, 50):
        feeds = {"mel": np.ones((1, frames, 128), np.float32), "state": np.zeros((1, 6336), np.float32)}
        for _ in range(2):
            for one, other in zip(bound.run(None, feeds), session.run(None, feeds), strict=True):
                np.testing.assert_array_equal(one, other)
    numbers = [own.options.get_run_config_entry("gpu_graph_id") for own in bound._buffers.values()]
    assert numbers == ["1", "-1"]


def test_the_usual_shapes_of_a_step_are_those_that_are_recorded() -> None:
    """A stream's steps of 0.5 s, once it runs, make runs of USUAL frames."""
    tracker = PitchTracker.load(find_pack("default").file("pitch"))
    seen: list[int] = []
    advance = tracker.advance
    tracker.advance = lambda mel, state: seen.append(len(mel)) or advance(mel, state)  # type: ignore[method-assign,func-returns-value]
    stream = tracker.stream()
    for _ in range(4):
        stream.feed(np.zeros(8_000, np.float32))
    assert set(seen[1:]) == {USUAL["frames"]}
