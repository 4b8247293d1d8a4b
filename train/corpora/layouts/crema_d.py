"""CREMA-D (Cao et al., 2014): `AudioWAV/1001_DFA_ANG_XX.wav`. 91 actors, 6 emotions, 12 sentences.

The name holds the actor, the sentence, the emotion that was to be acted (the label here) and its level. What listeners heard
in the sound alone becomes the shares, where `processedResults/tabulatedVotes.csv` is there. The split is our own: EmoBox's has
all 91 actors in both parts.
"""

from __future__ import annotations

from pathlib import Path

from train.corpora.layouts.tree import code, measured, recordings, shares, start_of
from train.corpora.manifest import LABELS, Clip, read_rows
from train.corpora.split_files import split_by_speaker

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
WOMEN = (
    "1002 1003 1004 1006 1007 1008 1009 1010 1012 1013 1018 1020 1021 1024 1025 1028 1029 1030 1037 1043 1046 1047 "
    "1049 1052 1053 1054 1055 1056 1058 1060 1061 1063 1072 1073 1074 1075 1076 1078 1079 1082 1084 1089 1091"
)
UNUSABLE = ("1076_MTI_SAD_XX", "1064_IEO_DIS_MD")  # known errors: one is silent, the other a minute with all emotions
VOTES = Path("processedResults") / "tabulatedVotes.csv"
VOICE = 1  # the votes' key is 100,000 x what was shown (1: sound alone) + the clip


def read(folder: Path) -> list[Clip]:
    """All clips but the two that are known to be faulty.

    Raises:
        SystemExit: no `AudioWAV` folder, no clips, a name that is not one of CREMA-D's, or votes that cannot be read.
    """
    start = start_of(folder, "AudioWAV", "CREMA-D")
    splits = split_by_speaker("crema_d")
    votes = heard(start / VOTES) if (start / VOTES).is_file() else {}
    clips = []
    for path in recordings(start / "AudioWAV"):
        parts = path.stem.split("_")
        if len(parts) != 4:
            raise SystemExit(f"{path}: not a name of CREMA-D, such as 1001_DFA_ANG_XX.wav")
        if path.stem in UNUSABLE:
            continue
        actor, sentence, emotion, level = parts
        clips.append(
            Clip(
                corpus="crema_d",
                path=path,
                label_raw=emotion,
                label=code(emotion, EMOTIONS, "emotion", path),
                speaker=actor,
                gender="f" if actor in WOMEN else "m",
                language="en",
                duration=0.0,
                extra=f"level={code(level[:2], LEVELS, 'level', path)};{sentence}",
                split=code(actor, splits, "actor", path),
                text=code(sentence, SENTENCES, "sentence", path),
                shares=votes.get(path.stem, ""),
            )
        )
    return measured(clips, f"{folder}: CREMA-D")


def heard(path: Path) -> dict[str, str]:
    """Shares by the clip's name, from the votes of those who heard the sound alone.

    Raises:
        SystemExit: not the published file, or a count that is no number.
    """
    letters = {label[0].upper(): label for label in LABELS if label != "surprise"}
    found = {}
    for line, row in read_rows(path, ("", "fileName", *letters)):
        try:
            if int(row[""]) // 100_000 == VOICE:
                found[row["fileName"].strip()] = shares({label: float(row[letter]) for letter, label in letters.items()})
        except ValueError:
            raise SystemExit(f"{path}, line {line}: votes that are no numbers") from None
    return found
