"""The parts of a pack of a user's own data: the fusion of their members, the default pack's other networks, a card to complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from export.fusion import export_members
from train.corpora import LABELS, SPLITS, clips_of
from train.own_data import title_of
from train.whisper import PACK

CARD_TEMPLATE = Path(__file__).with_name("own_model_card.md")
COPIED_LICENCE = "CC BY-NC-SA 4.0"  # of the default pack's networks
HEARD = "English words join the decision."
UNHEARD = "Words are transcribed; what they say of emotion is reported, but does not join the decision."


def gather(folder: Path, members: list[str], files: Iterable[str]) -> list[dict[str, Any]]:
    """Export members into a folder and copy the other files of the default pack beside them; returns what taught them.

    Raises:
        SystemExit: the folder is the default pack's, or as `export_members`.
    """
    if folder.resolve() == PACK:
        raise SystemExit("name a folder of your own: this is the default pack's")
    corpora, labels = export_members(members, folder)
    for file in files:
        shutil.copyfile(PACK / file, folder / file)
    return [described(corpus, labels) for corpus in corpora]


def described(corpus: str, labels: tuple[str, ...]) -> dict[str, Any]:
    """A corpus in figures: clips and speakers by split, hours, languages, clips by label."""
    splits = {split: clips_of(corpus, split, labels) for split in SPLITS}
    clips = [clip for split in splits.values() for clip in split]
    return {
        "name": title_of(corpus),
        "hours": round(sum(clip.duration for clip in clips) / 3600, 2),
        "clips": {split: len(found) for split, found in splits.items()},
        "speakers": {split: len({clip.speaker for clip in found}) for split, found in splits.items()},
        "languages": sorted({clip.language for clip in clips if clip.language}),
        "labels": {label: sum(clip.label == label for clip in clips) for label in labels},
    }


def joint_licence(licence: str) -> str:
    """The licence of the whole: the user's for the fusion, the default pack's for what is copied from it."""
    if licence == COPIED_LICENCE:
        return licence
    return f"fusion: {licence}; pitch, spectral and text networks: {COPIED_LICENCE}"


def card(fields: dict[str, Any], figures: str) -> str:
    """The model card, with what only its maker can say left to do; fields: of `pack.json`."""
    members, words = fields["members"], fields["words"]
    heard = words["in_fusion"] or (words.get("weight", 0.0) > 0 and set(fields["labels"]) <= set(LABELS))
    lines = [
        "| corpus | hours | clips (train / validation / test) | speakers | languages | clips by label |",
        "|---" * 6 + "|",
    ]
    for entry in fields["training"]["data"]:
        clips, speakers = (" / ".join(str(entry[what][split]) for split in SPLITS) for what in ("clips", "speakers"))
        labels = ", ".join(f"{label} {count}" for label, count in entry["labels"].items())
        languages = ", ".join(entry["languages"]) or "not told"
        lines.append(f"| {entry['name']} | {entry['hours']} | {clips} | {speakers} | {languages} | {labels} |")
    return CARD_TEMPLATE.read_text(encoding="utf-8").format(
        name=fields["name"],
        members=len(members),
        plural="s" if len(members) > 1 else "",
        labels=", ".join(fields["labels"]),
        words=HEARD if heard else UNHEARD,
        licence=fields["licence"],
        data="\n".join(lines),
        figures=figures,
    )
