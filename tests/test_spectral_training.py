"""The spectral encoder's training and export, on random weights and sounds made here: no corpus, no checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.spectral import check_sound, export_float, parity, quantise, shrink
from streamser.features.spectral_mel import COLUMN_SAMPLES
from train.spectral.material import COLUMNS, SCENE_SAMPLES, WINDOW_HOP, WINDOWS, Scenes, _window_labels
from train.spectral.model import SpectralEncoder, SpectralSize
from train.spectral.sources import SHARES, Source, read_sources
from train.spectral.train import DECAY, WARMUP, crop, disturb, learning_rate


@pytest.fixture(scope="module")
def network() -> SpectralEncoder:
    """Small and random, its distance biases too, so that a wrong distance shows."""
    torch.manual_seed(5)
    network = SpectralEncoder(SpectralSize(width=48, depth=3, heads=3, past=5)).eval()
    network.mean.fill_(-20.0)
    network.deviation.fill_(20.0)
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, std=1.0 if "bias" in name else 0.1)
    return network


def test_a_column_at_a_time_equals_the_whole_under_the_mask(network: SpectralEncoder) -> None:
    mel = torch.randn(1, 13, 16, 64) * 20.0 - 20.0
    past, columns = torch.zeros(3, 2, 3, 5, 4, 16), []
    with torch.no_grad():
        for j in range(13):
            ages = (j - 1 - torch.arange(5)) % 5 + 1
            column, past[:, :, :, j % 5] = network.step(mel[:, j : j + 1], past, torch.where(ages > j, 0, ages))
            columns.append(column[0])
        whole = network(mel)[0]
    assert torch.allclose(torch.stack(columns), whole, atol=1e-5)


def test_attention_reaches_exactly_the_past_columns() -> None:
    """One layer hears its own column and `past` before it, no more and no later."""
    torch.manual_seed(1)
    network = SpectralEncoder(SpectralSize(width=48, depth=1, heads=3, past=5)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    mel = torch.randn(1, 12, 16, 64)
    changed = mel.clone()
    changed[:, 4] += 1.0
    with torch.no_grad():
        difference = (network(mel) - network(changed)).abs().amax(dim=(0, 2))
    assert (difference > 1e-6).tolist() == [4 <= column <= 9 for column in range(12)]


def test_exported_graphs_stream_as_torch_hears(network: SpectralEncoder, tmp_path: Path) -> None:
    export_float(network, tmp_path / "float.onnx")
    shrink(tmp_path / "float.onnx", tmp_path / "shrunk.onnx")
    quantise(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    assert parity(network, tmp_path / "float.onnx", 3.0)["max_difference"] < 1e-4
    assert parity(network, tmp_path / "shrunk.onnx", 3.0)["relative_error"] < 0.1
    assert parity(network, tmp_path / "int8.onnx", 3.0)["relative_error"] < 0.2


def test_no_material_but_train_and_validation() -> None:
    with pytest.raises(ValueError, match="test"):
        read_sources("test")


def test_scenes_repeat_for_a_seed_and_differ_between_seeds() -> None:
    sources = [
        Source(kind, kind, (check_sound(2.0 + index) * 32767).astype(np.int16), index % 2 - 1) for index, kind in enumerate(SHARES)
    ]
    one, label = Scenes(sources, 4).draw()
    assert one.shape == (SCENE_SAMPLES,)
    assert label.shape == (WINDOWS,)
    assert np.array_equal(one, Scenes(sources, 4).draw()[0])
    assert not np.array_equal(one, Scenes(sources, 5).draw()[0])


def test_a_window_is_labelled_only_where_one_voice_fills_it() -> None:
    """A 2.4 s recording from column 6 on, silent in its second half: windows 2 to 3 are its own, later ones silence."""
    scene, owner = np.zeros(SCENE_SAMPLES, np.float32), np.full(SCENE_SAMPLES, -1, np.int32)
    begin = 6 * COLUMN_SAMPLES
    owner[begin : begin + 38_400] = 0
    scene[begin : begin + 19_200] = 0.1
    found = _window_labels(scene, owner, [3])
    assert set(found) == {-1, 3}
    assert found[2] == 3
    assert found[0] == -1
    assert (found[6:] == -1).all()


def test_a_crop_begins_where_its_first_window_does() -> None:
    mel = np.arange(COLUMNS, dtype=np.float16)[:, None, None] * np.ones((1, 16, 64), np.float16)
    rng = np.random.default_rng(0)
    for _ in range(20):
        part, first = crop(mel, rng, 24)
        assert part.shape == (24, 16, 64)
        assert part[0, 0, 0] == first * WINDOW_HOP
    assert np.isfinite(disturb(part, rng)).all()


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, 2.0) for step in range(1000)]
    assert rates[0] < rates[WARMUP // 2] < rates[WARMUP] == 2.0
    assert rates[round(1000 * (1 - DECAY)) - 1] == 2.0
    assert 0.0 < rates[-1] < 0.01
