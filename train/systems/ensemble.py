"""`python -m train ensemble RUN ...`: several trained systems decide together, chosen as the paper chooses them.

The search is over class-balanced random subsets of validation (each as large per class as its smallest class), always with the
best single system and at least three members (arXiv 2506.02088, section 5). With several corpora the subsets are balanced within
each, and the score is the mean over corpora. Test is looked at once, after the choice.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from train.corpora import cache_root
from train.fusion.decide import ensemble_posteriors
from train.metrics import uar
from train.systems.runs import EVALUATED, Run, write_json
from train.systems.scores import Predictions, macro_f1_by_corpus

SUBSETS = 100
FEWEST = 3  # members
MOST_EXHAUSTIVE = 14  # runs, 8192 combinations around the best; beyond, greedy
Vote = Literal["majority", "mean"]
Selection = Literal["greedy", "exhaustive"]


def majority(decided: np.ndarray) -> np.ndarray:
    """The label that most members give, int64 [clips]; a tie goes to the tied label of the earliest member.

    decided: int64 [members, clips], the best member first.
    """
    votes = (decided[:, None] == decided[None]).sum(0)  # [members, clips]: how many say what this member says
    return np.asarray(np.take_along_axis(decided, votes.argmax(0)[None], 0)[0])


def decide_together(members: Sequence[np.ndarray], vote: Vote) -> np.ndarray:
    """int64 [clips]. members: calibrated log-posteriors float32 [clips, labels], the best member's first.

    `mean` takes the mean of the log-posteriors, as the runtime does.
    """
    stacked = np.stack(members)
    return majority(stacked.argmax(-1)) if vote == "majority" else np.asarray(ensemble_posteriors(stacked).argmax(-1))


@dataclass(frozen=True)
class BalancedSubsets:
    """Class-balanced random subsets of clips, a set a corpus: rows int64 [subsets, drawn] and the labels that occur."""

    rows: list[np.ndarray]
    labels: np.ndarray

    @classmethod
    def draw(cls, labels: np.ndarray, corpora: np.ndarray, count: int = SUBSETS, seed: int = 0) -> BalancedSubsets:
        """labels: int64 [clips]; corpora: str [clips]. Drawn without replacement."""
        rng = np.random.default_rng(seed)
        found = []
        for corpus in np.unique(corpora):
            classes = [np.flatnonzero((corpora == corpus) & (labels == label)) for label in np.unique(labels[corpora == corpus])]
            each = min(map(len, classes))
            found.append(np.array([np.concatenate([rng.permutation(rows)[:each] for rows in classes]) for _ in range(count)]))
        return cls(found, labels)

    def score(self, decided: np.ndarray) -> float:
        """Macro-F1, mean over subsets and corpora. decided: int64 [clips]."""
        size = int(max(self.labels.max(), decided.max())) + 1
        scores = []
        for rows in self.rows:
            cells = (np.arange(len(rows))[:, None] * size + self.labels[rows]) * size + decided[rows]
            tables = np.bincount(cells.ravel(), minlength=len(rows) * size * size).reshape(len(rows), size, size)
            truth, said = tables.sum(2), tables.sum(1)
            f1 = 2 * np.diagonal(tables, axis1=1, axis2=2) / np.maximum(truth + said, 1)
            scores.append(f1.sum(1) / (truth > 0).sum(1))
        return float(np.mean(scores))


def select(count: int, score: Callable[[tuple[int, ...]], float], how: Selection) -> tuple[int, ...]:
    """The members, in rising order of their places.

    Args:
        count: of candidates, the best single one first; it is always a member.
        score: of a combination.
        how: `exhaustive` tries every one of at least FEWEST (or all there are); `greedy` adds whichever helps most, or hurts
            least while there are fewer than FEWEST.
    """
    fewest = min(FEWEST, count)
    if how == "exhaustive":
        others = range(1, count)
        sizes = range(fewest - 1, count)
        return max(((0, *rest) for size in sizes for rest in itertools.combinations(others, size)), key=score)
    chosen: tuple[int, ...] = (0,)
    best = score(chosen)
    while len(chosen) < count:
        found = max((tuple(sorted((*chosen, other))) for other in range(count) if other not in chosen), key=score)
        if len(chosen) >= fewest and score(found) <= best:
            break
        chosen, best = found, score(found)
    return chosen


def ensemble(runs: Sequence[Run], vote: Vote = "majority", how: Selection = "exhaustive", words: bool = True) -> dict[str, Any]:
    """Choose members on validation and score them.

    Returns:
        members: names, best first, with their own scores; chosen: the names of the chosen; vote, select; and by split the
        macro_f1 and uar of the chosen together, of all together and of the best alone, means over corpora, with `corpora`.

    Raises:
        SystemExit: fewer than two runs, or runs that were scored on different clips or labels.
    """
    if len(runs) < 2:
        raise SystemExit("an ensemble needs at least two runs")
    found = {split: [run.predictions(split, words) for run in runs] for split in EVALUATED}
    for run, validation, test in zip(runs, found["validation"], found["test"], strict=True):
        if run.config.data.labels != runs[0].config.data.labels or not (
            _same_clips(validation, found["validation"][0]) and _same_clips(test, found["test"][0])
        ):
            raise SystemExit(f"{run.folder} was scored on other clips or labels than {runs[0].folder}")
    first = found["validation"][0]
    subsets = BalancedSubsets.draw(first.labels, first.corpora)
    alone = [subsets.score(entry.decided()) for entry in found["validation"]]
    order = sorted(range(len(runs)), key=lambda place: -alone[place])
    posteriors = {split: [found[split][place].log_posteriors for place in order] for split in EVALUATED}
    if how == "exhaustive" and len(runs) > MOST_EXHAUSTIVE:
        raise SystemExit(f"{len(runs)} runs are too many to try every combination: --select greedy")

    def score(members: tuple[int, ...]) -> float:
        return subsets.score(decide_together([posteriors["validation"][member] for member in members], vote))

    chosen = select(len(runs), score, how)
    result: dict[str, Any] = {
        "vote": vote,
        "select": how,
        "members": [{"run": str(runs[place].folder), "balanced_validation": round(alone[place], 5)} for place in order],
        "chosen": [str(runs[order[member]].folder) for member in chosen],
        "balanced_validation": round(score(chosen), 5),
    }
    for split in EVALUATED:
        truth = found[split][0]
        result[split] = {
            name: _scores(truth, decide_together([posteriors[split][member] for member in members], vote))
            for name, members in {"chosen": chosen, "all": tuple(range(len(runs))), "best": (0,)}.items()
        }
    return result


def _same_clips(one: Predictions, other: Predictions) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("labels", "speakers", "corpora"))


def _scores(truth: Predictions, decided: np.ndarray) -> dict[str, Any]:
    by_corpus = macro_f1_by_corpus(truth.labels, decided, truth.corpora)
    recalls = [uar(truth.labels[truth.corpora == corpus], decided[truth.corpora == corpus]) for corpus in by_corpus]
    return {
        "macro_f1": round(float(np.mean(list(by_corpus.values()))), 5),
        "uar": round(float(np.mean(recalls)), 5),
        "corpora": {corpus: round(value, 5) for corpus, value in by_corpus.items()},
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of finished trainings")
    parser.add_argument("--vote", choices=("majority", "mean"), default="majority")
    parser.add_argument("--select", choices=("greedy", "exhaustive"), default="exhaustive")
    parser.add_argument("--output", type=Path, help="the JSON file (default: ensemble.json in the cache)")


def run(args: argparse.Namespace) -> int:
    result = ensemble([Run.load(folder) for folder in args.runs], args.vote, args.select)
    for member in result["members"]:
        mark = "*" if member["run"] in result["chosen"] else " "
        print(f"{mark} {member['balanced_validation']:.4f}  {member['run']}")
    for split in EVALUATED:
        shown = ", ".join(f"{name} {entry['macro_f1']:.4f} (UAR {entry['uar']:.4f})" for name, entry in result[split].items())
        print(f"{split}: macro-F1 {shown}")
    path = args.output or cache_root() / "ensemble.json"
    write_json(path, result)
    print(path)
    return 0
