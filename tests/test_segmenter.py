"""Utterances from made-up speech probabilities: onset, pause, cut, jump, bounded memory."""

from __future__ import annotations

import numpy as np

from streamser.features.voice_activity import FRAME, VoiceFrames
from streamser.segmenter import MAX_UTTERANCE, PAUSE, Segmenter, near_speech


def frames(*parts: tuple[float, int], level: float = -20.0) -> VoiceFrames:
    probability = np.concatenate([np.full(count, value, np.float32) for value, count in parts])
    return VoiceFrames(probability, np.full(len(probability), level, np.float32))


def segmenter() -> Segmenter:
    return Segmenter(history=64_000, grid=8000)


def test_an_utterance_begins_at_its_first_frame_and_ends_at_its_last() -> None:
    heard = segmenter()
    heard.feed(frames((0.0, 40), (0.9, 30), (0.0, 40)))
    (utterance,) = heard.take_closed()
    assert (utterance.start, utterance.end) == (40 * FRAME, 70 * FRAME)
    assert utterance.anchor % 8000 == 0
    assert 0 <= utterance.start - utterance.anchor <= 8000 + 1600
    assert heard.utterance is None


def test_a_click_opens_nothing() -> None:
    heard = segmenter()
    heard.feed(frames((0.0, 10), (0.9, 1), (0.0, 40)))
    assert heard.utterance is None
    assert heard.take_closed() == []


def test_a_short_pause_does_not_end_an_utterance() -> None:
    heard = segmenter()
    heard.feed(frames((0.9, 30), (0.0, PAUSE // FRAME - 1), (0.9, 30), (0.0, 40)))
    (utterance,) = heard.take_closed()
    assert utterance.start == 0
    assert utterance.end == (60 + PAUSE // FRAME - 1) * FRAME


def test_endless_speech_is_cut_at_its_quietest_moment_and_goes_on_there() -> None:
    heard = segmenter()
    count = MAX_UTTERANCE // FRAME + 20
    level = np.full(count, -20.0, np.float32)
    quiet = MAX_UTTERANCE // FRAME - 60
    level[quiet - 4 : quiet + 5] = -60.0
    heard.feed(VoiceFrames(np.full(count, 0.9, np.float32), level))
    (first,) = heard.take_closed()
    assert first.cut
    assert abs(first.end - quiet * FRAME) <= 4 * FRAME
    assert heard.utterance is not None
    assert heard.utterance.start == first.end
    assert heard.utterance.run == first.run
    assert first.end - 320 < heard.utterance.anchor <= first.end


def test_after_a_jump_times_go_on_from_the_new_origin() -> None:
    heard = segmenter()
    heard.feed(frames((0.9, 10)))
    heard.close(10 * FRAME)
    (before,) = heard.take_closed()
    assert before.end == 10 * FRAME
    heard.jump(160_000)
    heard.feed(frames((0.0, 5), (0.9, 10), (0.0, 40)))
    (after,) = heard.take_closed()
    assert (after.start, after.end) == (160_000 + 5 * FRAME, 160_000 + 15 * FRAME)
    assert after.anchor >= 160_000


def test_what_is_kept_is_bounded() -> None:
    heard = segmenter()
    for _ in range(200):
        heard.feed(frames((0.9, 40), (0.0, 60)))
        heard.take_closed()
    assert len(heard._probabilities) == len(heard._levels) < 400


def test_speech_mask_takes_in_a_margin_on_both_sides() -> None:
    heard = segmenter()
    heard.feed(frames((0.0, 10), (0.9, 10), (0.0, 10)))
    times = np.array([10 * FRAME - 1601, 10 * FRAME - 1600, 15 * FRAME, 20 * FRAME + 1599, 20 * FRAME + 1600])
    assert near_speech(times, heard.speech_starts(), 1600).tolist() == [False, True, True, True, False]
