"""Manifests and splits: who may train, what is refused and named. On a miniature data root."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from train import corpora
from train.corpora import (
    EVALUATION_CORPORA,
    LABELS,
    TRAINING_CORPORA,
    Clip,
    clips_of,
    parse_shares,
    read_corpus,
    read_manifest,
    read_split,
    validate,
    write_manifest,
)
from train.corpora.split_files import corpora_at_hand, split_by_speaker

HEADER = "path,label_raw,label,speaker,gender,language,duration,extra\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data root with one clip for every speaker of the committed splits, and one label that is none of the seven."""
    speakers = json.loads(corpora.SPLITS_FILE.read_text())
    for name in (*TRAINING_CORPORA, *EVALUATION_CORPORA):
        folder = tmp_path / "corpora" / name
        folder.mkdir(parents=True)
        names = [speaker for part in speakers.get(name, {"all": ["x"]}).values() for speaker in part]
        rows = [f"{speaker}.ogg,raw,{LABELS[index % 7]},{speaker},f,en,1.0,\n" for index, speaker in enumerate(names)]
        rows += [f"calm.ogg,calm,calm,{names[0]},f,en,1.0,\n", f"bored.ogg,b,boredom,{names[0]},f,en,1.0,\n"]
        (folder / "manifest.csv").write_text(HEADER + "".join(rows))
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", TRAINING_CORPORA)
def test_no_speaker_is_in_two_splits(name):
    parts = json.loads(corpora.SPLITS_FILE.read_text())[name]
    assert set(parts) == {"train", "validation", "test"}
    everyone = [speaker for part in parts.values() for speaker in part]
    assert len(everyone) == len(set(everyone))
    assert all(parts.values())


def test_ravdess_is_tested_on_a_published_fold():
    assert json.loads(corpora.SPLITS_FILE.read_text())["ravdess"]["test"] == ["01", "11", "20", "21"]


@pytest.mark.parametrize("name", TRAINING_CORPORA)
def test_a_split_holds_its_own_speakers_and_the_seven_labels(root, name):
    parts = json.loads(corpora.SPLITS_FILE.read_text())[name]
    for split, speakers in parts.items():
        clips = read_split(name, split)
        assert {clip.speaker for clip in clips} == set(speakers)
        assert {clip.label for clip in clips} <= set(LABELS)


def test_calm_counts_as_neutral_and_keeps_its_raw_label(root):
    (calm,) = [clip for clip in read_corpus("ravdess") if clip.label_raw == "calm"]
    assert calm.label == "neutral"


@pytest.mark.parametrize("name", EVALUATION_CORPORA)
def test_an_evaluation_corpus_is_refused_for_training(root, name):
    for split in ("train", "validation", "test"):
        with pytest.raises(SystemExit, match="evaluation only"):
            read_split(name, split)


def test_an_auxiliary_corpus_only_teaches():
    with pytest.raises(SystemExit, match="'emogator' only teaches: it has no 'test' split"):
        read_split("emogator", "test")


@pytest.mark.parametrize("name", EVALUATION_CORPORA)
def test_the_features_verb_refuses_an_evaluation_corpus(root, name):
    from train import features

    with pytest.raises(SystemExit, match="evaluation only"):
        features.training_collections(name, ["train"])


def test_a_speaker_that_no_split_knows_is_an_error(root):
    manifest = root / "corpora" / "nemo" / "manifest.csv"
    manifest.write_text(manifest.read_text() + "new.ogg,raw,anger,NEW,f,pl,1.0,\n")
    with pytest.raises(SystemExit, match="NEW"):
        read_split("nemo", "train")


def test_no_data_root_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path / "nothing"))
    with pytest.raises(SystemExit, match="STREAMSER_DATA"):
        read_corpus("nemo")


def test_every_fold_keeps_its_speakers_apart(root):
    folds = [name for name in corpora_at_hand() if "-fold" in name]
    assert len(folds) == 9
    for name in folds:
        speakers = [{clip.speaker for clip in clips_of(name, split)} for split in ("train", "validation", "test")]
        assert sum(map(len, speakers)) == len(set.union(*speakers))


@pytest.mark.parametrize(("corpus", "count", "speakers"), [("ravdess", 6, 24), ("nemo", 3, 9)])
def test_folds_test_every_speaker_once_and_the_first_is_the_committed_split(root, corpus, count, speakers):
    known = corpora_at_hand()
    tested = [speaker for number in range(1, count + 1) for speaker in known[f"{corpus}-fold{number}"]["test"]]
    assert len(tested) == len(set(tested)) == speakers
    assert known[f"{corpus}-fold1"] == known[corpus]


def test_the_ravdess_folds_are_the_published_ones():
    assert corpora_at_hand()["ravdess-fold5"]["test"] == ["02", "15", "16", "18"]


@pytest.mark.parametrize("name", ["crema_d", "esd", *(f"emo_db-fold{number}" for number in range(1, 6))])
def test_splits_of_published_corpora_have_three_parts(name):
    assert set(split_by_speaker(name).values()) == {"train", "validation", "test"}


def test_the_committed_splits_are_those_that_the_verb_writes():
    from train import splits

    for name, parts in splits.published().items():
        assert {speaker: split for split, names in parts.items() for speaker in names} == split_by_speaker(name)


def test_an_unknown_corpus_or_split_is_named_with_those_there_are(root):
    with pytest.raises(SystemExit, match=r"no training corpus 'nemoo': there are ravdess, .*nemo-fold3, or give the path"):
        clips_of("nemoo", "train")
    with pytest.raises(SystemExit, match="no split 'dev': choose from train, validation, test"):
        clips_of("nemo", "dev")
    with pytest.raises(SystemExit, match="no split 'ravdess-fold7': there are ravdess, ravdess-fold1"):
        split_by_speaker("ravdess-fold7")


def test_calm_can_be_a_label_of_its_own(root):
    eight = clips_of("ravdess", "train", (*LABELS, "calm")) + clips_of("ravdess", "test", (*LABELS, "calm"))
    assert [clip.label for clip in eight if clip.label_raw == "calm"] == ["calm"]


@pytest.fixture
def clips(tmp_path):
    """Three clips in three splits, with files."""
    parts = (("a", "train", "anger"), ("b", "validation", "calm"), ("c", "test", "boredom"))
    made = []
    for speaker, split, label in parts:
        path = tmp_path / "own" / f"{speaker}.wav"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        made.append(Clip("own", path, 'x, "y"', label, speaker, "f", "", 1.25, "", split, "Well, no.", "anger:3 calm:1.5"))
    return made


def test_a_written_manifest_reads_the_same(clips, tmp_path):
    path = tmp_path / "own" / "manifest.csv"
    write_manifest(path, clips)
    assert read_manifest(path, None) == clips
    assert path.read_text().splitlines()[1].startswith("a.wav,")


def test_paths_outside_the_manifests_folder_are_absolute(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_manifest(Path("elsewhere/list.csv"), [replace(clip, path=Path(os.path.relpath(clip.path))) for clip in clips])
    assert [clip.path for clip in read_manifest(Path("elsewhere/list.csv"))] == [clip.path for clip in clips]
    assert read_manifest(Path("elsewhere/list.csv"))[0].corpus == "list"


def test_labels_count_as_they_are_asked_for(clips, tmp_path):
    path = tmp_path / "own" / "manifest.csv"
    write_manifest(path, clips)
    assert [clip.label for clip in read_manifest(path)] == ["anger", "neutral", ""]
    assert [clip.label for clip in read_manifest(path, ("calm", "boredom"))] == ["", "calm", "boredom"]
    assert [clip.label for clip in read_manifest(path, ("anger",))] == ["anger", "", ""]


def test_a_manifest_gives_the_clips_of_a_split(clips, tmp_path):
    path = tmp_path / "own" / "manifest.csv"
    write_manifest(path, clips)
    (clip,) = clips_of(str(path), "validation")
    assert (clip.speaker, clip.label, clip.text, clip.corpus) == ("b", "neutral", "Well, no.", "own")
    with pytest.raises(SystemExit, match=r"no clip of test is neutral.*test has boredom"):
        clips_of(str(path), "test")
    with pytest.raises(SystemExit, match="no split 'dev'"):
        clips_of(str(path), "dev")
    write_manifest(path, [replace(clip, split="") for clip in clips])
    with pytest.raises(SystemExit, match="no split column: make the manifest with `python -m train corpus`"):
        clips_of(str(path), "train")


def test_a_manifest_of_an_evaluation_corpus_does_not_train(root, clips, tmp_path):
    made = []
    for clip in clips:
        path = tmp_path / "corpora" / "ased" / clip.path.name
        path.touch()
        made.append(replace(clip, path=path))
    write_manifest(tmp_path / "sly.csv", made)
    with pytest.raises(SystemExit, match="for evaluation only: nothing may be trained on it"):
        clips_of(str(tmp_path / "sly.csv"), "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": Path("gone.wav")}, r"here: no such file: row 2 \(gone.wav\)"),
        ({"label": "angre"}, r"here: label that is not known: row 2 \(b.wav: 'angre'\)"),
        ({"duration": 0.0}, "duration that is not above 0 s: row 2"),
        ({"duration": float("nan")}, "duration that is not above 0 s: row 2"),
        ({"speaker": ""}, "no speaker: row 2"),
        ({"split": "dev"}, r"split that is not train, validation or test: row 2 \(b.wav: 'dev'\)"),
        ({"split": ""}, "split that is not train, validation or test: row 2"),
        ({"shares": "anger"}, "shares not like 'anger:3 neutral:1': row 2"),
        ({"speaker": "a"}, r"speaker 'a' is in 'train' \(row 1, a.wav\) and in 'validation' \(row 2, b.wav\)"),
    ],
)
def test_a_bad_row_is_named(clips, change, message):
    with pytest.raises(SystemExit, match=message):
        validate([clips[0], replace(clips[1], **change), clips[2]], "here")


def test_one_file_in_two_rows_no_clips_and_many_bad_rows(clips):
    with pytest.raises(SystemExit, match=r"listed twice: row 4 \(.*a.wav\)"):
        validate([*clips, clips[0]], "here")
    with pytest.raises(SystemExit, match="here: no clips"):
        validate([], "here")
    with pytest.raises(SystemExit, match="and 2 more"):
        validate([replace(clips[0], path=Path(f"{number}.wav")) for number in range(7)], "here")


def test_what_is_no_manifest_says_so(tmp_path):
    path = tmp_path / "manifest.csv"
    with pytest.raises(SystemExit, match="no such file"):
        clips_of(str(path), "train")
    path.write_text("path,label\n")
    with pytest.raises(SystemExit, match="no column label_raw, speaker, gender, language, duration, extra; there are path, label"):
        read_manifest(path)
    path.write_text(HEADER + "a.wav,x,anger,s,f,en,long,\n")
    with pytest.raises(SystemExit, match="line 2: duration 'long' is no number of seconds"):
        read_manifest(path)
    path.write_text(HEADER + "a.wav,x,anger,s,f,en,1.0,Well, no\n")
    with pytest.raises(SystemExit, match="line 2: not 8 values"):
        read_manifest(path)
    path.write_bytes(HEADER.encode() + b"\xff\xfe")
    with pytest.raises(SystemExit, match="cannot be read as UTF-8 CSV"):
        read_manifest(path)


def test_shares_are_votes_by_label():
    assert parse_shares("anger:3 neutral:0.5") == {"anger": 3.0, "neutral": 0.5}
    assert parse_shares("") == {}
