"""The committed splits: which speakers train, which validate, which test. Made by `python -m train splits`.

`splits/splits.json`: the four corpora at hand that may train. `splits/folds.json`: cross-validation of two of them
(`ravdess-fold1` to `-fold6` with EmoBox's test actors, `nemo-fold1` to `-fold3` our own; fold 1 is the split of
`splits.json`). `splits/published.json`: corpora that are read from their published layout (`crema_d`, `esd`,
`emo_db-fold1` to `-fold5`), all our own, because EmoBox's CREMA-D and EMO-DB share speakers between training and test.
"""

from __future__ import annotations

import json
from pathlib import Path

SPLITS_FILE = Path(__file__).with_name("splits") / "splits.json"
FOLDS_FILE = SPLITS_FILE.with_name("folds.json")
PUBLISHED_FILE = SPLITS_FILE.with_name("published.json")

Speakers = dict[str, list[str]]  # by split


def corpora_at_hand() -> dict[str, Speakers]:
    """Speakers by split of every corpus at hand that may train, and of every fold of one."""
    return {**json.loads(SPLITS_FILE.read_text()), **json.loads(FOLDS_FILE.read_text())}


def split_by_speaker(name: str) -> dict[str, str]:
    """The split of every speaker, for a name in any of the three files.

    Raises:
        SystemExit: no such name.
    """
    known = {**corpora_at_hand(), **json.loads(PUBLISHED_FILE.read_text())}
    if name not in known:
        near = [other for other in known if other.partition("-fold")[0] == name.partition("-fold")[0]]
        raise SystemExit(f"no split {name!r}: there are {', '.join(near or known)}")
    return {speaker: split for split, names in known[name].items() for speaker in names}
