"""Write `splits.json`: every speaker of the four training corpora in one of train, validation, test.

RAVDESS follows EmoBox's folds (test: the first, validation: the second). The others are drawn with a fixed seed, with
both genders in validation and test where the manifest gives them; a group of unknown speakers always trains.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from train.corpora import SPLITS_FILE, TRAINING_CORPORA, read_corpus

SHARES = {"nemo": (1, 3), "banglaser": (5, 8), "indian_emospeech": (12, 26)}  # speakers in (validation, test)
UNKNOWN_SPEAKER = "d14a028c2a3a"
RAVDESS_TEST = ("01", "11", "20", "21")
RAVDESS_VALIDATION = ("04", "10", "12", "14")


def split_speakers(corpus: str) -> dict[str, list[str]]:
    genders = {clip.speaker: clip.gender for clip in read_corpus(corpus)}
    if corpus == "ravdess":
        held = {*RAVDESS_TEST, *RAVDESS_VALIDATION}
        train = sorted(set(genders) - held)
        return {"train": train, "validation": list(RAVDESS_VALIDATION), "test": list(RAVDESS_TEST)}
    rng = np.random.default_rng(2506_02088)
    by_gender = {}
    for gender in sorted(set(genders.values())):
        names = sorted(name for name in genders if genders[name] == gender and name != UNKNOWN_SPEAKER)
        by_gender[gender] = [str(name) for name in rng.permutation(names)]
    # Deal the genders out in turn, so that the first few speakers are balanced.
    order: list[str] = []
    while any(by_gender.values()):
        order += [names.pop(0) for names in by_gender.values() if names]
    validation, test = SHARES[corpus]
    train = order[validation + test :] + [name for name in genders if name == UNKNOWN_SPEAKER]
    return {"train": sorted(train), "validation": sorted(order[test : test + validation]), "test": sorted(order[:test])}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__


def run(args: argparse.Namespace) -> int:
    splits = {corpus: split_speakers(corpus) for corpus in TRAINING_CORPORA}
    SPLITS_FILE.write_text(json.dumps(splits, indent=1) + "\n")
    for corpus, parts in splits.items():
        print(corpus, {name: len(speakers) for name, speakers in parts.items()})
    return 0
