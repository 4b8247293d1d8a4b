"""Training a system: it learns, the seed fixes it, it goes on where it was cut off, and its folder can repeat it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.systems_material import CORPORA, bank_of, clips_of, material, small
from train.corpora import LABELS
from train.systems import fit as module
from train.systems.batches import Data, shares_of
from train.systems.collate import TrainingBatches, evaluation_batches
from train.systems.config import SystemConfig
from train.systems.fit import fit, learning_rate, with_settings
from train.systems.runs import Run, read_any_config
from train.systems.words import NO_SENTENCE, PAIR_SHARES


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    material(monkeypatch)


def everything(**training: object) -> SystemConfig:
    """A system of all modalities, with all that draws random numbers."""
    return small(
        features={"text": "minilm", "prosody": "quantised", "spectral": "streamed", "audio_layers": [0, -1]},
        fusion={"age": True},
        data={"words": "pairs", "text_only": 0.25, "share": 0.8, "longest": 1.5},
        training={"seqaug": 0.5, "modality_dropout": 0.3, "loss": "focal", "sampling": "balanced", **training},
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "best.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_learns_and_the_folder_tells_all(tmp_path: Path) -> None:
    run = fit(small(training={"epochs": 15}, fusion={"kind": "pooled"}), tmp_path / "run")
    assert run.metrics["validation"]["none"]["macro_f1"] > 0.8
    assert run.metrics["test"]["none"]["macro_f1"] > 0.8
    assert run.metrics["temperature"]["none"] > 0
    found = run.predictions("test")
    assert found.log_posteriors.shape == (48, 7)
    assert np.exp(found.log_posteriors).sum(1) == pytest.approx(1, abs=1e-5)
    assert found.corpora.tolist() == ["first"] * 24 + ["second"] * 24
    assert found.speakers[1] == "test1"
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(15))
    assert max(line["validation"] for line in lines) == lines[run.metrics["best_epoch"]]["validation"]
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))
    sources = json.loads((tmp_path / "run" / "data.json").read_text())["sources"]
    assert sources["first/train"]["clips"] == 24
    assert sources["first/train"]["manifest"] != sources["first/test"]["manifest"]
    origin = json.loads((tmp_path / "run" / "origin.json").read_text())
    assert origin["versions"]["torch"] == torch.__version__
    assert {"commit", "changed", "command"} <= origin.keys()
    logits = module.logits_of(run.system(), Data().parts(run.config, "test"), torch.device("cpu"))
    assert logits.argmax(1).tolist() == found.decided().tolist()


def test_the_seed_fixes_every_bit_and_the_folder_repeats_the_run(tmp_path: Path) -> None:
    fit(everything(), tmp_path / "one")
    fit(read_any_config(tmp_path / "one" / "config.json"), tmp_path / "two")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    one, two = (
        Run.load(tmp_path / name).predictions("test", words).log_posteriors for name, words in (("one", True), ("two", True))
    )
    assert (one == two).all()
    fit(everything(seed=2), tmp_path / "three")
    assert not same(weights(tmp_path / "one"), weights(tmp_path / "three"))


def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    fit(everything(epochs=3), tmp_path / "whole")

    def cut(line: str) -> None:
        if json.loads(line)["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(everything(epochs=3), tmp_path / "cut", report=cut)
    with pytest.raises(SystemExit, match="not over"):
        Run.load(tmp_path / "cut")
    resumed: list[str] = []
    run = fit(everything(epochs=3), tmp_path / "cut", resume=True, report=resumed.append)
    assert [json.loads(line)["epoch"] for line in resumed] == [1, 2]  # one epoch was lost
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    whole = Run.load(tmp_path / "whole")
    assert run.metrics["test"] == whole.metrics["test"]
    losses = [[json.loads(line)["loss"] for line in (run.folder / "log.jsonl").read_text().splitlines()] for run in (run, whole)]
    assert losses[0] == losses[1]
    assert fit(everything(epochs=3), tmp_path / "cut", resume=True).metrics == run.metrics
    with pytest.raises(SystemExit, match="another configuration"):
        fit(everything(epochs=4), tmp_path / "cut", resume=True)


def test_the_rate_rises_and_falls_as_the_configuration_says() -> None:
    training = small(training={"warm_up": 10}).training
    assert learning_rate(0, 100, training) == pytest.approx(training.least_learning_rate)
    assert learning_rate(5, 100, training) == pytest.approx((training.least_learning_rate + training.learning_rate) / 2)
    assert learning_rate(10, 100, training) == pytest.approx(training.learning_rate)
    assert learning_rate(99, 100, training) == pytest.approx(training.least_learning_rate)
    rates = [learning_rate(step, 100, training) for step in range(100)]
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_the_verb_prints_scores_and_refuses_to_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    config = tmp_path / "mine.toml"
    config.write_text(
        'features = {audio = "whisper-base", rate = 12.5, text = ""}\nfusion = {kind = "pooled", width = 8, masked = true}\n'
        'data = {corpora = ["first", "second"], words = "none"}\ntraining.epochs = 9\n'
    )
    arguments = [str(config), "--output", str(tmp_path / "run"), "--set", "training.epochs=1", "training.loss=focal"]
    assert module.run(parser.parse_args(arguments)) == 0
    assert "test, none: macro-F1" in capsys.readouterr().out
    run = Run.load(tmp_path / "run")
    assert (run.config.name, run.config.training.epochs, run.config.training.loss) == ("mine", 1, "focal")
    with pytest.raises(SystemExit, match="holds a run"):
        module.run(parser.parse_args(arguments))


def test_settings_on_the_command_line() -> None:
    config = with_settings(small(), ["training.batch=4", "fusion.kind=hcam", 'data.labels=["anger", "sadness"]', "data.share=1"])
    assert (config.training.batch, config.fusion.kind, config.data.labels, config.data.share) == (
        4,
        "hcam",
        ("anger", "sadness"),
        1.0,
    )
    for wrong, message in (("training.batch", "table.key=value"), ("training.bath=4", "bath"), ("fusion.kind=gnn", "hcam")):
        with pytest.raises(SystemExit, match=message):
            with_settings(small(), [wrong])


def test_a_text_encoder_wants_words() -> None:
    with pytest.raises(SystemExit, match="words"):
        Data.load(small(features={"text": "minilm"}))
    config = small(data={"text_only": 0.5})
    parts = Data().parts(config, "train")
    with pytest.raises(SystemExit, match="text_only"):
        TrainingBatches(config, parts, None)


def batches(config: SystemConfig) -> TrainingBatches:
    data = Data()
    return TrainingBatches(config, data.parts(config, "train"), data.bank(config, "train"))


def test_batches_have_masks_ages_and_sentences_alone() -> None:
    config = everything(modality_dropout=0.0, sampling="natural", batch=8)
    made = batches(config)
    counts = made.class_counts()
    assert counts.shape == (3, 7)
    assert (counts[2] == 5).all()  # the bank's sentences
    seen = 0
    for batch, targets in made.epoch(0):
        rows = len(targets.labels)
        alone = targets.corpora == len(CORPORA)
        assert int(alone.sum()) == 2
        assert not batch["audio_mask"][alone].any()
        assert batch["text_mask"][alone].any(1).all()
        assert batch["audio_mask"][~alone].any(1).all()
        assert batch["audio"].shape[2:] == (2, 8)
        assert int(batch["audio_mask"].sum(1).max()) <= round(1.5 * 12.5)
        assert int(batch["f0_mask"].sum(1).max()) <= round(1.5 * 50)
        assert not batch["audio"][~batch["audio_mask"]].any()
        last = batch["audio_mask"].sum(1) - 1
        ages = batch["audio_age"][torch.arange(rows), last.clamp(min=0)]
        assert (ages == 0).all()
        assert float(batch["audio_age"][:, 0].max()) < 1.5
        seen += rows - int(alone.sum())
    assert seen == len(made.labels)


def test_several_processes_share_every_batch() -> None:
    made = batches(small())
    whole = [targets.labels for _, targets in made.epoch(1)]
    halves = [[targets.labels for _, targets in made.epoch(1, process, 2)] for process in (0, 1)]
    for labels, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(torch.sort(labels).values, torch.sort(torch.cat([first, second])).values)


def test_modality_dropout_leaves_at_least_one() -> None:
    for batch, _ in batches(everything(modality_dropout=1.0, seqaug=0.0)).epoch(0):
        present = torch.stack([batch[f"{name}_mask"].any(1) for name in ("audio", "f0", "spectral", "text")])
        assert (present.sum(0) >= 1).all()
        assert not present.all(0).any()


def test_pairs_come_at_their_rates_and_evaluation_always_meets_the_same() -> None:
    bank, rng = bank_of("minilm", "test"), np.random.default_rng(0)
    drawn = [bank.draw("anger", rng) for _ in range(8000)]
    none = np.mean([row == NO_SENTENCE for row in drawn])
    labels = [bank.labels[row] for row in drawn if row != NO_SENTENCE]
    assert none == pytest.approx(PAIR_SHARES["none"], abs=0.02)
    assert np.mean([label == "anger" for label in labels]) * (1 - none) == pytest.approx(0.30 + 0.05 / 7, abs=0.02)
    clips = clips_of("first", "test")
    assert bank.fixed(clips).tolist() == bank_of("minilm", "test").fixed(clips).tolist()
    assert bank.fixed(clips[5:]).tolist() == bank.fixed(clips)[5:].tolist()
    config = everything()
    part = Data().parts(config, "test")[0]
    with_words, without = (list(evaluation_batches(part, words)) for words in (True, False))
    assert any(batch["text_mask"].any() for batch, _ in with_words)
    assert not any(batch["text_mask"].any() for batch, _ in without)
    assert sorted(np.concatenate([rows for _, rows in without])) == list(range(24))
    (short, _), *_ = evaluation_batches(part, heard=0.48)
    assert int(short["audio_mask"].sum(1).max()) == 6


def test_annotators_votes_become_shares() -> None:
    clip = clips_of("first", "train")[0]
    voted = dataclasses.replace(clip, shares="anger:2 calm:1 contempt:5 neutral:1")
    found = shares_of([voted, clip], LABELS)
    assert found[0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0]  # calm counts as neutral; contempt is none of the labels
    assert found[1].tolist() == [1, 0, 0, 0, 0, 0, 0]
