"""A user's own folder and the verb `corpus`: from a CSV of path, label, speaker to a manifest that can be trained on."""

import sys

import pytest

from tests.miniature_corpora import by_name, wav, write
from train.__main__ import main
from train.corpora import clips_of, read_manifest
from train.corpora.layouts import folder

LABELS = ("tired", "lively")


def make(place, speakers, labels=LABELS, columns="", values=""):
    """A folder with one clip a speaker and label."""
    rows = []
    for speaker in speakers:
        for label in labels:
            wav(place / "sounds" / f"{speaker}-{label}.wav", 22_050)
            rows.append(f"sounds/{speaker}-{label}.wav,{label},{speaker}{values}\n")
    write(place / "mine.csv", f"path,label,speaker{columns}\n" + "".join(rows))
    return place


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["train", "corpus", *map(str, words)])
    return main()


def parts_of(clips):
    return {split: {clip.speaker for clip in clips if clip.split == split} for split in ("train", "validation", "test")}


def test_speakers_are_drawn_apart_and_every_label_is_in_each_part(tmp_path):
    clips = list(by_name(folder.read(make(tmp_path, "abcdefghij")), LABELS).values())
    parts = parts_of(clips)
    assert [len(parts[split]) for split in ("train", "validation", "test")] == [6, 2, 2]
    assert len(set.union(*parts.values())) == 10
    for split in parts:
        assert {clip.label for clip in clips if clip.split == split} == set(LABELS)


def test_the_seed_decides_the_draw(tmp_path):
    make(tmp_path, "abcdefghij")
    draws = [parts_of(folder.read(tmp_path, seed=seed)) for seed in (1, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert draws[2:] != draws[:2]


def test_a_rare_label_is_found_in_every_part_all_the_same(tmp_path):
    make(tmp_path, "abcdefghi", ("tired",))
    rows = ""
    for speaker in "abc":
        wav(tmp_path / f"{speaker}.wav")
        rows += f"{speaker}.wav,lively,{speaker}\n"
    write(tmp_path / "mine.csv", (tmp_path / "mine.csv").read_text() + rows)
    clips = folder.read(tmp_path)
    assert {clip.split for clip in clips if clip.label == "lively"} == {"train", "validation", "test"}


def test_both_sexes_are_in_each_part_where_they_are_given(tmp_path):
    make(tmp_path, "abcdefghij", columns=",gender")
    rows = (tmp_path / "mine.csv").read_text().splitlines()
    sexes = [f"{row},{'female' if row.rpartition(',')[2] in 'abcde' else 'M'}" for row in rows[1:]]
    write(tmp_path / "mine.csv", "\n".join([rows[0], *sexes]))
    clips = folder.read(tmp_path)
    for split in ("train", "validation", "test"):
        assert {clip.gender for clip in clips if clip.split == split} == {"f", "m"}


def test_folds_test_every_speaker_once(tmp_path):
    make(tmp_path, "abcd")
    folds = [parts_of(folder.read(tmp_path, fold=number, of=4)) for number in range(1, 5)]
    assert sorted(speaker for fold in folds for speaker in fold["test"]) == list("abcd")
    for fold in folds:
        assert len(fold["train"]) == 2
        assert not fold["train"] & fold["test"]


def test_a_split_column_and_other_columns_are_kept(tmp_path):
    make(tmp_path, "a", columns=",split,text,language,shares", values=",train,Well.,en,tired:2 lively:1")
    more = ""
    for split, speaker in (("validation", "b"), ("test", "c")):
        for label in LABELS:
            wav(tmp_path / f"{speaker}-{label}.wav")
            more += f"{speaker}-{label}.wav,{label},{speaker},{split},,,\n"
    write(tmp_path / "mine.csv", (tmp_path / "mine.csv").read_text() + more)
    clips = by_name(folder.read(tmp_path), LABELS)
    assert {(clip.speaker, clip.split) for clip in clips.values()} == {("a", "train"), ("b", "validation"), ("c", "test")}
    clip = clips["a-tired"]
    assert (clip.text, clip.language, clip.shares) == ("Well.", "en", "tired:2 lively:1")
    with pytest.raises(SystemExit, match="has a split column: folds cannot be drawn"):
        folder.read(tmp_path, fold=1, of=3)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,label,speaker\na.wav,tired,a\n", r"1 speaker \(a\): at least 3 are needed"),
        ("path,label,speaker\na.wav,tired,a\nb.wav,tired,b\n", r"2 speakers \(a, b\): at least 3"),
        (
            "path,label,speaker\na.wav,tired,a\nb.wav,tired,b\nc.wav,tired,c\nd.wav,sad,c\n",
            "label 'sad' is spoken by c alone: at least 3 speakers",
        ),
        ("path,label,speaker\na.wav,,a\n", "line 2: no label"),
        ("path,label,speaker\na.wav,x,\n", "line 2: no speaker"),
        ("path,label,speaker\na.wav,very tired,a\n", "line 2: label 'very tired' has a space or a colon"),
        ("path,label\na.wav,tired\n", "no column speaker; there are path, label"),
        ("path,label,speaker\na.wav,tired\n", "line 2: not 3 values"),
        (
            "path,label,speaker,split\na.wav,x,a,train\nb.wav,x,b,validation\nc.wav,x,c,test\nd.wav,y,c,test\n",
            "label 'y' is not in train, so it cannot be learned",
        ),
        (
            "path,label,speaker,split\na.wav,x,a,train\nb.wav,x,b,validation\nc.wav,x,c,test\nd.wav,y,a,train\n",
            "label 'y' is in train alone",
        ),
        ("path,label,speaker,split\na.wav,x,a,train\nb.wav,x,b,test\n", "no clip is in validation"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, table, message):
    write(tmp_path / "mine.csv", table)
    with pytest.raises(SystemExit, match=message):
        folder.read(tmp_path)


def test_a_draw_that_cannot_be_found_says_so(tmp_path):
    speak = {"x": "abc", "y": "ade", "z": "bdf", "w": "cef"}  # any two speakers that test and validate leave out a label
    rows = [f"{label}{speaker}.wav,{label},{speaker}\n" for label, speakers in speak.items() for speaker in speakers]
    write(tmp_path / "mine.csv", "path,label,speaker\n" + "".join(rows))
    with pytest.raises(SystemExit, match="no split of 6 speakers found that has every label"):
        folder.read(tmp_path)


def test_faults_of_the_folder_and_its_options(tmp_path):
    with pytest.raises(SystemExit, match="nowhere: no such folder"):
        folder.read(tmp_path / "nowhere")
    with pytest.raises(SystemExit, match="no CSV file; wanted is one with columns path, label and speaker"):
        folder.read(tmp_path)
    make(tmp_path, "abcd")
    with pytest.raises(SystemExit, match="--of 5: 3 to 4 folds can be made of 4 speakers"):
        folder.read(tmp_path, fold=1, of=5)
    with pytest.raises(SystemExit, match="--fold 5: there are 1 to 4"):
        folder.read(tmp_path, fold=5, of=4)
    with pytest.raises(SystemExit, match="no label 'happy' that could be renamed; there are lively, tired"):
        folder.read(tmp_path, rename={"happy": "happiness"})
    (tmp_path / "second.csv").touch()
    with pytest.raises(SystemExit, match=r"2 CSV files \(mine.csv, second.csv\): name one with --table"):
        folder.read(tmp_path)
    assert len(folder.read(tmp_path, table="mine.csv")) == 8


def test_from_a_folder_to_clips_that_train(tmp_path, monkeypatch, capsys):
    make(tmp_path, "abcdef", ("tired", "happy"))
    assert run(monkeypatch, "folder", tmp_path, "--rename", "happy=happiness") == 0
    shown = capsys.readouterr().out
    assert "labels beside the seven: tired" in shown
    assert "only 6 speakers" in shown
    assert f"12 clips -> {tmp_path / 'manifest.csv'}" in shown
    manifest = str(tmp_path / "manifest.csv")
    clips = [clip for split in ("train", "validation", "test") for clip in clips_of(manifest, split, ("tired", "happiness"))]
    assert len(clips) == 12
    assert {(clip.label_raw, clip.label) for clip in clips} == {("tired", "tired"), ("happy", "happiness")}
    assert {clip.label for clip in clips_of(manifest, "train")} == {"happiness"}
    with pytest.raises(SystemExit, match="label that is not known"):
        run(monkeypatch, "check", manifest)
    assert run(monkeypatch, "check", manifest, "--labels", "tired", "happiness") == 0
    assert "12 clips, nothing wrong" in capsys.readouterr().out


def test_a_published_layout_by_the_verb(tmp_path, monkeypatch, capsys):
    for name in ("03a01Fa", "09a02Lc", "16b03Tb"):
        wav(tmp_path / "wav" / f"{name}.wav")
    assert run(monkeypatch, "emo_db", tmp_path, "-o", tmp_path / "out" / "emo.csv", "--fold", "1") == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["train", "validation", "test"] in table
    assert ["boredom", "0", "1", "0"] in table
    assert ["speakers", "1", "1", "1"] in table
    clips = read_manifest(tmp_path / "out" / "emo.csv", None)
    assert [clip.path.is_file() for clip in clips] == [True] * 3
    with pytest.raises(SystemExit, match="no clip of validation is neutral"):
        clips_of(str(tmp_path / "out" / "emo.csv"), "validation")


def test_the_verb_names_what_is_wrong(tmp_path, monkeypatch, capsys):
    make(tmp_path, "abcd")
    with pytest.raises(SystemExit, match=r"mine.csv is the table that is read: give another file with --output"):
        run(monkeypatch, "folder", tmp_path, "-o", tmp_path / "mine.csv")
    with pytest.raises(SystemExit, match=r"mine.csv/manifest.csv: cannot be written: "):
        run(monkeypatch, "folder", tmp_path, "-o", tmp_path / "mine.csv" / "manifest.csv")
    (tmp_path / "sounds" / "b-tired.wav").unlink()
    with pytest.raises(SystemExit, match=r"no such file: row 3 \(.*b-tired.wav\)"):
        run(monkeypatch, "folder", tmp_path)
    assert not (tmp_path / "manifest.csv").exists()
    for words in (("folder", tmp_path, "--rename", "happy"), ("nothing", tmp_path), ()):
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, *words)
        assert stop.value.code == 2
    assert "'happy' is not like happy=happiness" in capsys.readouterr().err
