"""Ensembles: votes, ties, the choice of members, runs that do not fit together."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from train.metrics import macro_f1
from train.systems import ensemble as module
from train.systems.config import SystemConfig
from train.systems.ensemble import BalancedSubsets, decide_together, ensemble, majority, select
from train.systems.runs import Run, write_json


def posteriors(labels: np.ndarray, sureness: float = 0.8, count: int = 7) -> np.ndarray:
    """float32 [n, 7] that are that sure of the labels given."""
    found = np.full((len(labels), count), (1 - sureness) / (count - 1))
    found[np.arange(len(labels)), labels] = sureness
    return np.log(found).astype(np.float32)


def test_majority_and_its_ties() -> None:
    assert majority(np.array([[0, 1, 2], [1, 1, 2], [1, 0, 0]])).tolist() == [1, 1, 2]
    assert majority(np.array([[3], [5]])).tolist() == [3]  # the best one's
    assert majority(np.array([[0], [1], [2], [2], [1]])).tolist() == [1]  # the best is outvoted: the next best among the tied


def test_the_mean_hears_how_sure_the_members_are() -> None:
    members = [posteriors(np.array([0]), 0.4), posteriors(np.array([0]), 0.4), posteriors(np.array([1]), 0.99)]
    assert decide_together(members, "majority").tolist() == [0]
    assert decide_together(members, "mean").tolist() == [1]


def test_balanced_subsets_and_their_score() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 0, 3], [50, 20, 10, 30, 15])
    corpora = np.repeat(["a", "b"], [80, 45])
    subsets = BalancedSubsets.draw(labels, corpora, 20)
    assert [rows.shape for rows in subsets.rows] == [(20, 30), (20, 30)]
    assert np.bincount(labels[subsets.rows[0][3]]).tolist() == [10, 10, 10]
    assert len(np.unique(subsets.rows[0][3])) == 30
    decided = np.where(rng.random(125) < 0.6, labels, rng.integers(0, 7, 125))
    expected = [np.mean([macro_f1(labels[row], decided[row]) for row in rows]) for rows in subsets.rows]
    assert subsets.score(decided) == pytest.approx(np.mean(expected))


def test_selection_keeps_the_best_and_takes_who_helps() -> None:
    worth = {(0, 2, 3): 0.9, (0, 1, 2): 0.7, (0, 2): 0.6, (0, 1): 0.65, (0, 3): 0.5, (0, 1, 3): 0.6, (0, 1, 2, 3): 0.8}

    def score(members: tuple[int, ...]) -> float:
        assert 0 in members
        return worth.get(members, 0.68)

    assert select(4, score, "exhaustive") == (0, 2, 3)
    assert select(4, score, "greedy") == (0, 1, 2, 3)  # 1 first, which keeps it from the best three
    assert len(select(2, score, "exhaustive")) == 2


def saved_run(folder: Path, rng: np.random.Generator, right: float, labels: np.ndarray, name: str) -> Run:
    arrays = {}
    for split in ("validation", "test"):
        decided = np.where(rng.random(len(labels)) < right, labels, rng.integers(0, 7, len(labels)))
        arrays[f"{split}_none"] = posteriors(decided)
        arrays[f"{split}_labels"] = labels
        arrays[f"{split}_speakers"] = np.repeat(["s", "t"], len(labels) // 2)
        arrays[f"{split}_corpora"] = np.array(["a"] * len(labels))
    (folder / name).mkdir()
    np.savez(folder / name / "predictions.npz", **arrays)
    values = SystemConfig(name).as_dict()
    values["features"]["text"] = ""
    write_json(folder / name / "config.json", values)
    write_json(folder / name / "metrics.json", {})
    return Run.load(folder / name)


def test_fair_members_together_beat_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, labels = np.random.default_rng(1), np.repeat(np.arange(7), 30)
    runs = [saved_run(tmp_path, rng, right, labels, f"m{right}") for right in (0.55, 0.6, 0.5, 0.58, 0.1)]
    for vote in ("majority", "mean"):
        result = ensemble(runs, vote, "exhaustive")
        assert result["test"]["chosen"]["macro_f1"] > result["test"]["best"]["macro_f1"] + 0.03
        assert not any(name.endswith("m0.1") for name in result["chosen"])
        assert result["members"][0]["run"] in result["chosen"]
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    arguments = [*(str(run.folder) for run in runs), "--select", "greedy", "--output", str(tmp_path / "result.json")]
    assert module.run(parser.parse_args(arguments)) == 0
    assert "test: macro-F1 chosen" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "result.json").read_text())["chosen"]) >= 3


def test_runs_on_other_clips_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one = saved_run(tmp_path, rng, 0.5, np.repeat(np.arange(7), 30), "one")
    other = saved_run(tmp_path, rng, 0.5, np.repeat(np.arange(7), 20), "other")
    with pytest.raises(SystemExit, match="other clips"):
        ensemble([one, other])
    with pytest.raises(SystemExit, match="at least two"):
        ensemble([one])
