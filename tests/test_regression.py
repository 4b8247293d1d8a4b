"""The linear member: it learns in full batches, hears histories, exports, and weighs corpora, labels and speakers as it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.fusion import example_batch, export_graph, parity
from tests.test_fusion_training import made_up_inputs
from train.corpora import LABELS
from train.fusion import members, regression
from train.fusion.data import TrainingSet
from train.fusion.ensemble import Ensemble
from train.fusion.mdat import STATISTICS, Member
from train.fusion.regression import regress, rows_of, weights_of
from train.fusion.train import CONFIGURATIONS

LINEAR = CONFIGURATIONS["linear"]


def data() -> TrainingSet:
    return TrainingSet(
        [made_up_inputs("nemo", "train", [0, 1, 4], 240, 1), made_up_inputs("banglaser", "train", [0, 5], 160, 2)], None
    )


def test_it_learns_and_comes_back_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regression, "checkpoint_folder", lambda: tmp_path)
    validation = [made_up_inputs("nemo", "validation", [0, 1, 4], 120, 7)]
    path = regress("linear-1", LINEAR, data(), validation, 1)
    member, saved = members.load_member(path)
    assert saved["validation"]["nemo"] > 0.9
    assert saved["temperature"] > 0
    scores, _ = members.validate(member, validation)
    assert scores == saved["validation"]


def test_every_clip_teaches_with_and_without_a_history():
    material = data()
    member = Member(LINEAR)
    members.standardise(member, material)
    x, shares, among, weights = rows_of(member, material, np.random.default_rng(0))
    clips = sum(int((history.seconds > 0).sum()) for history in material.histories)
    assert x.shape == (2 * clips, 2 * STATISTICS)
    assert float(weights.sum()) == pytest.approx(1)
    assert torch.allclose(shares.sum(1), torch.ones(len(x)))
    first = int((material.histories[0].seconds > 0).sum())
    assert torch.equal(x[:first, :STATISTICS], x[first : 2 * first, :STATISTICS])  # the same window
    assert not torch.equal(x[:first, STATISTICS:], x[first : 2 * first, STATISTICS:])  # beside another past
    assert float(weights[: 2 * first].sum()) == pytest.approx(0.5, abs=1e-5)  # corpora weigh the same
    assert not among[:first, 2].any()


def test_maps_of_several_draws_of_histories_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(regression, "checkpoint_folder", lambda: tmp_path)
    monkeypatch.setattr(regression, "ITERATIONS", 4)
    member = Member(LINEAR)
    members.standardise(member, data())
    maps = [regression.solved(*rows_of(member, data(), np.random.default_rng(5 + draw)))[0] for draw in range(regression.DRAWS)]
    assert not torch.equal(maps[0], maps[1])
    validation = [made_up_inputs("nemo", "validation", [0, 1, 4], 20, 7)]
    found, _ = members.load_member(regress("linear-5", LINEAR, data(), validation, 5))
    assert torch.allclose(found.linear.weight, torch.stack(maps).mean(0), atol=1e-3)


def test_labels_weigh_the_same_and_speakers_by_the_root_of_their_clips():
    weights = weights_of(np.array([0, 0, 0, 1]), np.array(["a", "a", "b", "a"]))
    assert weights[3] == pytest.approx(0.5)
    assert weights[0] + weights[1] == pytest.approx(np.sqrt(2) * weights[2])


def test_its_arousal_is_what_its_labels_say():
    member = Member(LINEAR)
    with torch.no_grad():
        member.offset.copy_(torch.log(torch.tensor([0.1, 0.6, 0.05, 0.05, 0.1, 0.05, 0.05])))
    batch = example_batch(np.random.default_rng(0))
    with torch.inference_mode():
        logits, arousal, _ = member(members.as_tensors(batch))
    assert torch.allclose(logits, member.offset.expand_as(logits))
    loud = {"anger", "fear", "happiness", "surprise"}
    shares = dict(zip(LABELS, logits[0].exp().tolist(), strict=True))
    low = shares["neutral"] + shares["sadness"]
    assert float(torch.sigmoid(arousal[0])) == pytest.approx(
        sum(shares[label] for label in loud) / (sum(shares[label] for label in loud) + low)
    )
    unknown = Member(replace(LINEAR, labels=("firm", "hesitant")))
    with torch.inference_mode():
        assert torch.isfinite(unknown(members.as_tensors(batch))[1]).all()


def test_it_is_one_graph_with_members_of_other_kinds(tmp_path: Path):
    both = [Member(CONFIGURATIONS[name]) for name in ("linear", "mixed")]
    for member in both:
        torch.nn.init.normal_(member.linear.weight, std=0.01)
        members.round_weights(member)
        member.eval()
    ensemble = Ensemble(both, [1.0, 1.5])
    onnx.save(export_graph(ensemble), tmp_path / "fusion.onnx")
    batches = [example_batch(np.random.default_rng(seed), rows) for seed, rows in ((1, 1), (2, 4))]
    assert parity(ensemble, tmp_path / "fusion.onnx", batches) < 1e-4


def test_most_windows_that_teach_are_their_clips_longest():
    part = made_up_inputs("nemo", "train", [0, 1], 400, 3)
    rng = np.random.default_rng(0)
    part.heard = np.where(np.arange(len(part)) % 2, 3.0, 0.7)  # the second row of every clip
    drawn = np.concatenate([batch["heard"][:, 0] for batch, _ in TrainingSet([part], None).batches(50, 20, int(rng.integers(9)))])
    assert np.mean(drawn > 1) == pytest.approx(0.85, abs=0.04)
