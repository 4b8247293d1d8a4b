"""RAVDESS, speech (Livingstone and Russo, 2018): `Actor_12/03-01-06-01-02-01-12.wav`. 24 actors, 8 emotions, 2 sentences.

The parts of a name are modality (03: sound alone), channel (01: speech, 02: song), emotion, intensity, sentence, take and
actor; odd actors are men. Video and song are passed over. The split is one of EmoBox's six folds, which share no actor.
"""

from __future__ import annotations

from pathlib import Path

from train.corpora.layouts.tree import code, measured, recordings
from train.corpora.manifest import Clip
from train.corpora.split_files import split_by_speaker

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}


def read(folder: Path, fold: int = 1) -> list[Clip]:
    """All spoken clips. fold: 1 to 6; its actors test, the next fold's validate.

    Raises:
        SystemExit: no clips, a name that is not one of RAVDESS's, or no such fold.
    """
    splits = split_by_speaker(f"ravdess-fold{fold}")
    clips = []
    for path in recordings(folder):
        parts = path.stem.split("-")
        if len(parts) != 7 or not all(part.isdigit() and len(part) == 2 for part in parts):
            raise SystemExit(f"{path}: not a name of RAVDESS, such as 03-01-06-01-02-01-12.wav")
        modality, channel, emotion, intensity, sentence, take, actor = parts
        if modality != "03" or channel != "01":
            continue
        clips.append(
            Clip(
                corpus="ravdess",
                path=path,
                label_raw=emotion,
                label=code(emotion, EMOTIONS, "emotion", path),
                speaker=actor,
                gender="m" if int(actor) % 2 else "f",
                language="en",
                duration=0.0,
                extra=f"intensity{intensity};stmt{sentence};take{take}",
                split=code(actor, splits, "actor", path),
                text=code(sentence, SENTENCES, "sentence", path),
            )
        )
    return measured(clips, f"{folder}: RAVDESS")
