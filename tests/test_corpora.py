"""Who may train: splits without a common speaker, evaluation-only corpora refused. On a miniature data root."""

import json
from pathlib import Path

import numpy as np
import pytest

from train import corpora
from train.corpora import EVALUATION_CORPORA, LABELS, TRAINING_CORPORA, read_corpus, read_split

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


def test_only_16_khz_mono_is_read(tmp_path):
    import soundfile

    path = Path(tmp_path) / "clip.wav"
    soundfile.write(path, np.zeros(800, np.float32), 8000)
    with pytest.raises(SystemExit, match="8000 Hz"):
        corpora.read_audio(path)
