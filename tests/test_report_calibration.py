"""Calibration, risk by coverage, and what the threshold promises."""

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.collection import Collection
from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.features import sealed_collection
from train.report import calibration
from train.report.calibration import Answered, together


def answered(corpus="nemo", clips=3000, too_sure=0.0, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.3, 1, clips)
    truth = rng.integers(0, 5, clips)
    right = rng.random(clips) < probability - too_sure
    return Answered(corpus, truth, np.where(right, truth, (truth + 1) % 5), probability, probability)


def test_an_honest_network_has_little_error_and_a_too_sure_one_has_more():
    honest, sure = together([answered()], 0.4), together([answered(too_sure=0.2)], 0.4)
    assert honest["error"] < 0.04 < sure["error"]
    assert sure["error"] == pytest.approx(0.2, abs=0.04)
    assert honest["by_chance"] == pytest.approx(honest["error"], abs=0.02)
    few = together([answered(clips=60)], 0.4)
    assert few["by_chance"] > 3 * honest["by_chance"]  # of few clips the error is mostly chance


def test_corpora_weigh_the_same_whatever_their_size():
    large, small = answered("nemo", 4000), answered("ravdess", 400, too_sure=0.3)
    both = together([large, small], 0.4)
    assert both["error"] == pytest.approx(0.15, abs=0.04)
    shares = [found["uncertain"] for found in both["corpora"].values()]
    assert both["uncertain"] == pytest.approx(np.mean(shares), abs=1e-3)
    assert both["observed"] == pytest.approx(1 - both["uncertain"], abs=1e-3)


def test_the_surest_are_more_often_right():
    curve = together([answered()], 0.4)["coverage"]
    assert list(curve) == ["1", "0.9", "0.8", "0.7", "0.5"]
    wrong = [found["wrong"] for found in curve.values()]
    assert wrong == sorted(wrong, reverse=True)
    assert curve["0.5"]["macro_f1"] > curve["1"]["macro_f1"] + 0.1


def test_turning_away_a_whole_label_gains_nothing():
    truth, decided = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    assert calibration.surest_macro_f1(truth, decided, np.array([0, 1])) == pytest.approx(0.5)
    assert calibration.surest_macro_f1(truth, truth, np.arange(4)) == 1


def test_what_is_emitted_is_what_the_threshold_turns_away(tmp_path, monkeypatch):
    parts = [made_up_inputs(Collection(corpus, "test"), clips=3, noise=2.2) for corpus in TRAINING_CORPORA]
    context = made_up_context(write_graph(tmp_path, utterance_uncertain_below=0.6, coverage=0.9), monkeypatch, *parts)
    found = calibration.figures(context)
    for part in parts:
        undecided = (context.emitted(part.collection).labels() == -1).mean()
        assert found["unseen"]["corpora"][part.collection.corpus]["uncertain"] == pytest.approx(undecided, abs=1e-4)
    assert 0 < found["unseen"]["observed"] < 0.9
    text = calibration.markdown(found)
    assert "at least 0.9" in text
    assert f"{100 * found['unseen']['observed']:.1f} % of clips" in text
    assert set(found["bars"]) == {"calibration error, unseen speakers", "macro-F1 at 70% coverage, gain"}
    assert found["bars"]["calibration error, unseen speakers"]["at_most"]


def test_sealed_corpora_are_judged_among_four_labels(tmp_path, monkeypatch):
    parts = [made_up_inputs(Collection(corpus, "test"), clips=3) for corpus in TRAINING_CORPORA]
    parts += [made_up_inputs(sealed_collection(corpus), clips=3, noise=2.2) for corpus in EVALUATION_CORPORA]
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts)
    found = calibration.figures(context, EVALUATION_CORPORA)
    assert found["sealed"]["corpora"]["turev"]["clips"] == 4 * 2 * 3
    assert found["sealed"]["all_labels"] != found["sealed"]["error"]
    assert "promises no coverage" in calibration.markdown(found)
    assert "calibration error, never trained on" in found["bars"]
    one = calibration.figures(context, ("ased",))
    assert "calibration error, never trained on" not in one["bars"]
