"""Write `train/corpora/splits/`: every speaker in one of train, validation, test.

RAVDESS follows EmoBox's folds (test: the first, validation: the second). The others are drawn with a fixed seed, with
both genders in validation and test where they are known; a group of unknown speakers always trains.
"""

from __future__ import annotations

import argparse
import json

from train.corpora import TRAINING_CORPORA, read_corpus
from train.corpora.draw import cut, deal, folds
from train.corpora.layouts import crema_d, emo_db, esd
from train.corpora.split_files import FOLDS_FILE, PUBLISHED_FILE, SPLITS_FILE, Speakers

SEED = 2506_02088
SHARES = {"nemo": (1, 3), "banglaser": (5, 8), "indian_emospeech": (12, 26)}  # speakers in (validation, test)
UNKNOWN_SPEAKER = "d14a028c2a3a"
# EmoBox's folds of RAVDESS: the actors that test.
RAVDESS_FOLDS = ("01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22")


def order_of(corpus: str) -> list[str]:
    """The known speakers of a corpus at hand in a drawn order, genders in turn."""
    genders = {clip.speaker: clip.gender for clip in read_corpus(corpus)}
    return deal({name: gender for name, gender in genders.items() if name != UNKNOWN_SPEAKER}, SEED)


def ravdess_folds() -> list[Speakers]:
    return folds([actors.split() for actors in RAVDESS_FOLDS])


def split_speakers(corpus: str) -> Speakers:
    if corpus == "ravdess":
        return ravdess_folds()[0]
    validation, test = SHARES[corpus]
    parts = cut(order_of(corpus), validation, test)
    unknown = {clip.speaker for clip in read_corpus(corpus)} & {UNKNOWN_SPEAKER}
    return parts | {"train": sorted([*parts["train"], *unknown])}


def cross_validation() -> dict[str, Speakers]:
    """Folds of the corpora with so few speakers that one split says little."""
    order = order_of("nemo")
    # The last three reversed: their first speaker validates alone, and MK0 has no surprise.
    nemo = folds([order[:3], order[3:6], order[:5:-1]], validation=1)
    found = {"ravdess": ravdess_folds(), "nemo": nemo}
    return {f"{corpus}-fold{number}": fold for corpus, parts in found.items() for number, fold in enumerate(parts, 1)}


def published() -> dict[str, Speakers]:
    """Splits of corpora that are not at hand, from what their documentation says of the speakers."""
    pairs = zip(*(sorted(name for name, sex in emo_db.SPEAKERS.items() if sex == wanted) for wanted in "fm"), strict=True)
    crema = {str(actor): "f" if str(actor) in crema_d.WOMEN else "m" for actor in range(1001, 1092)}
    return {
        "crema_d": cut(deal(crema, SEED), 9, 18),
        "esd": cut(deal({name: " ".join(group) for name, group in esd.SPEAKERS.items()}, SEED), 4, 4),
        **{f"emo_db-fold{number}": fold for number, fold in enumerate(folds(list(pairs)), 1)},
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__


def run(args: argparse.Namespace) -> int:
    made = {
        SPLITS_FILE: {corpus: split_speakers(corpus) for corpus in TRAINING_CORPORA},
        FOLDS_FILE: cross_validation(),
        PUBLISHED_FILE: published(),
    }
    for path, splits in made.items():
        path.write_text(json.dumps(splits, indent=1) + "\n")
        for name, parts in splits.items():
            print(name, {split: len(speakers) for split, speakers in parts.items()})
    return 0
