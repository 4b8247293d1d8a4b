"""The corpus probe: at chance where corpora sound alike, certain where they do not, and never helped by the labels."""

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.collection import Collection
from train.corpora import LABELS, TRAINING_CORPORA
from train.report import probe


def corpora(strange):
    """Each corpus has its own share of what is no speech, and the first few labels too many."""
    return [
        made_up_inputs(
            Collection(corpus, split), labels=LABELS[: 4 + number], clips=8, strange=strange * number, seed=10 * number + place
        )
        for number, corpus in enumerate(TRAINING_CORPORA)
        for place, split in enumerate(("validation", "test"))
    ]


def test_corpora_that_sound_alike_cannot_be_told_though_their_labels_differ(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, *corpora(0.0))
    found = probe.figures(context)
    assert found["labels"] == list(LABELS[:4])
    assert found["clips"] == {"validation": [64] * 4, "test": [64] * 4}
    assert found["probes"]["logits"]["uar"] == pytest.approx(0.25, abs=0.12)
    assert found["probes"]["statistics"]["uar"] == pytest.approx(0.25, abs=0.12)


def test_corpora_that_sound_different_are_told(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, *corpora(3.0))
    found = probe.figures(context)
    assert found["probes"]["statistics"]["uar"] > 0.95
    assert found["probes"]["logits"]["uar"] < 0.6  # the toy's labels do not hear it
    assert "chance is 0.25" in probe.markdown(found)


def test_a_graph_without_statistics_is_probed_by_its_posteriors_alone(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path, remembers=False), monkeypatch, *corpora(0.0))
    assert list(probe.figures(context)["probes"]) == ["logits"]


def test_a_clip_without_speech_is_not_asked_about(tmp_path, monkeypatch):
    inputs = made_up_inputs(Collection("nemo", "test"), labels=LABELS[:2], speakers=("a",), clips=4)
    inputs.clip = np.where(inputs.clip == 0, 1, inputs.clip)
    context = made_up_context(write_graph(tmp_path), monkeypatch, inputs)
    (chosen,) = probe.even_clips(context, [inputs.collection], [0, 1])
    assert 0 not in chosen
    assert sorted(inputs.clip_label[chosen].tolist()) == [0] * 3 + [1] * 4
