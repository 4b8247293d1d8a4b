"""A system's file: what it may say, what it starts from, and what is told of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.systems.config import SystemConfig, changed, read_config


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_file_starts_from_the_one_it_is_like(tmp_path: Path) -> None:
    write(tmp_path, "first", '[fusion]\nwidth = 64\nkind = "hcam"\n')
    write(tmp_path, "second", 'like = "first"\n[fusion]\nwidth = 32\n[training]\nlearning_rate = 1\n')
    config = read_config(write(tmp_path, "third", 'like = "second"\n[data]\ncorpora = ["ravdess"]\n'))
    assert (config.name, config.fusion.kind, config.fusion.width) == ("third", "hcam", 32)
    assert config.training.learning_rate == 1.0
    assert isinstance(config.training.learning_rate, float)
    assert config.data.corpora == ("ravdess",)
    assert config.classifier == SystemConfig("x").classifier


def test_what_was_written_is_read_back() -> None:
    config = changed(SystemConfig("x"), {"features": {"audio_layers": [2, 4]}, "training": {"seed": 7}}, "here")
    assert changed(SystemConfig("x"), {key: value for key, value in config.as_dict().items() if key != "name"}, "there") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fusion]\nwdth = 3\n", r"bad.toml \[fusion\]: no setting 'wdth'; there are .*width"),
        ('[fusion]\nkind = "graph"\n', "bad.toml .*kind = 'graph': choose from pooled, .*mdat"),
        ("[fusion]\nwidth = 1.5\n", "width = 1.5: int is wanted"),
        ("[fusion]\nmasked = 1\n", "masked = 1: bool is wanted"),
        ("[training]\nepochs = true\n", "epochs = True: int is wanted"),
        ('[data]\ncorpora = "ravdess"\n', "corpora = 'ravdess': a list of str is wanted"),
        ("[features]\naudio_layers = [1.0]\n", "a list of int is wanted"),
        ("fusion = 3\n", "fusion is a table"),
        ("fusion = [\n", "bad.toml is not TOML"),
        ('like = "bad"\n', "bad.toml: is like itself"),
        ('like = "nowhere"\n', "no system 'nowhere': give a .toml file or one of"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        read_config(write(tmp_path, "bad", text))


def test_an_unknown_name_lists_the_rows() -> None:
    with pytest.raises(SystemExit, match="no system 'transformerz'"):
        read_config("transformerz")
