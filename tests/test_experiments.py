"""The framework of `python -m train experiment`: budgets, going on, intervals, reports."""

import argparse
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from train.experiments import command
from train.experiments.cells import (
    Cell,
    NotRun,
    Outcome,
    finished,
    macro_f1_of,
    outcome_of,
    run_cells,
    scores_by_speaker,
    scores_of,
)
from train.experiments.intervals import difference, redrawn, spread
from train.experiments.report import write_report
from train.metrics import UNDECIDED, macro_f1, uar

CORPORA = {"first": 4, "second": 9}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))


def made_up(skill: float, seed: int, speakers: dict[str, int] = CORPORA, spoken: int = 0, spread_of_skill: float = 0.15):
    """Decisions that are right as often as `skill` says, more or less so by speaker: the speakers are the same for every seed."""
    world, luck = np.random.default_rng(spoken), np.random.default_rng([seed, 7])
    tables = {}
    for corpus, count in speakers.items():
        names = np.repeat([f"s{number:02d}" for number in range(count)], 40)
        truth = world.integers(0, 4, len(names))
        easy = np.repeat(world.normal(0, spread_of_skill, count), 40)
        right = luck.random(len(names)) < skill + easy
        decided = np.where(right, truth, luck.integers(0, 7, len(names)))
        tables |= scores_by_speaker(truth, decided, names, corpus)
    return tables


def toy_run(cell: Cell) -> Outcome:
    return outcome_of(cell, {"macro-F1": made_up(cell.settings["skill"], cell.seed)}, parameters=1234567, seconds=2.0)


def toy_cells(seeds, skills=None):
    skills = {"plain": 0.4, "better": 0.6} if skills is None else skills
    return [Cell(name, seed, {"skill": skill}) for name, skill in skills.items() for seed in seeds]


def toy_experiment(run=toy_run, **extra):
    return SimpleNamespace(TITLE="Toys", DATA="made up", REFERENCE="plain", COLUMNS=("skill",), cells=toy_cells, run=run, **extra)


def test_a_score_is_pooled_within_a_corpus_and_a_mean_over_corpora():
    rng = np.random.default_rng(0)
    truth, names = rng.integers(0, 5, 200), rng.choice(["a", "b", "c"], 200)
    decided = np.where(rng.random(200) < 0.5, truth, UNDECIDED)
    tables = scores_by_speaker(truth, decided, names, "first")
    assert sorted(tables) == ["first/a", "first/b", "first/c"]
    assert scores_of(tables)["macro-F1"] == pytest.approx(macro_f1(truth, decided))
    assert scores_of(tables)["UAR"] == pytest.approx(uar(truth, decided))
    perfect = scores_by_speaker(truth, truth, names, "second")
    assert scores_of(tables | perfect)["macro-F1"] == pytest.approx((macro_f1(truth, decided) + 1) / 2)
    assert macro_f1_of(np.zeros((7, 8))) == 0


def test_seeds_come_first_and_the_budget_leaves_cells_not_run():
    order = []

    def run(cell):
        order.append((cell.seed, cell.name))
        return toy_run(cell)

    cells = toy_cells([1, 2])
    assert all(isinstance(one, NotRun) for one in run_cells("toy", cells, run, budget=0))
    assert order == []
    outcomes = run_cells("toy", cells, run, budget=None)
    assert order == [(1, "plain"), (1, "better"), (2, "plain"), (2, "better")]
    assert [one.cell for one in outcomes] == cells


def test_a_killed_experiment_goes_on_and_a_new_recipe_or_setting_starts_again():
    runs = []

    def killed(cell):
        if len(runs) == 2:
            raise KeyboardInterrupt
        runs.append(cell)
        return toy_run(cell)

    cells = toy_cells([1, 2])
    with pytest.raises(KeyboardInterrupt):
        run_cells("toy", cells, killed, None)
    assert len(runs) == 2
    again = []
    outcomes = run_cells("toy", cells, lambda cell: again.append(cell) or toy_run(cell), None)
    assert [(cell.name, cell.seed) for cell in again] == [("plain", 2), ("better", 2)]
    assert outcomes[0].scores == toy_run(cells[0]).scores
    assert outcomes[0].by_speaker == toy_run(cells[0]).by_speaker
    assert outcomes[0].date
    assert finished("toy", cells[0], recipe=2) is None
    assert finished("toy", Cell("plain", 1, {"skill": 0.41}), recipe=1) is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = np.mean([scores_of(made_up(0.5, 1, {"one": 400}, spoken=100 + number))["macro-F1"] for number in range(3)])
    covered = 0
    for trial in range(100):
        outcomes = [
            outcome_of(Cell("row", seed), {"macro-F1": made_up(0.5, 1000 * trial + seed, {"one": 10}, spoken=trial)}, 1, 1.0)
            for seed in (1, 2, 3)
        ]
        found = spread(outcomes, "macro-F1")
        assert found.low <= found.value <= found.high
        covered += found.low <= truth <= found.high
    assert 86 <= covered <= 99


def test_a_paired_difference_is_narrower_than_its_parts():
    rows = {name: [toy_run(cell) for cell in toy_cells([1, 2, 3]) if cell.name == name] for name in ("plain", "better")}
    gain = difference(rows["better"], rows["plain"], "macro-F1")
    parts = [spread(row, "macro-F1") for row in rows.values()]
    assert gain.value == pytest.approx(parts[1].value - parts[0].value)
    assert gain.low > 0
    unpaired = redrawn(rows["better"], "macro-F1") - np.random.default_rng(0).permutation(redrawn(rows["plain"], "macro-F1"))
    assert gain.high - gain.low < np.ptp(np.percentile(unpaired, [2.5, 97.5]))
    same = difference(rows["plain"], rows["plain"], "macro-F1")
    assert same.value == 0
    assert np.isnan(same.low)
    elsewhere = [outcome_of(Cell("other", 1), {"macro-F1": made_up(0.5, 1, {"third": 3})}, 1, 1.0)]
    assert difference(elsewhere, rows["plain"], "macro-F1") is None


def test_the_report_says_what_ran_what_did_not_and_what_was_a_smoke_test(tmp_path):
    outcomes = run_cells("toy", toy_cells([1, 2]), toy_run, None)
    outcomes[3] = NotRun(outcomes[3].cell)
    outcomes.append(NotRun(Cell("never", 1, {"skill": 0.9})))
    outcomes.append(Outcome(Cell("giant", 1, {"skill": 0}), {}, {}, 99, 1.0, real=False))
    text = write_report(
        "toy", "Toys", outcomes, ("skill",), folder=tmp_path, data="made up", reference="plain", measures=("macro-F1",)
    )
    assert (tmp_path / "toy.md").read_text() == text
    assert (tmp_path / "toy.png").stat().st_size > 1000
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    assert re.search(
        r"\| 0\.4 \| 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \| 0\.\d{3} \| reference \| 2 \| 1,234,567 \| 2 \|", lines["plain"]
    )
    assert re.search(r"\+0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\] \| 1 of 2 \|", lines["better"])
    assert "not run (budget)" in lines["never"]
    assert "smoke test on random weights" in lines["giant"]
    assert "2 cells were not run (budget)." in text
    assert "made up" in text
    assert "cores" in text
    saved = json.loads((tmp_path / "toy.json").read_text())
    by_name = {row["name"]: row for row in saved["rows"]}
    assert by_name["better"]["not_run"] == [{"seed": 2, "why": "budget"}]
    assert by_name["better"]["minus_reference"]["low"] > 0
    assert by_name["giant"]["scores"] == {}
    assert by_name["giant"]["real"] is False


def test_nothing_run_is_a_report_too(tmp_path):
    text = command.perform("toy", toy_experiment(), 2, 0, False, tmp_path)
    assert text.count("not run (budget)") == 3
    assert not (tmp_path / "toy.png").exists()
    command.perform("toy", toy_experiment(), 1, None, False, tmp_path)
    forbidden = toy_experiment(run=lambda cell: pytest.fail("ran"))
    assert "0.4 | 0." in command.perform("toy", forbidden, 2, None, True, tmp_path)


def test_a_cell_may_say_why_it_cannot_run_and_is_tried_again(tmp_path):
    def run(cell):
        return NotRun(cell, "no such encoder here") if cell.name == "better" else toy_run(cell)

    text = command.perform("toy", toy_experiment(run=run), 1, None, False, tmp_path)
    assert "| not run (no such encoder here) |" in text
    assert "not run" not in command.perform("toy", toy_experiment(), 1, None, False, tmp_path)


def test_an_experiment_may_draw_its_own_plot(tmp_path):
    drawn = []
    command.perform(
        "toy", toy_experiment(draw=lambda axes, rows: drawn.append([row.name for row in rows])), 1, None, False, tmp_path
    )
    assert drawn == [["plain", "better"]]


@pytest.mark.parametrize(
    "arguments", [["fushion"], ["fusion", "--seeds", "0"], ["fusion", "--budget", "-1"], ["fusion", "--budget", "nan"]]
)
def test_a_mistake_is_one_line(arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit, match=r"fushion.*encoders|--seeds|--budget"):
        command.run(parser.parse_args(arguments))
