"""Do several systems decide better together? The members are the systems of `fusion` and `prosody` that share a seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from train.experiments import fusion, grids, prosody
from train.experiments.cells import Cell, Outcome, Tables, outcome_of
from train.experiments.pooled import Truth
from train.systems.ensemble import BalancedSubsets, Selection, Vote, decide_together, select
from train.systems.runs import Run

TITLE = "Ensembles of different systems: votes, mean posteriors, chosen members"
DATA = grids.DATA_LINE + (
    " Members: the systems of `fusion` and `prosody` with one seed, so that seeds are repetitions. They are ranked and chosen on "
    "class-balanced resamples of validation, as the paper does; a tied vote goes to the better member."
)
BEST, SEEDS_OF_ONE = "best single on validation", "three seeds of MDAT, mean of posteriors"
REFERENCE = BEST
COLUMNS = ("members", "vote")
SCORES, RECIPE = grids.SCORES, grids.RECIPE
Members = Literal["all", "greedy", "exhaustive"]
TOGETHER: dict[str, tuple[Members, Vote]] = {
    "majority vote of all": ("all", "majority"),
    "mean of all posteriors": ("all", "mean"),
    "greedy choice, majority vote": ("greedy", "majority"),
    "greedy choice, mean of posteriors": ("greedy", "mean"),
    "best of all combinations, majority vote": ("exhaustive", "majority"),
}


def systems(seed: int) -> dict[str, Cell]:
    """The candidates with a seed."""
    others = {f"mdat, F0 {cell.name}": cell for cell in prosody.cells([seed]) if cell.name != "none"}
    return {cell.name: cell for cell in fusion.cells([seed])} | others


def cells(seeds: list[int]) -> list[Cell]:
    """Each system alone, the one that validation prefers, and what they decide together."""
    alone = [Cell(name, seed, {"system": name}) for name in systems(1) for seed in seeds]
    best = [Cell(BEST, seed, {"members": "best"}) for seed in seeds]
    together = [Cell(name, seed, {"members": who, "vote": vote}) for name, (who, vote) in TOGETHER.items() for seed in seeds]
    return [*alone, *best, *together, Cell(SEEDS_OF_ONE, seeds[0], {"members": "mdat", "vote": "mean", "seeds": seeds})]


def run(cell: Cell) -> Outcome:
    """Train what is not trained yet, choose on validation, decide on test."""
    if "system" in cell.settings:
        return replace(grids.run(systems(cell.seed)[cell.settings["system"]]), cell=cell)
    if "seeds" in cell.settings:
        members = [trained(systems(seed)["mdat"]) for seed in cell.settings["seeds"]]
        return decided_by(cell, members, "mean")
    ranked = by_validation([trained(system) for system in systems(cell.seed).values()])
    if cell.settings["members"] == "best":
        return replace(grids.outcome_of_run(cell, ranked[0]), cell=cell)
    vote = cast(Vote, cell.settings["vote"])
    if cell.settings["members"] != "all":
        ranked = chosen(ranked, vote, cast(Selection, cell.settings["members"]))
    return decided_by(cell, ranked, vote)


def trained(system: Cell) -> Run:
    """The finished training of a candidate, with the learning rate that its experiment chose."""
    settings = dict(system.settings)
    if grids.RATES in settings:
        settings["training.learning_rate"] = grids.chosen_rate(settings, 1)
    return grids.trained(grids.config_of(settings, system.seed))


def _subsets(runs: list[Run]) -> BalancedSubsets:
    first = runs[0].predictions("validation")
    return BalancedSubsets.draw(first.labels, first.corpora)


def by_validation(runs: list[Run]) -> list[Run]:
    """The runs, the best on resamples of validation first."""
    subsets = _subsets(runs)
    return sorted(runs, key=lambda done: -subsets.score(done.predictions("validation").decided()))


def chosen(ranked: list[Run], vote: Vote, how: Selection) -> list[Run]:
    """The members that decide best together on resamples of validation, still in order."""
    subsets, heard = _subsets(ranked), [done.predictions("validation").log_posteriors for done in ranked]
    places = select(len(ranked), lambda members: subsets.score(decide_together([heard[place] for place in members], vote)), how)
    return [ranked[place] for place in places]


def decided_by(cell: Cell, members: list[Run], vote: Vote) -> Outcome:
    """What members decide on test, with and without words; parameters and seconds are their sums."""
    by_speaker = {grids.SOUND: _tables(members, vote, "test", False), grids.WORDS: _tables(members, vote, "test", True)}
    parameters = sum(int(done.metrics["parameters"]) for done in members)
    found = outcome_of(cell, by_speaker, parameters, sum(float(done.metrics["seconds"]) for done in members))
    validation = grids.macro_f1(_tables(members, vote, "validation", True))
    return replace(found, scores={**found.scores, grids.VALIDATION: validation})


def _tables(members: list[Run], vote: Vote, split: str, words: bool) -> Tables:
    found = [done.predictions(split, words) for done in members]
    truth = Truth(found[0].labels, found[0].corpora, found[0].speakers)
    return truth.tables(decide_together([entry.log_posteriors for entry in found], vote))
