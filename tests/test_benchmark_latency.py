"""What the benchmarks of latency, throughput and growth count, on made-up calls and events; no time is asserted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from benchmarks import growth, loading, speech, stages
from benchmarks.bars import Bar
from benchmarks.latency import algorithmic, stage_table
from benchmarks.pacing import BLOCK, Heard, Live, WatchedPool
from benchmarks.shown_words import WordDelay, word_delays
from benchmarks.stages import Call, Clock, spread, steps, watched
from benchmarks.startup import medians
from benchmarks.throughput import WARM_UP, keep_to, most_streams, summary
from streamser import Recognizer
from streamser.clock import SAMPLE_RATE
from streamser.events import DegradedEvent, Event
from tests.conftest import QuietStream
from tests.live_material import degraded, step, utterance


def test_a_call_holds_each_stages_own_time() -> None:
    clock = Clock()
    inner = clock.around("inner", lambda: time.sleep(0.002))

    def run() -> None:
        inner()
        inner()

    clock.around("outer", run)()
    (call,) = clock.calls
    assert call.name == "outer"
    assert set(call.stages) == {"outer", "inner"}
    assert sum(call.stages.values()) == pytest.approx(call.seconds)
    assert 0 < call.stages["outer"] < call.seconds


def test_threads_count_apart_and_a_failure_counts_too() -> None:
    clock = Clock()

    def fail() -> None:
        raise ValueError("on purpose")

    failing = clock.around("failing", fail)
    with pytest.raises(ValueError, match="on purpose"):
        failing()
    inside = threading.Event()

    def outer() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(clock.around("beside", inside.set)).result()

    clock.around("outer", outer)()
    assert inside.is_set()
    assert [(call.name, set(call.stages)) for call in clock.calls] == [
        ("failing", {"failing"}),
        ("beside", {"beside"}),
        ("outer", {"outer"}),
    ]


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def calls(recognizer: Recognizer) -> list[Call]:
    """Those of a stream of 12 s of speech, fed in blocks of 0.1 s."""
    before = [vars(owner)[method] for owner, method, _ in stages.METHODS]
    samples = np.concatenate([speech.continuous_speech(10.0), speech.room(2.0)])
    with watched(Clock()) as clock:
        stream = recognizer.stream(language="en")
        for start in range(0, len(samples), 1600):
            stream.feed(samples[start : start + 1600])
        stream.finish()
    assert [vars(owner)[method] for owner, method, _ in stages.METHODS] == before
    return clock.calls


def test_every_stage_shows_in_a_real_stream(calls: list[Call]) -> None:
    spoken, quiet = steps(calls, speech=True), steps(calls, speech=False)
    assert len(spoken) + len(quiet) == 24
    assert len(quiet) >= 2
    found = {name for call in calls for name in call.stages}
    assert found == {name for _, _, name in stages.METHODS} - {stages.RESAMPLE}
    assert not any(stages.DECODE in call.stages for call in spoken)  # it runs beside them
    tables = stage_table(calls)
    assert tables["step"][stages.ENCODE]["count"] == tables["step"]["the rest"]["count"] == len(spoken)
    assert tables["beside"][stages.DECODE]["count"] > 5
    assert stages.STEP not in tables["step"]


def test_algorithmic_latency_comes_from_the_settings(recognizer: Recognizer) -> None:
    found = algorithmic(recognizer, {"step": 0.2, "window": 2.0, "transcript": False})
    assert (found["step_mean"], found["step_worst"], found["window"]) == (100.0, 200.0, 2000.0)
    assert 0 < found["resampler_mean"] <= found["resampler_worst"]


def test_percentiles_are_values_that_occurred() -> None:
    assert spread(range(100, 0, -1)) == {"count": 100, "median": 50, "p95": 95, "p99": 99, "worst": 100}
    assert spread([7.0])["p95"] == 7.0
    assert spread([]) == {"count": 0}


def test_bars_say_whether_they_are_met() -> None:
    under, least = Bar(150, "ms"), Bar(5, "times", least=True)
    assert (under.met(149.0), under.met(150.0), under.met(None)) == (True, False, False)
    assert (least.met(5.0), least.met(4.9)) == (True, False)
    assert under.beside(200.0) == "(bar: under 150 ms: NOT MET)"


def test_the_same_seed_says_the_same() -> None:
    once, again, other = (speech.continuous_speech(4.0, seed) for seed in (1, 1, 2))
    assert len(once) == 4 * SAMPLE_RATE
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert once.std() > 3 * speech.room(4.0).std()


def test_without_corpora_the_tests_own_samples_speak(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    assert "pytest-audioeval" in speech.described()
    assert speech.continuous_speech(2.0).std() > 0.01


def test_speech_goes_on_from_its_beginning() -> None:
    assert speech.repeated(np.arange(5), 3, 7).tolist() == [3, 4, 0, 1, 2, 3, 4]


class Stamps(QuietStream):
    """Keeps what each block is stamped with."""

    def __init__(self) -> None:
        super().__init__("a microphone", 0)
        self.stamps: list[float | None] = []

    def feed(self, samples: np.ndarray, captured_at: float | None = None) -> list[Event]:
        self.stamps.append(captured_at)
        return super().feed(samples, captured_at)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_blocks_are_stamped_with_when_they_would_have_been_captured(rate: int) -> None:
    begin = time.monotonic() - 10.0  # all of it is overdue: nothing waits
    stream: Any = Stamps()
    live = Live(stream, begin, rate)
    heard = live.play(np.zeros(rate, np.float32)) + live.play(np.zeros(rate // 2, np.float32))
    assert [entry.event.end for entry in heard[:2]] == [0.5, 1.0]
    assert [entry.captured - begin for entry in heard[:2]] == pytest.approx([0.5, 1.0])
    assert all(entry.latency > 8 for entry in heard)
    given = np.cumsum([len(samples) for samples in stream.heard]) / SAMPLE_RATE
    assert np.array(stream.stamps) - begin == pytest.approx(given)
    if rate == SAMPLE_RATE:
        assert np.diff(stream.stamps) == pytest.approx(np.full(74, BLOCK))


def test_a_watched_pool_does_its_work_and_tells_when() -> None:
    with ThreadPoolExecutor(1) as threads:
        pool = WatchedPool(threads)
        assert pool.submit(pow, 2, 5).result() == 32
        failed = pool.submit(int, "five")
        with pytest.raises(ValueError, match="five"):
            failed.result()
    assert all(task.asked <= task.started <= task.done for task in pool.tasks)
    assert len(pool.tasks) == 2


def test_the_delay_of_a_word_counts_from_its_end_until_it_is_shown() -> None:
    begin = 100.0

    def heard(event: Event, late: float) -> Heard:
        return Heard(event, begin + event.end, begin + event.end + late)

    timed = [{"word": "Dogs", "start": 0.2, "end": 0.6}, {"word": "sit.", "start": 0.7, "end": 1.1}]
    before, said = utterance(0.0, 0.1, ""), utterance(0.2, 1.2, "Dogs sit.")
    said.words, before.words = timed, []
    events = [
        heard(step(0.0, text_pending="dogs"), 0.1),  # ends at 0.5
        heard(before, 0.2),
        heard(step(0.5, text="", text_pending=" Dogs"), 0.1),
        heard(step(1.0, text=" Dogs", text_pending=" fit"), 0.1),
        Heard(said, begin + 1.2, begin + 2.0),
        heard(step(2.0, text=" Dogs sit.", text_pending=""), 0.1),  # too late: the utterance was told
    ]
    first, second = word_delays(events, begin)
    assert (first.shown, first.settled) == pytest.approx((0.0, 1.0))
    assert (second.shown, second.settled) == pytest.approx((0.9, 0.9))
    assert word_delays([], begin) == []
    assert isinstance(first, WordDelay)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 8, 11, 40])
def test_the_most_streams_are_found_with_few_trials(limit: int) -> None:
    tried: list[int] = []

    def holds(streams: int) -> bool:
        tried.append(streams)
        return streams <= limit

    assert most_streams(holds, 40) == limit
    assert len(tried) == len(set(tried)) <= 12
    assert max(tried) <= 64


def test_a_trial_holds_when_nothing_is_late_and_no_step_is_shed() -> None:
    def heard(event: Event, late: float) -> Heard:
        return Heard(event, event.end, event.end + late)

    warm, after = heard(step(0.0), 9.0), WARM_UP
    steady = [warm, *(heard(step(after + place / 2), 0.1) for place in range(40))]
    trial = summary([steady, [*steady, heard(degraded(after + 1, "transcript"), 0.1)]], 1.0)
    assert (trial.latency["count"], trial.words_shed, trial.steps_shed) == (80, 1, 0)
    assert trial.holds(0.25)
    assert not trial.holds(0.05)
    assert not summary([[*steady, heard(degraded(after + 1, "steps"), 0.1)]], 1.0).holds(0.25)
    assert not summary([[warm]], 1.0).holds(0.25)
    assert isinstance(degraded(1.0, "steps"), DegradedEvent)


def test_cores_that_are_not_there_are_refused() -> None:
    with pytest.raises(SystemExit, match="--cores 4096"):
        keep_to(4096)


def test_a_slope_comes_with_its_interval() -> None:
    hours = [0.5, 1.0, 1.5, 2.0]
    grown = growth.slope(hours, [10.0, 11.1, 11.9, 13.0])
    assert grown.each == pytest.approx(2.0, abs=0.1)
    assert grown.low < grown.each < grown.high
    assert grown.grows(2.0, tolerated=3.0)
    assert not grown.grows(2.0, tolerated=5.0)
    assert not growth.slope(hours, [10.0, 13.0, 9.0, 12.0]).grows(2.0, tolerated=0.1)
    assert growth.slope(hours, [585.0] * 4) == growth.Slope(0.0, 0.0, 0.0)


def test_growth_is_told_against_a_fresh_stream(capsys: pytest.CaptureFixture[str]) -> None:
    wandering = [
        {"hours": hour, "against_fresh": 1.0, "median": 40 + 5 * hour, "memory_mb": 585.0} for hour in (0.5, 1.0, 1.5, 2.0)
    ]
    assert growth.verdicts(wandering)["against_fresh"]["met"]
    growing = [row | {"against_fresh": 1 + row["hours"] / 10} for row in wandering]
    assert not growth.verdicts(growing)["against_fresh"]["met"]
    assert "1.125 times as long" in capsys.readouterr().out


def test_streams_hear_each_step_in_turn() -> None:
    order: list[str] = []

    def stream(name: str) -> Any:
        return SimpleNamespace(feed=lambda block: order.append(name) or [])

    assert growth.times_in_turn([stream("old"), stream("young")], np.zeros(100, np.float32), 0, 40, 20) == [[], []]
    assert order == ["old", "young", "old", "young"]


def test_only_steps_in_speech_count() -> None:
    stream: Any = QuietStream("made up", 0)
    length = SAMPLE_RATE // 2
    assert len(growth.step_times(stream, np.zeros(100, np.float32), 30, 5 * length + 7, length)) == 5
    assert {len(samples) for samples in stream.heard} == {length}


def test_medians_of_fresh_processes() -> None:
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 9.0, "b": 4.0}, {"a": 2.0, "b": 6.0}]) == {"a": 2.0, "b": 5.0}


def test_where_networks_run_is_told(recognizer: Recognizer) -> None:
    places = loading.placement(recognizer)
    assert set(places) == {"voice_activity", "whisper", "pitch", "spectral", "text", "fusion", "whisper_decoder"}
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert set(places.values()) == {"cpu"}
    assert loading.batches(recognizer) == {}  # on the CPU runs are not joined
    broken: Any = SimpleNamespace(features=recognizer.features, ensemble=SimpleNamespace())
    with pytest.raises(TypeError, match="holds no session"):
        loading.sessions(broken)


def test_figures_for_cuda_are_refused_where_a_network_fell_back() -> None:
    loading.require_cuda({"voice_activity": "cpu", "whisper": "cuda", "fusion": "cuda"})
    with pytest.raises(SystemExit, match="fusion, whisper_decoder fell back to the CPU"):
        loading.require_cuda({"voice_activity": "cpu", "whisper": "cuda", "fusion": "cpu", "whisper_decoder": "cpu"})


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_is_refused_in_one_line_where_there_is_none() -> None:
    with pytest.raises(SystemExit, match=r"no figures: CUDA was asked for") as refused:
        loading.load("default", "cuda")
    assert "\n" not in str(refused.value)
