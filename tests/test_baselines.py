"""The baselines on miniature corpora: whose vectors are asked for and kept, what the classifiers decide, the folds of RAVDESS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from train.baselines import BASELINES, Baseline, clip_features, folds, whole_clips
from train.baselines.classifiers import KIND_OF, new_model
from train.collection import Collection
from train.corpora import LABELS
from train.corpora.manifest import COLUMNS
from train.encoders.whisper_wheels import WheelWhisper

OWN = ("bored", "eager")
LEVELS = 8
KINDS = tuple(clip_features.KINDS)


def level_of(samples: np.ndarray) -> np.ndarray:
    """A stand-in for an extractor: which of the levels a constant clip has, float64 [LEVELS]."""
    return np.eye(LEVELS)[round(float(samples.mean()) * 16)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Every clip that an extractor was asked for, by its level, from now on; a cache of its own."""
    heard: list[int] = []

    def open_extractor() -> clip_features.Extractor:
        def extract(samples: np.ndarray) -> np.ndarray:
            heard.append(int(level_of(samples).argmax()))
            return level_of(samples)

        return extract

    for kind in KINDS:
        monkeypatch.setitem(clip_features.KINDS, kind, (LEVELS, open_extractor))
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path / "data"))
    return heard


def write_manifest(path: Path, rows: list[tuple[str, str, str, int]]) -> Path:
    """A manifest of (speaker, label, split, level) with a clip of 5 ms each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join((*COLUMNS, "split"))]
    for number, (speaker, label, split, level) in enumerate(rows):
        soundfile.write(path.parent / f"{number}.wav", np.full(80, level / 16, np.float32), 16_000)
        told = {"path": f"{number}.wav", "label_raw": label, "label": label, "speaker": speaker, "duration": "0.005"}
        lines.append(",".join((*(told.get(column, "") for column in COLUMNS), split)))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A user's manifest: bored is level 2, eager level 5, sleepy level 7."""
    levels = {"bored": 2, "eager": 5, "sleepy": 7}
    rows = [(split, label, split, level) for split in ("train", "validation", "test") for label, level in levels.items()]
    return str(write_manifest(tmp_path / "mine.csv", [*rows, ("train", "eager", "train", 5)]))


def test_a_corpus_is_heard_once_and_splits_choose_rows(asked: list[int], mine: str) -> None:
    train = whole_clips(Collection(mine, "train", 0, OWN), "egemaps")
    assert train.dtype == np.float32
    assert train.argmax(1).tolist() == [2, 5, 5]
    assert len(asked) == 10
    assert whole_clips(Collection(mine, "test", 0, ("sleepy", "bored")), "egemaps").argmax(1).tolist() == [2, 7]
    assert len(asked) == 10
    whole_clips(Collection(mine, "test", 0, OWN), "compare")
    assert len(asked) == 20


def test_other_audio_under_the_same_name_is_heard_again(asked: list[int], mine: str) -> None:
    collection = Collection(mine, "test", 0, OWN)
    whole_clips(collection, "egemaps")
    soundfile.write(collection.clips()[0].path, np.full(96, 4 / 16, np.float32), 16_000)
    assert whole_clips(collection, "egemaps").argmax(1).tolist() == [4, 5]


def test_what_was_heard_before_an_interruption_is_kept(
    asked: list[int], mine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: Iterator[int] = iter(range(100))

    def stopping(samples: np.ndarray) -> np.ndarray:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return level_of(samples)

    with monkeypatch.context() as patch:
        patch.setitem(clip_features.KINDS, "egemaps", (LEVELS, lambda: stopping))
        with pytest.raises(KeyboardInterrupt):
            whole_clips(Collection(mine, "train", 0, OWN), "egemaps")
    assert not list((tmp_path / "cache").rglob("*.npy"))
    assert whole_clips(Collection(mine, "train", 0, OWN), "egemaps").argmax(1).tolist() == [2, 5, 5]
    assert asked == [5, 7, 2, 5, 7, 5]


@pytest.mark.parametrize("kind", ["egemaps", "compare", "pooled-whisper"])
@pytest.mark.parametrize("samples", [0, 80, 24_000])
def test_vectors_are_finite_however_short_the_clip(
    kind: str, samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    path = write_manifest(tmp_path / "one.csv", [("a", "bored", "train", 0)])
    tone = np.sin(2 * np.pi * 200 * np.arange(samples) / 16_000).astype(np.float32) / 4
    soundfile.write(tmp_path / "0.wav", tone, 16_000)
    found = whole_clips(Collection(str(path), "train", 0, OWN), kind)
    assert found.shape == (1, {"egemaps": 88, "compare": 6373, "pooled-whisper": 3072}[kind])
    assert np.isfinite(found).all()
    assert found.any() == (samples == 24_000 or kind == "pooled-whisper")


def test_pooled_whisper_is_layers_2_4_and_6_and_the_last_is_not_normalised() -> None:
    samples = np.random.default_rng(0).standard_normal(16_100).astype(np.float32) / 10
    found = clip_features.open_whisper()(samples).reshape(3, 2, 512)
    normalised = WheelWhisper("whisper-base", torch.device("cpu")).encode(samples)
    for place, layer in enumerate((1, 3)):
        np.testing.assert_allclose(found[place, 0], normalised[:, layer].mean(0), atol=1e-4)
        np.testing.assert_allclose(found[place, 1], normalised[:, layer].std(0), atol=1e-4)
    assert np.abs(found[2, 0] - normalised[:, 5].mean(0)).max() > 1


def test_pooled_whisper_hears_all_of_a_clip_longer_than_its_positions() -> None:
    rng = np.random.default_rng(0)
    extract = clip_features.open_whisper()
    first, rest = (rng.standard_normal(seconds * 16_000).astype(np.float32) / 10 for seconds in (30, 2))
    whole, parts = extract(np.concatenate([first, rest])), [extract(first), extract(rest)]
    means = [vector.reshape(3, 2, 512)[:, 0] for vector in (whole, *parts)]
    np.testing.assert_allclose(means[0], (means[1] * 30 + means[2] * 2) / 32, atol=1e-3)


@pytest.mark.parametrize("name", BASELINES)
def test_every_clip_is_decided_and_never_as_a_label_that_was_not_taught(asked: list[int], mine: str, name: str) -> None:
    labels = ("sleepy", "lost", "bored", "eager")
    decided = Baseline(name, [Collection(mine, "train", 0, labels)]).decide(Collection(mine, "test", 0, labels))
    assert decided.found.all()
    assert decided.labels().tolist() == [2, 3, 0]
    assert decided.labels((1, 2, 3))[:2].tolist() == [2, 3]
    assert 1 not in decided.labels((1, 2, 3))


@pytest.mark.parametrize("name", BASELINES)
def test_two_labels_keep_their_order(asked: list[int], mine: str, name: str) -> None:
    for labels in (OWN, OWN[::-1]):
        decided = Baseline(name, [Collection(mine, "train", 0, labels)]).decide(Collection(mine, "test", 0, labels))
        assert [labels[label] for label in decided.labels()] == ["bored", "eager"]


def test_the_printed_parameters_of_a_classifier_name_it_in_every_process() -> None:
    printed = [repr(new_model(kind).get_params()) for kind in KINDS]
    assert len(set(printed)) == len(KINDS)
    assert not any(" at 0x" in entry for entry in printed)


def test_the_folds_hold_out_emoboxs_actors_and_keep_calm_apart(
    asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    actors = [f"{number:02d}" for number in range(1, 25)]
    rows = [(actor, label, "", level) for actor in actors for level, label in enumerate(folds.EIGHT)]
    calm_as_neutral = [("08", label, "", 0 if label == "calm" else level) for _, label, _, level in rows[:LEVELS]]
    others = [row for row in rows if row[0] != "08"]
    write_manifest(tmp_path / "data" / "corpora" / "ravdess" / "manifest.csv", [*others, *calm_as_neutral])
    monkeypatch.setattr(folds, "RESULTS", tmp_path / "docs" / "fold_baselines.json")
    assert folds.run(folds.argparse.Namespace()) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == json.loads((tmp_path / "docs" / "fold_baselines.json").read_text())
    assert tuple(found["labels"]) == (*LABELS, "calm")
    assert set(found["baselines"]) == set(BASELINES)
    assert len(asked) == 24 * LEVELS * len(KIND_OF)
    for scores in found["baselines"].values():
        for entry in scores.values():
            each = np.array(entry["folds"])
            assert (each[[0, 1, 3, 4, 5]] == 1).all()
            assert 0.9 < each[2] < 1  # 08 tests in the third
            assert entry["macro_f1"] == pytest.approx(each.mean(), abs=1e-3)
