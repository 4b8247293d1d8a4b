"""Published layouts whose labels stand in the names of the files, read from miniature trees. Faults are named by file."""

import json
from collections import Counter

import pytest

from tests.miniature_corpora import by_name, wav, write
from train.corpora.layouts import crema_d, emo_db, esd, ravdess
from train.corpora.split_files import PUBLISHED_FILE


def test_ravdess_reads_speech_alone_in_a_fold(tmp_path):
    for actor in ("01", "04", "08"):
        wav(tmp_path / f"Actor_{actor}" / f"03-01-02-01-01-01-{actor}.wav", 48_000)
    wav(tmp_path / "copies" / "Actor_01" / "03-01-02-01-01-01-01.wav")
    wav(tmp_path / "Actor_01" / "03-02-05-01-01-01-01.wav")
    wav(tmp_path / "Actor_01" / "03-01-08-02-02-01-01.wav")
    clips = by_name(ravdess.read(tmp_path, fold=2))
    assert sorted(clips) == ["03-01-02-01-01-01-01", "03-01-02-01-01-01-04", "03-01-02-01-01-01-08", "03-01-08-02-02-01-01"]
    clip = clips["03-01-08-02-02-01-01"]
    assert (clip.label, clip.speaker, clip.gender, clip.text) == ("surprise", "01", "m", "Dogs are sitting by the door")
    assert {clip.speaker: clip.split for clip in clips.values()} == {"01": "train", "04": "test", "08": "validation"}
    assert clips["03-01-02-01-01-01-01"].label == "calm"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("03-01-09-01-01-01-01", r"03-01-09-01-01-01-01.wav: emotion '09' is none of 01, 02"),
        ("03-01-02-01-01-01-25", "actor '25' is none of"),
        ("take 3", "not a name of RAVDESS, such as"),
    ],
)
def test_faults_of_ravdess(tmp_path, name, message):
    wav(tmp_path / "Actor_01" / f"{name}.wav")
    with pytest.raises(SystemExit, match=message):
        ravdess.read(tmp_path)
    with pytest.raises(SystemExit, match="no split 'ravdess-fold7'"):
        ravdess.read(tmp_path, fold=7)
    (tmp_path / "Actor_01" / f"{name}.wav").unlink()
    with pytest.raises(SystemExit, match="no clips"):
        ravdess.read(tmp_path)
    with pytest.raises(SystemExit, match="no such folder"):
        ravdess.read(tmp_path / "Actor_02")


def test_emo_db_letters_and_folds(tmp_path):
    for name in ("03a01Fa", "08b10Wc", "09a02La", "10a04Nd", "16b03Tb"):
        wav(tmp_path / "emodb" / "wav" / f"{name}.wav")
    clips = by_name(emo_db.read(tmp_path, fold=1))
    assert [clip.label for clip in clips.values()] == ["happiness", "anger", "boredom", "neutral", "sadness"]
    assert [clip.split for clip in clips.values()] == ["test", "test", "validation", "validation", "train"]
    assert [clip.gender for clip in clips.values()] == ["m", "f", "f", "m", "f"]
    assert clips["03a01Fa"].text == "Der Lappen liegt auf dem Eisschrank."
    wav(tmp_path / "emodb" / "wav" / "03a01Xa.wav")
    with pytest.raises(SystemExit, match=r"03a01Xa.wav: emotion 'X' is none of W, L, E, A, F, T, N"):
        emo_db.read(tmp_path)
    (tmp_path / "emodb" / "wav" / "03a01Xa.wav").rename(tmp_path / "emodb" / "wav" / "03-a01.wav")
    with pytest.raises(SystemExit, match="not a name of EMO-DB"):
        emo_db.read(tmp_path)
    with pytest.raises(SystemExit, match="not EMO-DB as published: no wav in it"):
        emo_db.read(tmp_path / "emodb" / "wav")


def test_crema_d_labels_are_what_was_acted_and_shares_what_was_heard(tmp_path):
    for name in ("1001_DFA_ANG_XX", "1003_IEO_HAP_HI", "1012_TSI_NEU_XX", "1076_MTI_SAD_XX"):
        wav(tmp_path / "CREMA-D" / "AudioWAV" / f"{name}.wav")
    votes = '"","A","D","F","H","N","S","fileName","numResponses"\n"100062",6,2,0,0,1,0,"1001_DFA_ANG_XX",9\n'
    write(tmp_path / "CREMA-D" / "processedResults" / "tabulatedVotes.csv", votes + '"300062",0,0,9,0,0,0,"1001_DFA_ANG_XX",9\n')
    clips = by_name(crema_d.read(tmp_path))
    assert list(clips) == ["1001_DFA_ANG_XX", "1003_IEO_HAP_HI", "1012_TSI_NEU_XX"]
    assert [clip.split for clip in clips.values()] == ["train", "test", "validation"]
    assert [clip.gender for clip in clips.values()] == ["m", "f", "f"]
    assert clips["1001_DFA_ANG_XX"].shares == "neutral:1 anger:6 disgust:2"
    assert clips["1003_IEO_HAP_HI"].text == "It's eleven o'clock"
    write(tmp_path / "CREMA-D" / "processedResults" / "tabulatedVotes.csv", votes.replace("6,2", "six,2"))
    with pytest.raises(SystemExit, match=r"tabulatedVotes.csv, line 2: votes that are no numbers"):
        crema_d.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1001_DFA_JOY_XX", r"1001_DFA_JOY_XX.wav: emotion 'JOY' is none of ANG"),
        ("1092_DFA_ANG_XX", r"actor '1092' is none of 1001 \.\.\."),
        ("1001-DFA-ANG", "not a name of CREMA-D, such as"),
    ],
)
def test_faults_of_crema_d(tmp_path, name, message):
    wav(tmp_path / "AudioWAV" / f"{name}.wav")
    with pytest.raises(SystemExit, match=message):
        crema_d.read(tmp_path)


def test_esd_in_its_folders_and_flat(tmp_path):
    start = tmp_path / "Emotion Speech Dataset"
    wav(start / "0011" / "Angry" / "train" / "0011_000351.wav")
    wav(start / "0002" / "Sad" / "0002_001051.wav")
    wav(start / "0001" / "0001_000001.wav")
    write(start / "0011" / "0011.txt", "0011_000351\tNine eggs, all mine.\tAngry\n\n", "utf-16")
    write(start / "0001.txt", "0001_000001\t今天天气很好\t中立\n", "gb18030")
    clips = by_name(esd.read(tmp_path))
    assert {name: (clip.label, clip.language, clip.gender, clip.split) for name, clip in clips.items()} == {
        "0001_000001": ("neutral", "zh", "f", "validation"),
        "0002_001051": ("sadness", "zh", "f", "test"),
        "0011_000351": ("anger", "en", "m", "train"),
    }
    assert (clips["0011_000351"].text, clips["0001_000001"].text[:4]) == ("Nine eggs, all mine.", "今天天气")


def test_faults_of_esd(tmp_path):
    wav(tmp_path / "0011" / "Bored" / "0011_000351.wav")
    with pytest.raises(SystemExit, match=r"0011_000351.wav: emotion 'Bored' is none of Angry"):
        esd.read(tmp_path)
    wav(tmp_path / "0011" / "Angry" / "0012_000351.wav")
    (tmp_path / "0011" / "Bored" / "0011_000351.wav").unlink()
    with pytest.raises(SystemExit, match="not a name of ESD"):
        esd.read(tmp_path)
    write(tmp_path / "0011" / "0011.txt", "0011_000351 Nine eggs\n")
    with pytest.raises(SystemExit, match=r"0011.txt, line 1: not a name, a text and an emotion between tabs"):
        esd.read(tmp_path)


@pytest.mark.parametrize(("name", "groups"), [("esd", esd.SPEAKERS), ("emo_db-fold3", emo_db.SPEAKERS)])
def test_own_splits_hold_every_language_and_sex_in_each_part(name, groups):
    parts = json.loads(PUBLISHED_FILE.read_text())[name]
    assert Counter(speaker for names in parts.values() for speaker in names) == Counter(list(groups))
    for speakers in parts.values():
        assert {groups[speaker] for speaker in speakers} == set(groups.values())
