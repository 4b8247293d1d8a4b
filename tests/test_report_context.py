"""One graph for all sections of the report, of this schema or the one before."""

import numpy as np
import pytest
from report_material import VOICES, made_up_context, made_up_inputs, write_graph

from tests.toy_graph import STATISTICS
from train.features import Collection
from train.fusion.data import collate, with_histories

TEST = Collection("ravdess", "test")


def test_a_context_says_what_the_graph_says_of_every_row(tmp_path, monkeypatch):
    inputs = made_up_inputs(TEST)
    context = made_up_context(write_graph(tmp_path), monkeypatch, inputs)
    cold = context.cold(TEST)
    assert cold.members.shape == (2, len(inputs), 7)
    assert cold.statistics.shape == (len(inputs), STATISTICS)
    assert cold.voice.shape == (len(inputs), VOICES)
    assert cold.known.min() > 0.5
    assert np.allclose(np.exp(cold.members).sum(-1), 1, atol=1e-5)
    assert context.cold(TEST) is cold
    assert context.emitted(TEST).found.all()


def test_a_history_changes_what_the_graph_says(tmp_path, monkeypatch):
    inputs = made_up_inputs(TEST)
    context = made_up_context(write_graph(tmp_path), monkeypatch, inputs)
    cold = context.cold(TEST)
    batch = collate([inputs.row(0)], inputs.heard[:1])
    beside = with_histories(batch, [(cold.statistics[0], cold.statistics[0] ** 2, 30.0)])
    assert np.allclose(context.run(batch).members[:, 0], cold.members[:, 0], atol=1e-5)
    assert not np.allclose(context.run(beside).members[:, 0], cold.members[:, 0], atol=0.1)


def test_a_graph_of_before_has_no_history_and_knows_all(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path, remembers=False), monkeypatch, made_up_inputs(TEST))
    cold = context.cold(TEST)
    assert context.widths == {}
    assert (cold.known == 1).all()
    assert cold.statistics.shape[1] == cold.voice.shape[1] == 0


def test_what_is_no_speech_is_not_known(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, made_up_inputs(TEST, strange=3.0))
    assert context.cold(TEST).known.max() < 0.1


def test_features_that_were_not_made_are_an_error(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, made_up_inputs(TEST))
    with pytest.raises(SystemExit, match="nemo-test"):
        context.cold(Collection("nemo", "test"))
