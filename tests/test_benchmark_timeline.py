"""The time line's measures on made-up lines, against values by hand; and what must hold of the committed streams."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.timeline.command import verdicts
from benchmarks.timeline.lines import SYSTEMS, all_lines
from benchmarks.timeline.plans import Place, Plan, check_files, read_plans, write_plans
from benchmarks.timeline.posteriors import Posteriors
from benchmarks.timeline.scores import Line, count, eder, eder_speech, flips, shown_at, summary
from benchmarks.timeline.truth import truth_of
from streamser.clock import SAMPLE_RATE

LABELS = ("neutral", "anger", "sadness")
LISTS = Path(__file__).parent.parent / "benchmarks" / "timeline"


def seconds(*times: float) -> np.ndarray:
    return np.round(np.array(times) * SAMPLE_RATE).astype(np.int64)


def plan(*clips: tuple[float, float, str], length: float) -> Plan:
    """Clips from, to, of a label, each a segment."""
    places = []
    for segment, (start, end, label) in enumerate(clips):
        first, last = (int(second * SAMPLE_RATE) for second in (start, end))
        places.append(Place("x.ogg", 0, last - first, first, label, "a", segment))
    return Plan("x", "x", "test", "clean", 0, int(length * SAMPLE_RATE), -60.0, {"a": 0.0}, tuple(places))


def line(*parts: tuple[float, float, str]) -> Line:
    """Labels from, to, known at their ends."""
    starts, ends = seconds(*(part[0] for part in parts)), seconds(*(part[1] for part in parts))
    return Line(starts, ends, tuple(part[2] for part in parts), ends)


CHANGES = truth_of(plan((1.0, 3.0, "anger"), (3.2, 5.0, "anger"), (5.2, 9.0, "sadness"), length=10.0))


def test_eder_is_speechbrains() -> None:
    """The example in the docstring of SpeechBrain's EDER: 0.2705."""
    truth = truth_of(plan((0.39, 1.10, "anger"), length=1.22))
    said = line((0.0, 0.6, "neutral"), (0.6, 1.22, "anger"))
    assert eder(said, truth) == pytest.approx(0.2704918, abs=1e-4)


def test_eder_takes_what_is_no_emotional_speech_for_neutral() -> None:
    nothing = Line(seconds(), seconds(), (), seconds())
    assert eder(nothing, CHANGES) == pytest.approx(
        1 - (1.0 + 0.2 + 1.0) / 10
    )  # the gap at the change is neutral, that at the join is not
    right = line((1.0, 5.0, "anger"), (5.2, 9.0, "sadness"))
    assert eder(right, CHANGES) == pytest.approx(0)
    assert eder_speech(right, CHANGES) == pytest.approx(0)
    assert eder_speech(nothing, CHANGES) == 1
    assert eder(line((1.0, 9.0, "uncertain")), CHANGES) == pytest.approx(1 - 2.0 / 10)


def test_a_silence_within_one_emotion_is_neutral() -> None:
    truth = truth_of(plan((0.0, 2.0, "anger"), (4.0, 6.0, "anger"), length=6.0))
    assert truth.changes == 0
    assert eder(line((0.0, 6.0, "anger")), truth) == pytest.approx(2 / 6)


def test_flips_count_uncertain_and_not_silence() -> None:
    assert flips(line((0, 1, "anger"), (1, 2, "anger"), (5, 6, "anger"))) == 0
    assert flips(line((0, 1, "anger"), (1, 2, "uncertain"), (2, 3, "anger"))) == 2


def test_delays_and_misses() -> None:
    said = line((1.0, 1.5, "sadness"), (1.5, 2.0, "anger"), (2.0, 6.0, "anger"), (6.0, 6.5, "sadness"), (6.5, 9.0, "anger"))
    counts = count(said, CHANGES, LABELS)
    assert counts.delays == (pytest.approx(6.5 - 5.2),)
    assert counts.detected == 1
    assert counts.first == pytest.approx(1.0)  # seconds of speech up to 2.0
    missed = count(line((1.0, 9.0, "neutral")), CHANGES, LABELS)
    assert missed.delays == (pytest.approx(9.0 - 5.2),)
    assert missed.detected == 0
    assert missed.first == pytest.approx(2.0 + 1.8)


def test_a_label_from_before_the_change_does_not_count_before_its_step_ends() -> None:
    said = line((4.0, 5.0, "sadness"), (5.0, 5.5, "sadness"))
    assert shown_at(said, *seconds(5.2, 9.0).tolist(), "sadness") == seconds(5.5)[0]


def test_frames_are_of_clips_alone_and_uncertain_is_wrong() -> None:
    counts = count(line((0.0, 5.1, "anger"), (5.1, 7.0, "sadness"), (7.0, 10.0, "uncertain")), CHANGES, LABELS)
    assert len(counts.truth) == 20 + 18 + 38
    assert (counts.decided == 1).sum() == 38
    assert (counts.decided == 2).sum() == 18
    assert (counts.decided == -1).sum() == 20
    scores = summary([("x", counts)])
    assert scores["macro_f1"] == pytest.approx((1 + 2 * 18 / (38 + 18)) / 2)


def posteriors(rows: list[tuple[bool, float, float]]) -> Posteriors:
    """Steps of half a second: speech, and the probability of anger heard in the window and in its last part; no sadness."""
    ends = np.arange(1, len(rows) + 1) * SAMPLE_RATE // 2
    speech = np.array([row[0] for row in rows])
    both = [np.log([(1 - row[column] - 0.01, row[column], 0.01) for row in rows]) for column in (1, 2)]
    spoken = np.flatnonzero(speech)
    return Posteriors(
        start=ends - SAMPLE_RATE // 2,
        end=ends,
        speech=speech,
        utterance=np.where(speech, 0, -1),
        heard=np.where(speech, 1.0, 0.0),
        confidence=np.where(speech, [max(row[1], 0.99 - row[1]) for row in rows], 0.0),
        log_posterior=both[0],
        recent=both[1],
        utterances=np.array([[ends[spoken[0]] - SAMPLE_RATE // 2, ends[spoken[-1]]]]),
        labels=np.array(LABELS),
        uncertain_below=np.array(0.6),
        utterance_below=np.array(0.5),
    )


def test_systems_of_the_same_posteriors() -> None:
    calm, angry, odd = (True, 0.04, 0.04), (True, 0.95, 0.7), (True, 0.5, 0.5)
    lines = all_lines(posteriors([calm] * 8 + [odd] + [calm] * 3 + [angry] * 8 + [(False, 0.5, 0.5)] * 2), SAMPLE_RATE)
    assert tuple(lines) == SYSTEMS
    live, dated, argmax, emitted, utterances = lines.values()
    assert argmax.label == ("neutral",) * 8 + ("anger",) + ("neutral",) * 3 + ("anger",) * 8
    assert emitted.label[8] == "uncertain"
    assert flips(live) == 1
    assert live.label.index("anger") > dated.label.index("anger") >= 12
    assert dated.known[dated.label.index("anger")] == live.known[live.label.index("anger")]
    assert len(utterances.label) == 1
    assert utterances.known[0] == utterances.end[0] + int(0.6 * SAMPLE_RATE)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_committed_streams_are_as_described(split: str) -> None:
    plans = committed(split)
    changes = joins = 0
    for each in plans:
        assert each.split == split
        assert len(each.gains_db) == (2 if each.variant == "two speakers" else 1)
        assert bool(each.noises) == (each.variant == "noisy")
        segments = each.segments()
        for before, after in pairwise(each.places):
            gap = (after.at - before.end) / SAMPLE_RATE
            assert 0 <= gap <= (6 if each.variant == "silences" else 0.31)
        for segment in segments:
            assert len({(place.label, place.speaker) for place in segment}) == 1
            assert 2.9 < (segment[-1].end - segment[0].at) / SAMPLE_RATE <= 12
        same = [one[0].label == other[0].label for one, other in pairwise(segments)]
        changes, joins = changes + same.count(False), joins + same.count(True)
    assert abs(changes - joins) <= 0.1 * (changes + joins)
    assert {each.corpus for each in plans} == {"ravdess", "nemo", "banglaser", "indian_emospeech"}


def test_no_speaker_of_the_test_streams_is_chosen_on() -> None:
    speakers = [
        {(each.corpus, place.speaker) for each in committed(split) for place in each.places} for split in ("test", "validation")
    ]
    assert not speakers[0] & speakers[1]


def committed(split: str) -> list[Plan]:
    return read_plans(LISTS / f"{split}.json")


def test_plans_survive_their_file(tmp_path: Path) -> None:
    made = [plan((0.0, 2.0, "anger"), length=3.0), plan((0.0, 2.5, "sadness"), (3.0, 4.0, "anger"), length=5.0)]
    write_plans(tmp_path / "plans.json", made)
    assert read_plans(tmp_path / "plans.json") == made


def test_missing_clips_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"1 files.*x\.ogg.*STREAMSER_DATA"):
        check_files([plan((0.0, 2.0, "anger"), length=3.0)])


def test_bars() -> None:
    def scores(flips: float, f1: float, delay: float, first: float) -> dict[str, float]:
        return {"flips_per_minute": flips, "flips_per_change": flips / 4, "macro_f1": f1, "delay": delay, "first_correct": first}

    by_system = dict.fromkeys(SYSTEMS, scores(20, 0.60, 2.0, 0.5))
    by_system["time line"] = scores(8, 0.55, 1.6, 1.0)
    by_system["time line, dated"] = scores(8, 0.596, 1.6, 1.0)
    assert [verdict.reached for verdict in verdicts(by_system)] == [False, True, True, False, True]
