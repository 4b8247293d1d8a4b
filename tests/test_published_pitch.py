"""The published RMVPE at small sizes: the names of its weights, both file layouts, what is refused, its graph."""

import dataclasses
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, conv_transpose2d

from export import __main__ as export_main
from export import published_pitch
from export.published_pitch import largest_difference, write_graph
from streamser.errors import PackError
from train.pitch.published import PublishedPitch, Sizes
from train.pitch.published_track import track
from train.pitch.published_weights import open_weights

RATE = 16_000
TINY = Sizes(channels=2, levels=2, blocks=1, intermediate=1, hidden=4)
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
# Written out from the published files' names (method.md 3), for two levels, one block each, one intermediate layer.
NAMES = """
unet.encoder.bn.*
unet.encoder.layers.0.conv.0.conv.0.weight unet.encoder.layers.0.conv.0.conv.1.*
unet.encoder.layers.0.conv.0.conv.3.weight unet.encoder.layers.0.conv.0.conv.4.*
unet.encoder.layers.0.conv.0.shortcut.weight unet.encoder.layers.0.conv.0.shortcut.bias
unet.encoder.layers.1.conv.0.conv.0.weight unet.encoder.layers.1.conv.0.conv.1.*
unet.encoder.layers.1.conv.0.conv.3.weight unet.encoder.layers.1.conv.0.conv.4.*
unet.encoder.layers.1.conv.0.shortcut.weight unet.encoder.layers.1.conv.0.shortcut.bias
unet.intermediate.layers.0.conv.0.conv.0.weight unet.intermediate.layers.0.conv.0.conv.1.*
unet.intermediate.layers.0.conv.0.conv.3.weight unet.intermediate.layers.0.conv.0.conv.4.*
unet.intermediate.layers.0.conv.0.shortcut.weight unet.intermediate.layers.0.conv.0.shortcut.bias
unet.decoder.layers.0.conv1.0.weight unet.decoder.layers.0.conv1.1.*
unet.decoder.layers.0.conv2.0.conv.0.weight unet.decoder.layers.0.conv2.0.conv.1.*
unet.decoder.layers.0.conv2.0.conv.3.weight unet.decoder.layers.0.conv2.0.conv.4.*
unet.decoder.layers.0.conv2.0.shortcut.weight unet.decoder.layers.0.conv2.0.shortcut.bias
unet.decoder.layers.1.conv1.0.weight unet.decoder.layers.1.conv1.1.*
unet.decoder.layers.1.conv2.0.conv.0.weight unet.decoder.layers.1.conv2.0.conv.1.*
unet.decoder.layers.1.conv2.0.conv.3.weight unet.decoder.layers.1.conv2.0.conv.4.*
unet.decoder.layers.1.conv2.0.shortcut.weight unet.decoder.layers.1.conv2.0.shortcut.bias
cnn.weight cnn.bias fc.1.weight fc.1.bias
fc.0.gru.weight_ih_l0 fc.0.gru.weight_hh_l0 fc.0.gru.bias_ih_l0 fc.0.gru.bias_hh_l0
fc.0.gru.weight_ih_l0_reverse fc.0.gru.weight_hh_l0_reverse fc.0.gru.bias_ih_l0_reverse fc.0.gru.bias_hh_l0_reverse
"""
FILTER_NAMES = """
unet.tf.layers.0.conv.0.weight unet.tf.layers.0.conv.1.* unet.tf.layers.0.conv.3.weight unet.tf.layers.0.conv.4.*
unet.tf.layers.1.conv.0.weight unet.tf.layers.1.conv.1.* unet.tf.layers.1.conv.3.weight unet.tf.layers.1.conv.4.*
"""


def listed(names: str) -> list[str]:
    """The names, with a batch norm's five for each `*`."""
    return [name.replace("*", kind) for name in names.split() for kind in (NORM if "*" in name else [""])]


def random_network(sizes: Sizes = TINY, seed: int = 0) -> PublishedPitch:
    """Random weights, batch norm's statistics included."""
    torch.manual_seed(seed)
    network = PublishedPitch(sizes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 3)
    return network


def by_hand(weights: dict[str, Tensor], mel: Tensor, levels: int) -> Tensor:
    """The network of one block a level from its description and the weights' names alone. mel f32[T, 128] -> f32[T, 360]."""

    def norm(x: Tensor, at: str) -> Tensor:
        mean, variance = weights[f"{at}.running_mean"], weights[f"{at}.running_var"]
        return batch_norm(x, mean, variance, weights[f"{at}.weight"], weights[f"{at}.bias"])

    def block(x: Tensor, at: str) -> Tensor:
        y = norm(conv2d(x, weights[f"{at}.conv.0.weight"], padding=1), f"{at}.conv.1").relu()
        y = norm(conv2d(y, weights[f"{at}.conv.3.weight"], padding=1), f"{at}.conv.4").relu()
        shortcut = weights.get(f"{at}.shortcut.weight")
        return y + (x if shortcut is None else conv2d(x, shortcut, weights[f"{at}.shortcut.bias"]))

    def gru(rows: Tensor, end: str) -> Tensor:
        w, u, b, c = (weights[f"fc.0.gru.{kind}_{end}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        hidden, states = torch.zeros(u.shape[1]), []
        for row in rows:
            (r, z, n), (s, y, m) = (w @ row + b).chunk(3), (u @ hidden + c).chunk(3)
            update = (z + y).sigmoid()
            hidden = (1 - update) * (n + (r + s).sigmoid() * m).tanh() + update * hidden
            states.append(hidden)
        return torch.stack(states)

    x, skips = norm(mel[None, None], "unet.encoder.bn"), []
    for level in range(levels):
        x = block(x, f"unet.encoder.layers.{level}.conv.0")
        filtered = f"unet.tf.layers.{level}"
        skips.append(block(x, filtered) if f"{filtered}.conv.0.weight" in weights else x)
        x = avg_pool2d(x, 2)
    x = block(x, "unet.intermediate.layers.0.conv.0")
    for level in range(levels):
        at = f"unet.decoder.layers.{level}"
        x = conv_transpose2d(x, weights[f"{at}.conv1.0.weight"], stride=2, padding=1, output_padding=1)
        x = block(torch.cat([norm(x, f"{at}.conv1.1").relu(), skips.pop()], 1), f"{at}.conv2.0")
    rows = conv2d(x, weights["cnn.weight"], weights["cnn.bias"], padding=1)[0].transpose(0, 1).flatten(1)
    both = torch.cat([gru(rows, "l0"), gru(rows.flip(0), "l0_reverse").flip(0)], 1)
    return (both @ weights["fc.1.weight"].T + weights["fc.1.bias"]).sigmoid()


@pytest.mark.parametrize("timbre_filter", [False, True])
def test_names_and_numbers_are_those_of_the_description(timbre_filter: bool) -> None:
    network = random_network(dataclasses.replace(TINY, timbre_filter=timbre_filter))
    weights = network.state_dict()
    assert sorted(weights) == sorted(listed(NAMES + FILTER_NAMES * timbre_filter))
    mel = torch.randn(12, 128)
    with torch.inference_mode():
        torch.testing.assert_close(network(mel[None])[0], by_hand(weights, mel, TINY.levels), atol=1e-5, rtol=0)


def test_full_size_has_the_published_parameters() -> None:
    with torch.device("meta"):
        network = PublishedPitch()
    parts = [network.unet.encoder, network.unet.intermediate, network.unet.decoder, network.fc[0], network.fc[1]]
    millions = [round(sum(parameter.numel() for parameter in part.parameters()) / 1e6, 2) for part in parts]
    assert millions == [5.94, 74.48, 8.83, 0.99, 0.18]
    assert sum(parameter.numel() for parameter in network.parameters()) == 90_423_165
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert len(shapes) == 741
    assert shapes["unet.encoder.layers.4.conv.3.conv.3.weight"] == (256, 256, 3, 3)
    assert shapes["unet.decoder.layers.0.conv1.0.weight"] == (512, 256, 3, 3)
    assert shapes["fc.0.gru.weight_ih_l0_reverse"] == (768, 384)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_both_layouts_open_in_both_precisions(tmp_path: Path, nested: bool, half: bool) -> None:
    network = random_network(dataclasses.replace(TINY, timbre_filter=True))  # as in the 230917 release: there, and not used
    weights = {name: value.half() if half and value.is_floating_point() else value for name, value in network.state_dict().items()}
    torch.save({"model": weights, "global_step": 7} if nested else weights, tmp_path / "w.pt")
    opened = open_weights(tmp_path / "w.pt", TINY)
    assert not opened.training
    for name, value in opened.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert value.dtype == torch.float32
            assert torch.equal(value, weights[name].float())


def test_weights_without_batch_counters_open(tmp_path: Path) -> None:
    weights = random_network().state_dict()
    torch.save({name: value for name, value in weights.items() if "num_batches" not in name}, tmp_path / "w.pt")
    assert torch.equal(open_weights(tmp_path / "w.pt", TINY).cnn.weight, weights["cnn.weight"])


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    weights = dict(random_network().state_dict())
    del weights["fc.1.bias"]
    weights["fc.2.weight"] = torch.zeros(1)
    weights["cnn.weight"] = torch.zeros(3, 16, 3, 3)
    weights["cnn.bias"] = torch.zeros(3, dtype=torch.int8)
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(PackError) as raised:
        open_weights(tmp_path / "w.pt", TINY)
    message = str(raised.value)
    assert "\n" not in message
    assert "1 missing (fc.1.bias)" in message
    assert "1 unexpected (fc.2.weight)" in message
    assert "cnn.weight float32[3, 16, 3, 3] instead of [3, 2, 3, 3]" in message
    assert "cnn.bias int8[3] instead of [3]" in message
    assert "230917" in message  # what to do


class Trap:
    """What a file must not get to run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.exit, (3,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no weights at"),
        (b"RIFF", "not a file of tensors"),
        (b"", "not a file of tensors"),
        ({"model": Trap()}, "would run code"),
        ([1, 2], "but list"),
        ({"optimizer": {}, "step": 3}, "keys optimizer, step"),
        ({}, "neither"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "w.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(PackError) as raised:
        open_weights(path, TINY)
    assert "\n" not in str(raised.value)
    assert said in str(raised.value)


def test_a_plain_pickle_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(PackError):
        open_weights(tmp_path / "w.pt", TINY)


@pytest.mark.parametrize("samples", [0, 1, 400, 5000])
def test_any_length_gives_a_frame_every_ten_milliseconds(samples: int) -> None:
    audio = np.random.default_rng(1).standard_normal(samples).astype(np.float32)
    f0, salience = track(random_network(), audio)
    assert f0.shape == salience.shape == ((samples // 160 + 1,) if samples else (0,))
    assert f0.dtype == salience.dtype == np.float32


class Heard(PublishedPitch):
    """Stands in for trained weights: a bump of 20 cent bins at 220 Hz, high where the frame is loud, low where it is not."""

    def forward(self, mel: Tensor) -> Tensor:
        bins = (1200 * np.log2(220 / 10) - 1997.3794084376191) / 20
        height = torch.where(mel.amax(2, keepdim=True) > -4, 0.9, 0.02)
        return height * torch.exp(-((torch.arange(360) - bins) ** 2) / (2 * 1.25**2))


def test_a_tone_is_decoded_where_it_sounds() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    audio = np.concatenate([np.zeros(RATE), tone, np.zeros(RATE)]).astype(np.float32)
    f0, salience = track(Heard(TINY), audio)
    assert len(f0) == 301
    inside, outside = slice(104, 197), np.r_[0:96, 205:301]  # half a window from either edge
    assert np.abs(1200 * np.log2(f0[inside] / 220)).max() < 1
    assert not f0[outside].any()
    assert salience[inside].min() > 0.8
    assert salience[outside].max() < 0.03
    always, _ = track(Heard(TINY), audio, threshold=0)
    assert np.abs(1200 * np.log2(always / 220)).max() < 1


def test_graph_says_what_the_network_says(tmp_path: Path) -> None:
    network = random_network()
    write_graph(network, tmp_path / "g.onnx", {})
    assert largest_difference(network, tmp_path / "g.onnx") < 1e-5
    with pytest.raises(PackError, match="parity"):
        largest_difference(random_network(seed=1), tmp_path / "g.onnx")


def test_export_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(published_pitch, "Sizes", lambda timbre_filter: dataclasses.replace(TINY, timbre_filter=timbre_filter))
    filtered = random_network(dataclasses.replace(TINY, timbre_filter=True))
    torch.save(filtered.state_dict(), tmp_path / "w.pt")
    output = tmp_path / "made" / "g.onnx"
    arguments = ["export", "published-pitch", "--weights", str(tmp_path / "w.pt"), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert export_main.main() == 0
    assert "unet.tf is left aside" in capsys.readouterr().err
    assert onnxruntime.InferenceSession(output).get_modelmeta().custom_metadata_map["multiple"] == "4"
    monkeypatch.setattr(sys, "argv", [*arguments, "--timbre-filter"])
    assert export_main.main() == 0
    assert capsys.readouterr().err == ""
    assert largest_difference(filtered, output) < 1e-5
    output.unlink()
    (tmp_path / "w.pt").unlink()
    assert export_main.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists()
