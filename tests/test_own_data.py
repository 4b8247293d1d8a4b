"""From a folder of recordings with the user's own labels to a pack that runs, on voices made from three spoken clips."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import soxr
import torch

from export import fusion as export_fusion
from export import pack as export_pack
from streamser import Recognizer
from streamser.cli import packs as packs_verb
from streamser.errors import UsageError
from streamser.events import EmotionEvent, Event, UtteranceEvent
from streamser.packs.manifest import read_pack
from train import evaluate, features, own_data
from train.corpora import LABELS, command, read_manifest
from train.features import Collection, training_collections
from train.fusion import data as fusion_data
from train.fusion import train as fusion
from train.fusion.inputs import load_inputs
from train.fusion.mdat import Member, MemberConfig
from train.fusion.members import as_tensors
from train.fusion.text_bank import TextBank, words_can_be_taught

SPOKEN = files("pytest_audioeval") / "samples" / "audio"
CLIPS = ("en/hello_world", "es/hola_mundo")
SPEAKERS = {f"speaker-{number}": 0.85 + 0.06 * number for number in range(6)}  # how fast each one's tape runs
OWN = ("bored", "eager")


def voice(name: str, pace: float, eager: bool) -> np.ndarray:
    """A clip by another speaker, eager: 1.4 times higher and brighter; float32, 16 kHz."""
    samples, rate = soundfile.read(str(SPOKEN / f"{name}.wav"), dtype="float32")
    samples = soxr.resample(samples, rate * pace * (1.4 if eager else 1.0), 16_000)[:28_000]
    return np.diff(samples, prepend=0) * 2 if eager else samples / 2


def call(module: ModuleType, *words: object) -> int:
    """A verb with its command line."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return int(module.run(parser.parse_args([str(word) for word in words])))


@dataclass(frozen=True)
class Made:
    """What the five commands made: the manifest, the folder of the pack, a clip of an eager test speaker."""

    manifest: Path
    pack: Path
    clip: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    root = tmp_path_factory.mktemp("own")
    folder, pack = root / "mine", root / "mypack"
    folder.mkdir()
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "speaker", "language"))
        for speaker, pace in SPEAKERS.items():
            for name in CLIPS:
                for label in OWN:
                    path = f"{speaker}-{label}-{name[:2]}.wav"
                    soundfile.write(folder / path, voice(name, pace, label == "eager"), 16_000)
                    writer.writerow((path, label, speaker, name[:2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMSER_CACHE", str(root / "cache"))
        patch.setenv("STREAMSER_DATA", str(root / "nothing"))
        manifest = root / "mine.csv"
        assert call(command, "folder", folder, "-o", manifest) == 0
        assert call(features, "--manifest", manifest) == 0
        assert call(fusion, "--manifest", manifest, "--configuration", "mixed", "--epochs", 2, "--batches", 12, "--seed", 1, 2) == 0
        assert call(export_pack, pack, "--members", "mine-mixed-1", "mine-mixed-2", "--licence", "CC0") == 0
        tested = [clip.path for clip in read_manifest(manifest, None) if clip.split == "test" and clip.label == "eager"]
        yield Made(manifest, pack, tested[0])


def emotions(events: list[Event]) -> list[EmotionEvent]:
    return [event for event in events if isinstance(event, EmotionEvent) and event.state == "speech"]


def test_the_pack_runs_and_says_the_users_labels(made: Made) -> None:
    recognizer = Recognizer.load(made.pack, accelerator="cpu")
    events = list(recognizer.recognize(made.clip, language="en"))
    (utterance,) = [event for event in events if isinstance(event, UtteranceEvent)]
    assert set(utterance.probabilities) == set(OWN)
    assert max(utterance.probabilities, key=utterance.probabilities.__getitem__) == "eager"
    assert utterance.label == "eager"
    assert emotions(events)
    assert all(event.label in (*OWN, "uncertain") for event in emotions(events))
    assert all(event.arousal is None for event in emotions(events))  # nothing taught it


def test_words_keep_the_labels_of_the_text_network(made: Made) -> None:
    recognizer = Recognizer.load(made.pack, accelerator="cpu")
    said = emotions(list(recognizer.recognize(str(SPOKEN / "en" / "counting.wav"), language="en")))
    words = [event.text_probabilities for event in said if event.text_probabilities]
    assert words
    assert all(tuple(entry) == LABELS for entry in words)


def test_labels_of_the_pack_can_be_asked_for_and_others_not(made: Made) -> None:
    recognizer = Recognizer.load(made.pack, accelerator="cpu")
    assert recognizer.settings(labels=OWN).subset.tolist() == [0, 1]
    with pytest.raises(UsageError, match="no label anger: choose from bored, eager"):
        recognizer.settings(labels=("anger", "bored"))


def test_the_pack_says_what_taught_it(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    pack = read_pack(made.pack)
    assert pack.labels == OWN
    assert pack.licence == "fusion: CC0; pitch, spectral and text networks: CC BY-NC-SA 4.0"
    assert not pack.arousal
    assert not pack.words.in_fusion
    (told,) = pack.training["data"]
    assert told["name"] == "mine"
    assert sum(told["clips"].values()) == 24
    assert told["languages"] == ["en", "es"]
    assert str(made.manifest.parent) not in (made.pack / "pack.json").read_text() + (made.pack / "MODEL_CARD.md").read_text()
    assert "| mine | 0.01 |" in (made.pack / "MODEL_CARD.md").read_text()
    for action in ("show", "verify"):
        assert call(packs_verb, action, made.pack) == 0
    assert "mypack: 9 files and Whisper base are as" in capsys.readouterr().out


def test_its_test_speakers_are_evaluated_with_baselines(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(evaluate, "--manifest", made.manifest, "--pack", made.pack, "--confusion") == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]["mine"]
    assert figures["ensemble"]["score"] == 1.0
    assert {"eGeMAPS + SVM", "ComParE + SVM", "pooled Whisper + LR", "chance", "member 2"} <= set(figures)
    assert figures["chance"]["score"] < 1
    with pytest.raises(SystemExit, match="tells apart bored, eager: evaluate it on your own data"):
        call(evaluate, "--pack", made.pack, "--unsealed")


def test_the_cache_follows_the_clips_and_not_the_order_of_labels(made: Made) -> None:
    plain = Collection(str(made.manifest), "train", 0, OWN)
    turned = replace(plain, labels=("eager", "bored"))
    assert plain.name == turned.name
    assert plain.name.startswith("mine-")
    clips = load_inputs(plain).clip_label, load_inputs(turned).clip_label
    assert np.array_equal(clips[0], 1 - clips[1])
    clip = next(entry for entry in plain.clips())
    again = Collection(str(made.manifest), "train", 0, OWN)
    content = clip.path.read_bytes()
    soundfile.write(clip.path, np.zeros(9000, np.float32), 16_000)
    assert again.name != plain.name
    clip.path.write_bytes(content)


@pytest.mark.parametrize(("corpus", "passes"), [("nemo", (0, 1, 3)), ("ravdess", (0, 1, 3))])
def test_the_corpora_at_hand_keep_the_names_of_their_caches(corpus: str, passes: tuple[int, ...]) -> None:
    names = [entry.name for entry in training_collections(corpus, ["train", "test"])]
    assert names == [*(f"{corpus}-train-{number}" for number in passes), f"{corpus}-test-0"]
    assert Collection(corpus, "train", 0, (*LABELS, "hesitant")).name == f"{corpus}-train-0"


def written(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    """A manifest of (speaker, label, split) with a clip of silence each."""
    path = folder / "m.csv"
    lines = ["path,label_raw,label,speaker,gender,language,duration,extra,split"]
    for number, (speaker, label, split) in enumerate(rows):
        soundfile.write(folder / f"{number}.wav", np.zeros(16_000, np.float32), 16_000)
        lines.append(f"{number}.wav,{label},{label},{speaker},,,1.0,,{split}")
    path.write_text("\n".join(lines) + "\n")
    return path


WHOLE = [(split, label, split) for split in ("train", "validation", "test") for label in OWN]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row for row in WHOLE if row[2] != "validation"], r"no speaker in validation \(speakers: train 1, validation 0, test 1\)"),
        ([row for row in WHOLE if row[1:] != ("eager", "validation")], "no clip of validation is 'eager' in m: move a speaker"),
        ([*WHOLE, ("train", "uncertain", "train")], "'uncertain' cannot be a label"),
        ([*WHOLE, ("train", "no_speech", "train")], "'no_speech' cannot be a label"),
        ([row for row in WHOLE if row[1] == "eager"], "two different labels are needed, not eager"),
    ],
)
def test_a_manifest_that_cannot_teach_is_refused_before_any_work(
    tmp_path: Path, rows: list[tuple[str, str, str]], message: str
) -> None:
    manifest = written(tmp_path, rows)
    for verb in (features, fusion):
        with pytest.raises(SystemExit, match=message):
            call(verb, "--manifest", manifest)


def test_a_label_left_out_is_not_missed(tmp_path: Path) -> None:
    rows = [*WHOLE, ("train", "sleepy", "train")]
    material = own_data.Material((str(written(tmp_path, rows)),), OWN)
    own_data.check(material, ("train", "validation", "test"))
    with pytest.raises(SystemExit, match="'sleepy'"):
        own_data.check(replace(material, labels=(*OWN, "sleepy")), ("train", "validation"))


def test_no_speech_in_any_clip_and_no_cache_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path / "nothing"))
    manifest = written(tmp_path, WHOLE)
    with pytest.raises(SystemExit, match=r"no speech was found in any of the 2 clips of m, (train|validation)"):
        call(features, "--manifest", manifest, "--kinds", "pitch")
    with pytest.raises(SystemExit, match=r"no whisper features of m-.*: run `python -m train features --manifest .*m\.csv`"):
        call(fusion, "--manifest", manifest)
    with pytest.raises(SystemExit, match=r"no checkpoint .*nobody\.pt: run `python -m train fusion`"):
        call(export_fusion, "nobody", "-o", tmp_path)
    with pytest.raises(SystemExit, match=r"there is no manifest .*nosuch\.csv"):
        call(fusion, "--manifest", tmp_path / "nosuch.csv")
    with pytest.raises(SystemExit, match=r"nosuch\.json does not end with the JSON"):
        call(export_pack, tmp_path / "pack", "--metrics", tmp_path / "nosuch.json")
    with pytest.raises(SystemExit, match="--licence"):
        call(export_pack, tmp_path / "pack", "--members", "nobody")


def test_labels_keep_the_order_of_the_seven_and_arousal_needs_both_levels() -> None:
    assert own_data.labels_of(["ravdess"], []) == LABELS
    assert own_data.names("anger, bored,") == ("anger", "bored")
    levels = fusion_data.arousal_levels
    assert levels(("neutral", "anger", "bored")).tolist() == [0, 1, -1]
    assert levels(("anger", "fear", "bored")).tolist() == [-1, -1, -1]


def test_words_are_taught_only_where_every_label_has_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    some = ("neutral", "anger")
    assert not words_can_be_taught(some)
    (tmp_path / "corpora").mkdir()
    (tmp_path / "text" / "goemotions").mkdir(parents=True)
    (tmp_path / "text" / "goemotions" / "train.csv").touch()
    assert words_can_be_taught(some)
    assert not words_can_be_taught((*some, "bored"))
    sentences = {label: [np.full((1, 384), number)] for number, label in enumerate(LABELS)}
    bank, rng = TextBank(sentences, some), np.random.default_rng(0)
    assert {int(tokens[0, 0]) for _ in range(400) for tokens in [bank.draw("anger", rng)] if len(tokens)} == {0, 1}


def test_a_network_that_hears_no_words_is_not_moved_by_them() -> None:
    torch.manual_seed(0)
    member = Member(MemberConfig(width=16, heads=2, feed_forward=16, hidden=16, text=False, labels=OWN)).eval()
    batch = as_tensors(export_fusion.example_batch(np.random.default_rng(0)))
    with torch.inference_mode():
        logits = member(batch)[0]
        assert logits.shape == (3, 2)
        assert torch.equal(logits, member({**batch, "text": batch["text"] + 5})[0])


def test_members_of_different_labels_make_no_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    for name, labels in (("one", OWN), ("two", ("calm", "tense"))):
        config = MemberConfig(width=16, heads=2, feed_forward=16, hidden=16, labels=labels)
        saved = {"weights": Member(config).state_dict(), "config": asdict(config), "temperature": 1.0}
        torch.save(saved, fusion_data.checkpoint_folder() / f"{name}.pt")
    with pytest.raises(SystemExit, match="two tells apart calm, tense; one bored, eager"):
        call(export_fusion, "one", "two", "-o", tmp_path)
