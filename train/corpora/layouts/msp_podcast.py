"""MSP-Podcast (Lotfian and Busso, 2019), as released for the Interspeech 2025 challenge: `Audios/MSP-PODCAST_0001_0008.wav`.

`Labels/labels_consensus.csv` has a row a clip: FileName, EmoClass (A anger, C contempt, D disgust, F fear, H happiness,
N neutral, S sadness, U surprise, O other, X no agreement), attributes, SpkrID, Gender, Split_Set. Every judge's choice in
`labels_detailed.csv` becomes the shares and `Transcripts/*.txt` the text, where they are there. The official partition is kept:
speakers may be common to its test sets, not to training. A speaker who is not known stands for that of the whole podcast.
"""

from __future__ import annotations

from pathlib import Path

from train.corpora.layouts.tree import code, gender, measured, shares, start_of
from train.corpora.manifest import Clip, read_rows

EMOTIONS = {"A": "anger", "C": "contempt", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral"}
EMOTIONS |= {"S": "sadness", "U": "surprise", "O": "", "X": ""}
WORDS = {"angry": "anger", "sad": "sadness", "happy": "happiness", "surprise": "surprise", "fear": "fear"}
WORDS |= {"disgust": "disgust", "contempt": "contempt", "neutral": "neutral"}
SPLITS = {"Train": "train", "Development": "validation", "Validation": "validation"}
SPLITS |= {"Test": "test", "Test1": "test", "Test2": "test", "Test3": "test"}
CONSENSUS, DETAILED = "labels_consensus.csv", "labels_detailed.csv"
COLUMNS = ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")
ATTRIBUTES = ("EmoAct", "EmoVal", "EmoDom")


def read(folder: Path, test: str = "") -> list[Clip]:
    """All clips with a row of labels; those of no class have label "".

    Args:
        folder: that of the release, with `Audios` and `labels_consensus.csv` (in `Labels` or beside it).
        test: the one test set that is wanted, such as Test1; "" for all.

    Raises:
        SystemExit: not the release, a missing column, a class or a set that it does not have.
    """
    start = start_of(folder, "Audios", "MSP-Podcast")
    labels = start / "Labels" if (start / "Labels" / CONSENSUS).is_file() else start
    votes = voted(labels / DETAILED) if (labels / DETAILED).is_file() else {}
    written = {path.stem: path for path in (start / "Transcripts").rglob("*.txt")}
    clips = []
    for line, row in read_rows(labels / CONSENSUS, COLUMNS):
        name, part = row["FileName"], row["Split_Set"]
        where = f"{labels / CONSENSUS}, line {line}"
        split = code(part, SPLITS, "Split_Set", where)
        if split == "test" and test not in ("", part):
            continue
        stem = Path(name).stem
        known = row["SpkrID"].strip().lower() not in ("", "unknown")
        clips.append(
            Clip(
                corpus="msp_podcast",
                path=start / "Audios" / name,
                label_raw=row["EmoClass"],
                label=code(row["EmoClass"], EMOTIONS, "EmoClass", where),
                speaker=row["SpkrID"].strip() if known else f"unknown of {stem.rpartition('_')[0]}",
                gender=gender(row["Gender"]),
                language="en",
                duration=0.0,
                extra=";".join([f"set={part}", *(f"{key}={row[key]}" for key in ATTRIBUTES if key in row)]),
                split=split,
                text=written[stem].read_text(encoding="utf-8", errors="replace").strip() if stem in written else "",
                shares=shares(votes.get(name, {})),
            )
        )
    if test and not any(clip.split == "test" for clip in clips):
        raise SystemExit(f"{labels / CONSENSUS}: no clip is of {test}")
    return measured(clips, f"{folder}: MSP-Podcast")


def voted(path: Path) -> dict[str, dict[str, float]]:
    """How many judges chose what, by file name; what is none of the eight classes counts as other.

    Newer releases have the choice in a column of its own, older ones in EmoDetail ("WORKER1; Angry; Angry,Sad; A:5; ...").

    Raises:
        SystemExit: neither column.
    """
    found: dict[str, dict[str, float]] = {}
    for line, row in read_rows(path, ("FileName",)):
        if "EmoClass_Major" in row:
            choice = row["EmoClass_Major"]
        elif row.get("EmoDetail", "").count(";") > 1:
            choice = row["EmoDetail"].split(";")[1]
        else:
            raise SystemExit(f"{path}, line {line}: neither EmoClass_Major nor EmoDetail says what the judge chose")
        votes = found.setdefault(row["FileName"], {})
        label = WORDS.get(choice.strip().lower(), "other")
        votes[label] = votes.get(label, 0.0) + 1.0
    return found
