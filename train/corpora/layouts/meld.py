"""MELD (Poria et al., 2019): utterances of the series Friends, `train_splits/dia0_utt0.mp4` (or .wav) with `train_sent_emo.csv`.

The official splits are by dialogue: the six main characters (and minor ones) speak in all three, so a system can learn who
they are, and figures are not speaker-independent. `read` refuses them unless `speakers_by_split` says that this is accepted:
then a name counts as another speaker in every split ("Joey (test)"). The corpus's sets share no dialogue.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.corpora.layouts.tree import code, measured, recording, start_of
from train.corpora.manifest import Clip, read_rows

EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
FILES = {"train": "train_sent_emo.csv", "validation": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
PLACES = {
    "train": ("train_splits", "train"),
    "validation": ("dev_splits_complete", "dev_splits", "dev"),
    "test": ("output_repeated_splits_test", "test_splits", "test"),
}
# The published package lacks one of these videos and the other cannot be decoded.
UNUSABLE = {("validation", "110", "7"), ("train", "125", "3")}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def read(folder: Path, speakers_by_split: bool = False) -> list[Clip]:
    """All utterances but the two whose published video is unusable.

    Args:
        folder: `MELD.Raw` unpacked, or what it lies in.
        speakers_by_split: count a character as another speaker in each split.

    Raises:
        SystemExit: a table missing, an emotion that MELD does not have, or (by default) a speaker in two splits.
    """
    clips = []
    for split, name in FILES.items():
        table = start_of(folder, name, f"MELD ({split})") / name
        folders = [place / inner for place in (table.parent, *table.parent.parents[:2]) for inner in PLACES[split]]
        folders += [outer / inner for outer in folders for inner in PLACES[split][:1]]
        folders = [place for place in folders if place.is_dir()] or [table.parent]
        for line, row in read_rows(table, COLUMNS):
            dialogue, utterance = row["Dialogue_ID"].strip(), row["Utterance_ID"].strip()
            if (split, dialogue, utterance) in UNUSABLE:
                continue
            speaker = row["Speaker"].strip()
            clips.append(
                Clip(
                    corpus="meld",
                    path=recording(folders, f"dia{dialogue}_utt{utterance}"),
                    label_raw=row["Emotion"],
                    label=code(row["Emotion"], EMOTIONS, "emotion", f"{table}, line {line}"),
                    speaker=f"{speaker} ({split})" if speakers_by_split else speaker,
                    gender="",
                    language="en",
                    duration=0.0,
                    extra=f"dia{dialogue}",
                    split=split,
                    text=readable(row["Utterance"]),
                )
            )
    refuse_shared_speakers(clips)
    return measured(clips, f"{folder}: MELD")


def refuse_shared_speakers(clips: list[Clip]) -> None:
    """Raise SystemExit where a speaker is in two splits, with what can be done about it."""
    splits: dict[str, set[str]] = {}
    for clip in clips:
        splits.setdefault(clip.speaker, set()).add(clip.split)
    shared = [speaker for speaker, parts in splits.items() if len(parts) > 1]
    if shared:
        raise SystemExit(
            f"MELD: {len(shared)} speakers are in more than one official split ({', '.join(shared[:6])}): figures would not be "
            "speaker-independent; --speakers-by-split takes the official splits all the same"
        )


def readable(text: str) -> str:
    """The tables hold quotation marks of Windows-1252 as control characters of Unicode."""
    return re.sub("[\x80-\x9f]", lambda found: found[0].encode("latin-1").decode("cp1252", "ignore"), text).strip()
