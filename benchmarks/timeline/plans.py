"""What a composed stream holds: which part of which clip lies where, over what, and its form as committed JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train.corpora import data_root

VARIANTS = ("clean", "noisy", "silences", "two speakers")


@dataclass(frozen=True)
class Place:
    """Samples `first` to `last` of a clip, heard from sample `at` of the stream on. path: below the data root's `corpora`.

    segment: number of the segment that it is part of.
    """

    path: str
    first: int
    last: int
    at: int
    label: str
    speaker: str
    segment: int

    @property
    def end(self) -> int:
        return self.at + self.last - self.first


@dataclass(frozen=True)
class Plan:
    """One stream. Levels in decibels of full scale.

    length: samples. seed: of the room bed, and of where noises begin. bed_db: the room bed's level. gains_db: by speaker, one for
    all of their clips. noises: files below the data root's `noise`, joined; none where it is empty. noise_db: their level.
    """

    name: str
    corpus: str
    split: str
    variant: str
    seed: int
    length: int
    bed_db: float
    gains_db: dict[str, float]
    places: tuple[Place, ...]
    noises: tuple[str, ...] = ()
    noise_db: float = 0.0

    def segments(self) -> list[list[Place]]:
        """The places, grouped by segment, in order."""
        found: dict[int, list[Place]] = {}
        for place in self.places:
            found.setdefault(place.segment, []).append(place)
        return list(found.values())


def as_json(plan: Plan) -> dict[str, Any]:
    """As it is committed: a place is a row [path, first, last, at, label, speaker, segment]."""
    return {**asdict(plan), "places": [list(asdict(place).values()) for place in plan.places]}


def read_plans(path: Path) -> list[Plan]:
    """Plans as `write_plans` writes them."""
    plans = []
    for row in json.loads(path.read_text()):
        places = tuple(Place(*place) for place in row["places"])
        plans.append(Plan(**{**row, "places": places, "noises": tuple(row["noises"])}))
    return plans


def check_files(plans: list[Plan]) -> None:
    """Raises SystemExit where a clip or a noise is not at hand."""
    root = data_root()
    wanted = {root / "corpora" / place.path for plan in plans for place in plan.places}
    wanted |= {root / "noise" / name for plan in plans for name in plan.noises}
    missing = sorted(str(file) for file in wanted if not file.is_file())
    if missing:
        told = f"{len(missing)} files of the streams are not at hand, {missing[0]} the first"
        raise SystemExit(f"{told}: set STREAMSER_DATA to where they are")


def write_plans(path: Path, plans: list[Plan]) -> None:
    """One plan a line, so that a change can be read."""
    lines = [json.dumps(as_json(plan), separators=(",", ":"), ensure_ascii=False) for plan in plans]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
