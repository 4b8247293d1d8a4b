"""A group that fares worse is found, whatever else differs; a group that is too small passes nothing."""

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from streamser.features.quantised_f0 import DEFAULT_PACK_F0
from train.corpora import TRAINING_CORPORA
from train.features import Collection
from train.metrics import UNDECIDED
from train.report import fairness
from train.report.fairness import compared, figures, markdown, spread
from train.report.groups import Clips, balanced, clip_pitch, pitch

LABELS = ("neutral", "anger")


def clips(corpus: str, wrong: dict[str, float], each: int = 100, speakers: int = 3, labels: tuple[int, ...] = (0, 1)) -> Clips:
    """So many clips of every label in every group, of which a share is decided wrongly."""
    rows = [
        (label, index / each < share, group, index % speakers)
        for label in labels
        for group, share in wrong.items()
        for index in range(each)
    ]
    truth = np.array([label for label, *_ in rows])
    missed = np.array([miss for _, miss, *_ in rows])
    group = np.array([name for *_, name, _ in rows])
    return Clips(
        corpus, truth, np.where(missed, 1 - truth, truth), group, np.array([f"{name}{number}" for *_, name, number in rows])
    )


def chosen(found: dict, group: str, measure: str, label: str = "") -> dict:
    return next(test for test in found["tests"] if (test["group"], test["measure"], test["label"]) == (group, measure, label))


def test_a_gap_between_groups_is_found_and_none_is_not():
    fair = compared([clips("one", {"female": 0.2, "male": 0.2})], "sex", LABELS)
    assert all(test["passed"] for test in fair["tests"])
    assert fair["spread"] == {"hits": 0.0, "false_alarms": 0.0, "f1_deviation": 0.0}
    unfair = compared([clips("one", {"female": 0.0, "male": 0.2})], "sex", LABELS)
    assert chosen(unfair, "female", "UAR")["difference"] == pytest.approx(0.1)
    assert chosen(unfair, "male", "UAR")["difference"] == pytest.approx(-0.1)
    assert chosen(unfair, "male", "UAR")["passed"] is False
    assert chosen(unfair, "male", "recall of a label", "anger")["passed"] is True  # 0.1 below all, the limit is 0.175
    assert chosen(unfair, "male", "precision of a label", "anger")["passed"] is False
    assert unfair["spread"]["hits"] == pytest.approx(0.2)


def test_a_difference_between_corpora_is_none_between_groups():
    hard, easy = clips("hard", {"female": 0.5, "male": 0.5}, each=200), clips("easy", {"female": 0.0, "male": 0.0})
    women = easy.of(np.flatnonzero(easy.group == "female"))
    found = compared([hard, women], "sex", LABELS)
    assert found["corpora"] == ["hard"]
    assert chosen(found, "female", "UAR")["difference"] == 0.0


def test_too_few_clips_or_speakers_are_no_pass():
    for small in (clips("few", {"female": 0.0, "male": 0.0}, each=40), clips("one", {"female": 0.0, "male": 0.0}, speakers=1)):
        assert chosen(compared([small], "sex", LABELS), "male", "UAR")["passed"] is None
    rare = clips("rare", {"female": 0.0, "male": 0.0}, labels=(0,))
    found = compared([rare], "sex", LABELS)
    assert chosen(found, "male", "UAR")["passed"] is True
    assert chosen(found, "male", "recall of a label", "anger")["passed"] is None


def test_groups_are_balanced_by_label():
    uneven = clips("one", {"female": 0.0, "male": 0.0})
    fewer = uneven.of(np.flatnonzero((uneven.group == "female") | (uneven.truth == 0) | (np.arange(400) % 4 == 0)))
    counts = {(group, label): 0 for group in ("female", "male") for label in (0, 1)}
    for group, label in zip(*(getattr(balanced(fewer), name).tolist() for name in ("group", "truth")), strict=True):
        counts[group, label] += 1
    assert counts["female", 0] == counts["male", 0] == 100
    assert counts["female", 1] == counts["male", 1] == 25


def test_those_in_no_group_count_nowhere():
    told = clips("one", {"female": 0.0, "": 1.0, "male": 0.0})
    assert set(balanced(told).group.tolist()) == {"female", "male"}
    assert chosen(compared([told], "sex", LABELS), "male", "UAR")["difference"] == 0.0


def test_undecided_is_a_miss():
    part = clips("one", {"female": 0.0, "male": 0.0})
    part.decided[part.group == "male"] = UNDECIDED
    found = compared([part], "sex", LABELS)
    assert chosen(found, "male", "UAR")["difference"] == pytest.approx(-0.5)
    assert spread([part], LABELS)["hits"] == 1.0


def test_the_pitch_of_a_clip_is_of_its_fullest_step():
    hertz = [np.array([100.0, 0.0]), np.array([200.0, 220.0, 0.0]), np.zeros(2)]
    tokens = DEFAULT_PACK_F0.encode(np.concatenate(hertz))
    slices = np.array([[0, 2], [2, 5], [5, 7]])
    found = clip_pitch(tokens, slices, np.array([0, 0, 1]), np.array([0.5, 1.0, 1.0]), 3)
    assert found[0] == pytest.approx(210, rel=0.02)
    assert (found[1:] == 0).all()


def test_speakers_fall_into_groups_by_their_mean_pitch(tmp_path, monkeypatch):
    test = Collection("nemo", "test")
    inputs = made_up_inputs(test, speakers=("deep", "high", "rare"), clips=5)
    rare = np.flatnonzero(inputs.clip_speaker == "rare")
    inputs.clip_speaker[rare[10:]] = "high"
    voice = {"deep": 110.0, "high": 240.0, "rare": 110.0}
    for row, clip in enumerate(inputs.clip):
        inputs.arrays["pitch"][slice(*inputs.slices["pitch"][row])] = DEFAULT_PACK_F0.encode(voice[inputs.clip_speaker[clip]])
    group = pitch(made_up_context(write_graph(tmp_path), monkeypatch, inputs), test)
    assert set(group[inputs.clip_speaker == "deep"]) == {"low"}
    assert set(group[inputs.clip_speaker == "high"]) == {"high"}
    assert set(group[inputs.clip_speaker == "rare"]) == {""}  # 10 clips


def test_the_whole_section(tmp_path, monkeypatch):
    labels = {"nemo": ("neutral", "anger", "happiness"), "indian_emospeech": ("anger", "happiness", "fear")}
    everyone = ("a", "b", "c", "d")
    parts = [
        made_up_inputs(
            Collection(corpus, "test"), labels.get(corpus, ("anger", "happiness", "sadness")), everyone, clips=15, seed=number
        )
        for number, corpus in enumerate(TRAINING_CORPORA)
    ]
    parts[3].clip_gender[:] = ""
    for part in parts:
        part.arrays["pitch"] = np.minimum(part.arrays["pitch"], DEFAULT_PACK_F0.bins - 1)
    found = figures(made_up_context(write_graph(tmp_path), monkeypatch, *parts))
    assert found["sex"]["corpora"] == ["ravdess", "nemo", "banglaser"]
    assert found["language"]["labels"] == ["anger", "happiness"]
    assert [test["group"] for test in found["language"]["tests"]] == ["en", "pl", "bn", "en/hi"]
    assert {test["clips"] for test in found["language"]["tests"]} == {120}
    text = markdown(found)
    assert text.startswith("### Fairness")
    assert "| en/hi (indian_emospeech) | 120 | 4 |" in text
    assert text.count("| female |") == len(fairness.LIMITS["sex"])
