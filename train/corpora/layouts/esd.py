"""ESD, the emotional speech dataset (Zhou et al., 2021): `0011/Angry/train/0011_000401.wav`, or without the inner folders.

10 English and 10 Mandarin speakers say the same 350 sentences each in 5 emotions. Its own train, evaluation and test folders
share all speakers (they are for voice conversion) and are not used; the split is our own, two speakers a language in
validation and in test. What is said stands in `0011/0011.txt` (or `0011.txt`): name, text and emotion between tabs.
"""

from __future__ import annotations

from pathlib import Path

from train.corpora.layouts.tree import code, measured, recordings, start_of
from train.corpora.manifest import Clip
from train.corpora.split_files import split_by_speaker

EMOTIONS = {"Angry": "anger", "Happy": "happiness", "Neutral": "neutral", "Sad": "sadness", "Surprise": "surprise"}
EMOTIONS |= {"生气": "anger", "快乐": "happiness", "中立": "neutral", "伤心": "sadness", "惊喜": "surprise"}
SPEAKERS = {f"{number:04d}": ("zh", sex) for number, sex in enumerate("fffmmmfmfm", 1)}
SPEAKERS |= {f"{number:04d}": ("en", sex) for number, sex in enumerate("mmmmfffffm", 11)}
ENCODINGS = ("utf-8-sig", "gb18030", "latin-1")  # the transcripts differ by speaker


def read(folder: Path) -> list[Clip]:
    """All clips of the speakers that are there.

    Raises:
        SystemExit: no speaker's folder, no clips, or a clip whose speaker, emotion or name is not one of ESD's.
    """
    start = start_of(folder, "00[0-2][0-9]", "ESD")
    splits = split_by_speaker("esd")
    clips = []
    for place in sorted(start.glob("00[0-2][0-9]")):
        said = transcripts(place)
        for path in recordings(place):
            if not path.stem.startswith(f"{place.name}_"):
                raise SystemExit(f"{path}: not a name of ESD, such as {place.name}_000401.wav")
            language, sex = SPEAKERS.get(place.name, ("", ""))
            text, written = said.get(path.stem, ("", ""))
            inside = path.relative_to(place).parts
            emotion = inside[0] if len(inside) > 1 else written
            clips.append(
                Clip(
                    corpus="esd",
                    path=path,
                    label_raw=emotion,
                    label=code(emotion, EMOTIONS, "emotion", path),
                    speaker=place.name,
                    gender=sex,
                    language=language,
                    duration=0.0,
                    extra="",
                    split=code(place.name, splits, "speaker", path),
                    text=text,
                )
            )
    return measured(clips, f"{folder}: ESD")


def transcripts(place: Path) -> dict[str, tuple[str, str]]:
    """Text and emotion by the clip's name; empty where there is no transcript.

    Raises:
        SystemExit: a line that has not three values between tabs.
    """
    beside = (place / f"{place.name}.txt", place.with_name(f"{place.name}.txt"))
    path = next((path for path in beside if path.is_file()), None)
    if path is None:
        return {}
    found = {}
    for number, line in enumerate(decoded(path.read_bytes()).splitlines(), 1):
        parts = [part.strip() for part in line.split("\t")]
        if not any(parts):
            continue
        if len(parts) != 3:
            raise SystemExit(f"{path}, line {number}: not a name, a text and an emotion between tabs")
        found[parts[0]] = (parts[1], parts[2])
    return found


def decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    for encoding in ENCODINGS[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(ENCODINGS[-1])
