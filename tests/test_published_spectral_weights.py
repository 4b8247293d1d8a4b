"""Both published formats of CED weights, and what is said of files that do not fit."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from streamser.errors import PackError
from tests.published_ced import SIZE, assert_close, hear, hugging_face_state, random_mel, random_network, write_config
from train.spectral.published import PublishedCed, PublishedSize
from train.spectral.published_mel import mel_filterbank
from train.spectral.published_weights import load_published


@pytest.fixture(scope="module")
def network() -> PublishedCed:
    return random_network()


def original_state(network: PublishedCed) -> dict[str, Tensor]:
    state = {key.replace("init_bn.", "init_bn.1."): value.clone() for key, value in network.state_dict().items()}
    return {
        "front_end.0.spectrogram.window": torch.hann_window(512),
        "front_end.0.mel_scale.fb": mel_filterbank(),
        **state,
    }


@pytest.fixture(scope="module")
def narrow() -> PublishedCed:
    """One block of the published tiny width, whose heads need no config."""
    return random_network(PublishedSize(192, 1, 3))


@pytest.mark.parametrize("wrapped", [False, True])
def test_reads_the_original_format(tmp_path: Path, narrow: PublishedCed, wrapped: bool) -> None:
    state = original_state(narrow)
    torch.save({"model": state} if wrapped else state, tmp_path / "ced.pt")
    loaded = load_published(tmp_path / "ced.pt")
    assert loaded.size == narrow.size
    assert not loaded.training
    assert_close(hear(loaded, random_mel(90)).logits, hear(narrow, random_mel(90)).logits)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("by_folder", [False, True])
def test_reads_the_hugging_face_format(tmp_path: Path, network: PublishedCed, name: str, by_folder: bool) -> None:
    state = hugging_face_state(network)
    if name.endswith(".safetensors"):
        save_file(state, tmp_path / name)
    else:
        torch.save(state, tmp_path / name)
    write_config(tmp_path)
    loaded = load_published(tmp_path if by_folder else tmp_path / name)
    assert loaded.size == SIZE
    assert_close(hear(loaded, random_mel(90)).logits, hear(network, random_mel(90)).logits)


def test_the_heads_are_those_of_the_config(tmp_path: Path, network: PublishedCed) -> None:
    save_file(hugging_face_state(network), tmp_path / "model.safetensors")
    write_config(tmp_path, num_heads=4)
    assert load_published(tmp_path).size.heads == 4
    (tmp_path / "config.json").unlink()
    with pytest.raises(PackError, match=r"width 32.*num_heads"):
        load_published(tmp_path)


def test_half_precision_weights_become_float32(tmp_path: Path, narrow: PublishedCed) -> None:
    state = {key: value.half() if value.is_floating_point() else value for key, value in hugging_face_state(narrow).items()}
    save_file(state, tmp_path / "model.safetensors")
    assert {parameter.dtype for parameter in load_published(tmp_path).parameters()} == {torch.float32}


def damaged(state: dict[str, Tensor], fault: str) -> dict[str, Tensor]:
    if fault == "missing":
        del state["blocks.0.attn.proj.bias"]
    elif fault == "unexpected":
        state["cls_token"] = torch.zeros(1, 1, 192)
    elif fault == "misshapen":
        state["time_pos_embed"] = torch.zeros(1, 192, 1, 31)
    elif fault == "no head":
        del state["outputlayer.1.weight"]
    elif fault == "front end":
        state["front_end.0.mel_scale.fb"] = mel_filterbank().roll(1, dims=0)
    return state


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", r"missing: blocks\.0\.attn\.proj\.bias"),
        ("unexpected", "unexpected: cls_token"),
        ("misshapen", r"misshapen: time_pos_embed is \[1, 192, 1, 31\] instead of \[1, 192, 1, 63\]"),
        ("no head", r"outputlayer\.1\.weight is missing"),
        ("front end", "another mel front end"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, narrow: PublishedCed, fault: str, said: str) -> None:
    torch.save(damaged(original_state(narrow), fault), tmp_path / "ced.pt")
    with pytest.raises(PackError, match=said) as caught:
        load_published(tmp_path / "ced.pt")
    assert "\n" not in str(caught.value)
    assert "ced.pt" in str(caught.value)


class Touch:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_files_that_are_no_weights_are_refused(tmp_path: Path, narrow: PublishedCed) -> None:
    files = {name: tmp_path / name for name in ("code.pt", "text.pt", "cut.pt", "cut.safetensors", "list.pt", "empty.pt")}
    torch.save({"model": Touch(tmp_path / "made")}, files["code.pt"], pickle_module=pickle)
    files["text.pt"].write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    torch.save(original_state(narrow), tmp_path / "whole.pt")
    files["cut.pt"].write_bytes((tmp_path / "whole.pt").read_bytes()[:50_000])
    files["cut.safetensors"].write_bytes(b"\x10" + bytes(20))
    torch.save([torch.zeros(1)], files["list.pt"])
    files["empty.pt"].write_bytes(b"")
    for path in (*files.values(), tmp_path / "nowhere", tmp_path):
        with pytest.raises(PackError) as caught:
            load_published(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pooling": "token"}, "pooling token"),
        ({"hop_size": 320}, "hop_size 320"),
        ({"model_type": "vit"}, "another kind of model"),
    ],
)
def test_a_config_of_another_network_is_refused(
    tmp_path: Path, network: PublishedCed, settings: dict[str, object], said: str
) -> None:
    save_file(hugging_face_state(network), tmp_path / "model.safetensors")
    write_config(tmp_path, **settings)
    with pytest.raises(PackError, match=said):
        load_published(tmp_path)
