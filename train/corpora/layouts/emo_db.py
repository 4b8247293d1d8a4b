"""EMO-DB (Burkhardt et al., 2005): `wav/03a01Fa.wav`. 10 German actors, 7 emotions, 10 sentences.

The name holds the speaker, the sentence, the letter of the German word for the emotion, and the take. Boredom is none of the
seven labels. The split is one of five folds of our own, a woman and a man each: EmoBox's share all ten speakers.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.corpora.layouts.tree import code, measured, recordings, start_of
from train.corpora.manifest import Clip
from train.corpora.split_files import split_by_speaker

EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SPEAKERS = {
    "03": "m",
    "08": "f",
    "09": "f",
    "10": "m",
    "11": "m",
    "12": "m",
    "13": "f",
    "14": "f",
    "15": "m",
    "16": "f",
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z])")


def read(folder: Path, fold: int = 1) -> list[Clip]:
    """All clips. fold: 1 to 5; its two speakers test, the next fold's validate.

    Raises:
        SystemExit: no `wav` folder, no clips, a name that is not one of EMO-DB's, or no such fold.
    """
    splits = split_by_speaker(f"emo_db-fold{fold}")
    clips = []
    for path in recordings(start_of(folder, "wav", "EMO-DB") / "wav"):
        found = NAME.fullmatch(path.stem)
        if not found:
            raise SystemExit(f"{path}: not a name of EMO-DB, such as 03a01Fa.wav")
        speaker, sentence, emotion, take = found.groups()
        clips.append(
            Clip(
                corpus="emo_db",
                path=path,
                label_raw=emotion,
                label=code(emotion, EMOTIONS, "emotion", path),
                speaker=speaker,
                gender=code(speaker, SPEAKERS, "speaker", path),
                language="de",
                duration=0.0,
                extra=f"{sentence};take{take}",
                split=splits[speaker],
                text=code(sentence, SENTENCES, "sentence", path),
            )
        )
    return measured(clips, f"{folder}: EMO-DB")
