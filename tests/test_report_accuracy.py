"""The table of accuracy: what is emitted beside the argmax, members, seeds, baselines; what misses a bar is said to."""

import dataclasses
import json

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.collection import Collection
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA
from train.features import sealed_collection
from train.fusion.decide import Decisions
from train.report import accuracy, systems
from train.report.systems import EMITTED, ENSEMBLE, Rival


@pytest.fixture(autouse=True)
def no_results(tmp_path, monkeypatch):
    """Nothing of docs/results."""
    for name in ("FOLDS", "FOLD_BASELINES"):
        monkeypatch.setattr(accuracy, name, tmp_path / f"{name}.json")


def parts(sealed=(), noise=2.2):
    found = [
        made_up_inputs(Collection(corpus, split), clips=4, noise=noise, seed=number)
        for number, corpus in enumerate(TRAINING_CORPORA)
        for split in ("validation", "test")
    ]
    return found + [made_up_inputs(sealed_collection(corpus), speakers=("a",), noise=noise) for corpus in sealed]


def rivals(monkeypatch, right):
    """A baseline that is always right, or always wrong."""

    class Fake:
        def __init__(self, name, training):
            self.name = name

        def decide(self, collection):
            truth = np.array([LABELS.index(clip.label) for clip in collection.clips()])
            scores = np.eye(7, dtype=np.float32)[truth if right else (truth + 1) % 7]
            return Decisions(scores, np.ones(len(truth), bool))

    monkeypatch.setattr(accuracy, "Rival", Fake)


def test_what_is_uncertain_is_wrong_but_not_to_the_argmax(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path, utterance_uncertain_below=0.99), monkeypatch, *parts())
    found = accuracy.figures(context, baselines=())
    for entry in found["corpora"].values():
        assert entry["systems"][EMITTED]["score"] < entry["systems"][ENSEMBLE]["score"]
        assert entry["systems"]["chance"]["score"] < entry["systems"][ENSEMBLE]["score"]
    assert found["means"][EMITTED] == {"in_corpus": pytest.approx(found["means"][EMITTED]["in_corpus"])}  # no sealed half
    assert found["labels"]["ravdess"]["sadness"]["taken_for"] == "uncertain"
    assert set(found["groups"]["nemo"]) == {"female", "male"}


def test_a_better_baseline_and_an_ensemble_that_is_no_better_than_a_member_miss_their_bars(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts())
    rivals(monkeypatch, right=True)
    missed = accuracy.figures(context, baselines=("eGeMAPS + SVM",))
    assert missed["bars"]["nemo, over the best baseline"]["value"] < 0
    assert not missed["bars"]["nemo, over the best baseline"]["met"]
    assert missed["paired"]["in_corpus"]["eGeMAPS + SVM"]["difference"] < 0
    assert not missed["bars"]["ensemble over the member best on validation, mean"]["met"]  # the toy's members agree
    assert missed["bars"]["ensemble over the member best on validation, worst corpus"]["met"]
    rivals(monkeypatch, right=False)
    met = accuracy.figures(context, baselines=("eGeMAPS + SVM",))
    assert met["bars"]["nemo, over the best baseline"]["met"]
    assert "ravdess, over the best baseline" not in met["bars"]
    assert "missed" in accuracy.markdown(missed)
    again = accuracy.figures(context, baselines=(), before=missed)  # the baselines of a report of before
    assert again["baselines"] == ["eGeMAPS + SVM"]
    assert again["bars"]["nemo, over the best baseline"] == missed["bars"]["nemo, over the best baseline"]
    assert "eGeMAPS + SVM" not in again["paired"]["in_corpus"]
    assert "eGeMAPS + SVM" in accuracy.markdown(again)
    with pytest.raises(SystemExit, match="did not measure nemo: leave --baselines-of out"):
        accuracy.figures(context, baselines=(), before={**missed, "corpora": {"ravdess": missed["corpora"]["ravdess"]}})


def test_of_sealed_corpora_four_labels_count_and_make_the_other_half(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts(EVALUATION_CORPORA, noise=0.1))
    rivals(monkeypatch, right=False)
    found = accuracy.figures(context, sealed=EVALUATION_CORPORA, baselines=("ComParE + SVM",))
    entry = found["corpora"]["ased"]
    assert entry["clips"] == 4 * 6
    assert set(found["labels"]["ased"]) == {"neutral", "anger", "happiness", "sadness"}
    assert set(found["means"][EMITTED]) == {"in_corpus", "sealed", "agreed"}
    means = [found["corpora"][corpus]["systems"][EMITTED]["score"] for corpus in EVALUATION_CORPORA]
    assert found["bars"]["never trained on, cold, mean 4-class UAR"]["value"] == pytest.approx(np.mean(means), abs=1e-3)
    assert found["bars"]["never trained on, least over the best baseline"]["met"]
    assert "agreed measure" in accuracy.markdown(found)


def test_the_bars_are_held_against_the_mean_of_the_seeds(tmp_path, monkeypatch):
    inputs = parts()
    context = made_up_context(write_graph(tmp_path / "one"), monkeypatch, *inputs)
    other = dataclasses.replace(context, graph=write_graph(tmp_path / "two", utterance_uncertain_below=1.1))  # emits nothing
    other._inputs, other._cold = {}, {}
    rivals(monkeypatch, right=False)
    found = accuracy.figures(context, (other,), baselines=("eGeMAPS + SVM",))
    seeds = found["seeds"]["corpora"][EMITTED]["nemo"]
    own = found["corpora"]["nemo"]["systems"][EMITTED]["score"]
    assert seeds["scores"] == [own, 0.0]
    assert seeds["score"] == pytest.approx(own / 2, abs=1e-3)
    assert found["bars"]["nemo, over the best baseline"]["value"] == pytest.approx(own / 2, abs=1e-3)
    assert found["seeds"]["corpora"][ENSEMBLE]["nemo"]["deviation"] == 0
    assert f"{own:.3f}, 0.000" in accuracy.markdown(found)


def test_the_member_best_on_validation_is_not_chosen_on_test(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts())
    good, bad = Collection("ravdess", "validation"), Collection("ravdess", "test")

    def decisions(_, collection):
        truth = context.inputs(collection).clip_label
        right = Decisions(np.eye(7, dtype=np.float32)[truth], np.ones(len(truth), bool))
        wrong = Decisions(np.eye(7, dtype=np.float32)[(truth + 1) % 7], np.ones(len(truth), bool))
        on_validation = collection.split == good.split != bad.split
        return {ENSEMBLE: right, "member 1": wrong if on_validation else right, "member 2": right if on_validation else wrong}

    monkeypatch.setattr(accuracy, "network_decisions", decisions)
    assert accuracy.best_member(context) == "member 2"


def test_folds_are_shown_where_they_were_measured(tmp_path, monkeypatch):
    folds = {str(fold): {"1": {"macro_f1": 0.7, "low": 0.6, "uar": 0.7}} for fold in range(1, 7)}
    accuracy.FOLDS.write_text(json.dumps({"folds": folds, "by_seed": {"1": {}}, "mean": 0.7, "steps": 600}))
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts())
    found = accuracy.figures(context, baselines=())
    assert found["bars"]["RAVDESS, 8 classes, EmoBox's six folds"] == {"value": 0.7, "bar": 0.78, "met": False}
    assert "1: 0.700" in accuracy.markdown(found)
    assert "(600 steps)" in accuracy.markdown(found)


def test_a_baseline_is_trained_once_until_what_it_learns_from_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))
    inputs = made_up_inputs(Collection("nemo", "test"))
    made_up_context(tmp_path / "none", monkeypatch, inputs, made_up_inputs(Collection("nemo", "train"), clips=3))
    plain = Collection.clips
    monkeypatch.setattr(
        Collection, "clips", lambda self: [dataclasses.replace(c, path=tmp_path / c.path.name) for c in plain(self)]
    )
    trained = []

    class Counted:
        def __init__(self, name, training):
            trained.append(name)

        def decide(self, collection):
            return Decisions(np.eye(7, dtype=np.float32)[inputs.clip_label], np.ones(len(inputs.clip_label), bool))

    monkeypatch.setattr(systems, "Baseline", Counted)
    for clip in (*Collection("nemo", "train").clips(), *Collection("nemo", "test").clips()):
        clip.path.write_bytes(b"sound")
    for _ in range(2):
        decided = Rival("ComParE + SVM", [Collection("nemo", "train")]).decide(Collection("nemo", "test"))
        assert decided.labels().tolist() == inputs.clip_label.tolist()
    assert trained == ["ComParE + SVM"]
    Collection("nemo", "train").clips()[0].path.write_bytes(b"another")
    Rival("ComParE + SVM", [Collection("nemo", "train")]).decide(Collection("nemo", "test"))
    assert len(trained) == 2
