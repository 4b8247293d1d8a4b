"""Scores and intervals against hand-made truth and scikit-learn."""

import numpy as np
import pytest

from train.fusion.calibration import fit_temperature, risk_coverage
from train.fusion.decide import decide
from train.metrics import (
    UNDECIDED,
    calibration_error,
    confidence_error,
    conformal_threshold,
    confusion,
    interval_over_speakers,
    macro_f1,
    uar,
)


def test_scores_agree_with_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    truth, decided = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    assert macro_f1(truth, decided) == pytest.approx(metrics.f1_score(truth, decided, average="macro"))
    assert uar(truth, decided) == pytest.approx(metrics.recall_score(truth, decided, average="macro"))
    assert np.array_equal(confusion(truth, decided, 4)[:, :4], metrics.confusion_matrix(truth, decided))


def test_a_decision_for_a_label_that_the_corpus_lacks_is_a_miss_but_no_class_of_its_own():
    truth = np.array([0, 0, 1, 1])
    assert macro_f1(truth, np.array([0, 0, 1, 6])) == pytest.approx((1 + 2 / 3) / 2)
    assert uar(truth, np.array([0, 0, 1, 6])) == pytest.approx(0.75)


def test_undecided_is_always_wrong():
    truth = np.array([0, 1])
    assert uar(truth, np.array([UNDECIDED, 1])) == 0.5
    assert confusion(truth, np.array([UNDECIDED, 1]), 3)[0].tolist() == [0, 0, 0, 1]


def test_few_speakers_give_a_t_interval_and_many_a_bootstrap():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 400)
    decided = np.where(rng.random(400) < 0.8, truth, 1 - truth)
    few = interval_over_speakers(uar, truth, decided, np.arange(400) % 4)
    many = interval_over_speakers(uar, truth, decided, np.arange(400) % 40)
    alone = interval_over_speakers(uar, truth, decided, np.zeros(400, int))
    assert (few.kind, many.kind) == ("t", "bootstrap")
    assert few.low < few.value < few.high
    assert many.low < many.value < many.high
    assert np.isnan(alone.low)


def test_speakers_that_differ_widen_the_interval():
    truth = np.tile([0, 1], 200)
    good, mixed = truth.copy(), truth.copy()
    speakers = np.arange(400) // 20
    good[::10] = 1 - good[::10]  # the same errors spread over all speakers
    wrong = np.isin(speakers, [0, 1])  # or all in two of them
    mixed[wrong] = 1 - mixed[wrong]
    even = interval_over_speakers(uar, truth, good, speakers)
    uneven = interval_over_speakers(uar, truth, mixed, speakers)
    assert uneven.high - uneven.low > 2 * (even.high - even.low)


def test_temperature_recovers_overconfidence():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(4000, 5)).astype(np.float32) * 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(5, p=row / row.sum()) for row in shares.astype(float)])
    assert fit_temperature([logits * 3], [labels]) == pytest.approx(3.0, rel=0.1)
    assert calibration_error(shares, labels) < 0.05


def test_risk_falls_with_coverage():
    rng = np.random.default_rng(3)
    confidence = rng.random(1000)
    right = rng.random(1000) < confidence
    risks = risk_coverage(confidence, right, (0.2, 0.6, 1.0))
    assert risks["0.2"] < risks["0.6"] < risks["1"]


def test_a_clips_decision_is_its_longest_windows_up_to_four_seconds():
    logs = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], np.float32))
    decisions = decide(logs, np.array([1.5, 2.0, 9.0], np.float32), np.array([0, 0, 2]), 3)
    expected = (1.5**8 * logs[0] + 2**8 * logs[1]) / (1.5**8 + 2**8)
    longer = decide(logs[:2], np.array([4.0, 7.0], np.float32), np.array([0, 0]), 1)
    assert np.allclose(longer.log_posteriors[0], logs[:2].mean(0), atol=1e-5)
    assert np.allclose(decisions.log_posteriors[0], expected, atol=1e-5)
    assert decisions.labels().tolist() == [1, UNDECIDED, 1]
    assert decisions.labels({0}).tolist() == [0, UNDECIDED, 0]
    assert np.allclose(decisions.probabilities()[2], [0.4, 0.6], atol=1e-5)


def test_a_conformal_threshold_keeps_its_promise_from_few_decisions():
    rng = np.random.default_rng(4)
    draws = rng.beta(3, 2, (20_000, 26))  # 25 known decisions and a new one
    promised = np.mean([new >= conformal_threshold(known, 0.8) for *known, new in draws.tolist()])
    assert 0.8 <= promised < 0.82  # rank 5 of 26: 21 / 26
    higher = np.mean([new >= np.sort(known)[5] for *known, new in draws.tolist()])
    assert higher < 0.8  # the next larger threshold breaks it: this one is the largest


def test_a_conformal_threshold_of_too_few_decisions_turns_nothing_away():
    assert conformal_threshold(np.array([0.5, 0.6, 0.7]), 0.9) == 0.0
    assert conformal_threshold(np.linspace(0.1, 0.9, 9), 0.9) == pytest.approx(0.1)


def test_the_error_of_confidences_is_their_distance_from_how_often_they_are_right():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.2, 1, 20_000)
    right = rng.random(20_000) < confidence - 0.1
    assert confidence_error(confidence, right) == pytest.approx(0.1, abs=0.02)
    honest = rng.random(20_000) < confidence
    assert confidence_error(confidence, honest) < 0.02
    both, each = np.concatenate([confidence, confidence]), np.concatenate([right, honest])
    weights = np.repeat([3.0, 1.0], 20_000)
    assert confidence_error(both, each, weights) == pytest.approx(0.075, abs=0.02)
