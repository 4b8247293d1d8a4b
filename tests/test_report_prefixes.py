"""The score after a little speech: from the steps up to that point alone, on clips that have that much."""

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.collection import Collection
from train.corpora import TRAINING_CORPORA
from train.fusion.inputs import Inputs
from train.report import prefixes
from train.report.prefixes import Spoken, at


def collections(**options):
    return [made_up_inputs(Collection(corpus, "test"), clips=3, **options) for corpus in TRAINING_CORPORA]


def misled(inputs: Inputs, rows: slice) -> Inputs:
    """What is heard in some of each clip's two rows is another clip's: of the next label."""
    for bounds in inputs.slices.values():
        chosen = np.arange(len(bounds)).reshape(-1, 2)[:, rows].ravel()
        bounds[chosen] = np.roll(bounds[chosen], 3 * len(chosen) // (len(bounds) // 2), axis=0)
    return inputs


def test_steps_after_the_point_do_not_help(tmp_path, monkeypatch):
    early = [misled(part, slice(0, 1)) for part in collections()]
    context = made_up_context(write_graph(tmp_path), monkeypatch, *early)
    point = prefixes.figures(context)["points"]["1"]
    assert point["clips"] == dict.fromkeys(TRAINING_CORPORA, 42)
    assert point["heard"] == 1.0
    assert point["score"] < 0.3 < 0.6 < point["whole"]
    assert point["ratio"] == pytest.approx(point["score"] / point["whole"], abs=1e-3)


def test_steps_after_the_point_do_no_harm(tmp_path, monkeypatch):
    late = [misled(part, slice(1, 2)) for part in collections()]
    context = made_up_context(write_graph(tmp_path), monkeypatch, *late)
    found = prefixes.figures(context)
    assert found["points"]["1"]["score"] > 0.6 > found["points"]["1"]["whole"]
    assert found["points"]["2"]["ratio"] == 1
    assert found["points"]["1.5"]["score"] == found["points"]["1"]["score"]  # the step at 2 s has not come yet
    assert found["points"]["1.5"]["next_ratio"] == 1
    assert found["bars"]["after 1 s of speech"]["met"]


def test_clips_without_that_much_speech_do_not_count(tmp_path, monkeypatch):
    parts = collections(seconds=1.2)
    parts[0].heard[:40] *= 2  # twenty clips of the first corpus
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts)
    found = prefixes.figures(context)
    assert found["points"]["1"]["clips"] == dict.fromkeys(TRAINING_CORPORA, 42)
    assert found["points"]["1.5"]["clips"] == {**dict.fromkeys(TRAINING_CORPORA, 0), "ravdess": 20}
    assert found["points"]["1.5"]["ratio"] is not None
    assert found["long"]["0.5"]["clips"]["ravdess"] == 20
    assert found["long"]["0.5"]["clips"]["nemo"] == 0
    parts[0].heard[:40] /= 2
    none = made_up_context(tmp_path / "fusion.onnx", monkeypatch, *parts)
    told = prefixes.figures(none)
    assert told["points"]["1.5"]["ratio"] is None
    assert "after 1.5 s of speech" not in told["bars"]
    assert "| 1.5 s |" in prefixes.markdown(told)


def test_rows_go_by_time_and_by_the_most_heard_so_far(tmp_path, monkeypatch):
    inputs = made_up_inputs(Collection("nemo", "test"), labels=("anger",), speakers=("a",), clips=2)
    inputs.now[:] = [32000, 16000, 16000, 32000]  # the first clip's rows stand in the other order
    inputs.heard[:] = [0.4, 0.9, 0.5, 1.2]
    context = made_up_context(write_graph(tmp_path), monkeypatch, inputs)
    spoken = Spoken.of(context, inputs.collection)
    assert spoken.so_far == pytest.approx([0.9, 0.9, 0.5, 1.2])
    assert spoken.of_clip == pytest.approx([0.9, 1.2])
    assert spoken.up_to(1.0, False).tolist() == [True, True, True, False]
    assert spoken.up_to(1.0, True).tolist() == [True, True, True, True]
    assert spoken.up_to(0.5, True).tolist() == [False, True, True, False]  # the second clip's point has come with its first step


def test_nothing_decided_by_the_point_is_a_miss(tmp_path, monkeypatch):
    inputs = made_up_inputs(Collection("nemo", "test"), seconds=4.0, noise=0.1)
    context = made_up_context(write_graph(tmp_path), monkeypatch, inputs)
    found = at([Spoken.of(context, inputs.collection)], 1.0, 1.0)
    assert found["score"] == 0
    assert found["next_ratio"] > 0.9
