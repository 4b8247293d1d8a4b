"""IEMOCAP (Busso et al., 2008): five sessions of a woman and a man, `Session1/sentences/wav/Ses01F_impro01/..._F000.wav`.

Labels and votes stand in `dialog/EmoEvaluation/Ses01F_impro01.txt`: a line with times, name, agreed emotion and attributes,
then one a judge (`C-E2:  Neutral;  ()`; `C-F1`, `C-M1` are the actors' own and do not count). Excited counts as happiness, as
is usual; frustrated, other and no agreement are none of the seven. Leave one session out: its two speakers test, the next
session's validate.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.corpora.layouts.tree import code, measured, shares, start_of
from train.corpora.manifest import Clip

EMOTIONS = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "fru": "",
    "oth": "",
    "xxx": "",
}
WORDS = {"ang": "anger", "hap": "happiness", "exc": "happiness", "neu": "neutral", "sad": "sadness", "fea": "fear"}
WORDS |= {"sur": "surprise", "dis": "disgust", "fru": "frustration"}
SESSIONS = (1, 2, 3, 4, 5)
AGREED = re.compile(r"\[[\d.]+ - [\d.]+\]\t(\w+)\t(\w+)\t\[(.+)\]")
JUDGE = re.compile(r"C-E\w*:\s*([^(]*)")
SAID = re.compile(r"(\w+) \[[\d.]+-[\d.]+\]:\s*(.*)")


def read(folder: Path, test_session: int = 1) -> list[Clip]:
    """All clips that have an evaluation; those without an agreed label of the seven have label "".

    Args:
        folder: `IEMOCAP_full_release`, or what it lies in.
        test_session: 1 to 5.

    Raises:
        SystemExit: no such session, none of the corpus, a name or an emotion that is not one of IEMOCAP's.
    """
    if test_session not in SESSIONS:
        raise SystemExit(f"no session {test_session}: IEMOCAP has 1 to 5")
    start = start_of(folder, "Session[1-5]", "IEMOCAP")
    splits = dict.fromkeys(SESSIONS, "train") | {test_session: "test", test_session % 5 + 1: "validation"}
    clips = []
    for session in SESSIONS:
        place = start / f"Session{session}"
        if not place.is_dir():
            raise SystemExit(f"{start}: no Session{session}")
        said = texts(place / "dialog" / "transcriptions")
        files = sorted((place / "dialog" / "EmoEvaluation").glob("Ses*.txt"))
        if not files:
            raise SystemExit(f"{place}: no dialog/EmoEvaluation/Ses*.txt in it")
        for file in files:
            for name, emotion, attributes, votes in evaluations(file):
                dialogue, _, turn = name.rpartition("_")
                if not name.startswith(f"Ses{session:02d}") or turn[:1] not in ("F", "M"):
                    raise SystemExit(f"{file}: {name!r} is not a name of session {session}, such as Ses01F_impro01_F000")
                clips.append(
                    Clip(
                        corpus="iemocap",
                        path=place / "sentences" / "wav" / dialogue / f"{name}.wav",
                        label_raw=emotion,
                        label=code(emotion, EMOTIONS, "emotion", f"{file}: {name}"),
                        speaker=f"Ses{session:02d}{turn[0]}",
                        gender=turn[0].lower(),
                        language="en",
                        duration=0.0,
                        extra=attributes,
                        split=splits[session],
                        text=said.get(name, ""),
                        shares=votes,
                    )
                )
    return measured(clips, f"{folder}: IEMOCAP")


def evaluations(path: Path) -> list[tuple[str, str, str, str]]:
    """Name, agreed emotion, attributes and shares of every turn of a dialogue. A judge's several words share one vote.

    Raises:
        SystemExit: a line in brackets that is not a turn.
    """
    found: list[tuple[str, str, str, dict[str, float]]] = []
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if turn := AGREED.match(line):
            valence, activation, dominance = [*turn[3].split(","), "", ""][:3]
            attributes = f"val={valence.strip()};act={activation.strip()};dom={dominance.strip()}"
            found.append((turn[1], turn[2], attributes, {}))
        elif line.startswith("["):
            raise SystemExit(f"{path}, line {number}: not times, name, emotion and attributes between tabs")
        elif found and (judge := JUDGE.match(line)):
            words = [word.strip() for word in judge[1].split(";") if word.strip()]
            votes = found[-1][3]
            for word in words:
                label = WORDS.get(word[:3].lower(), "other")
                votes[label] = votes.get(label, 0.0) + 1.0 / len(words)
    return [(name, emotion, attributes, shares(votes)) for name, emotion, attributes, votes in found]


def texts(place: Path) -> dict[str, str]:
    """What is said by the turn's name; empty where the transcriptions are not there."""
    found = {}
    for file in sorted(place.glob("Ses*.txt")):
        for line in file.read_text(encoding="latin-1").splitlines():
            if said := SAID.match(line):
                found[said[1]] = said[2].strip()
    return found
