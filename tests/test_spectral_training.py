"""The spectral encoder's training and export, on random weights and sounds made here: no corpus, no checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.spectral import LARGEST_ERROR, check_sound, export_float, load_encoder, parity, shrink
from streamser.features.spectral_mel import COLUMN_SAMPLES
from train.spectral.material import COLUMNS, SCENE_SAMPLES, WINDOW_HOP, WINDOWS, Scenes, _window_labels
from train.spectral.model import SpectralEncoder, SpectralSize, Student
from train.spectral.sources import SHARES, Source, read_sources
from train.spectral.textures import KINDS, texture
from train.spectral.train import DECAY, HEADS, WARMUP, Statistics, crop, learning_rate, loss_terms


@pytest.fixture(scope="module")
def network() -> SpectralEncoder:
    """Small and random, its distance biases too, so that a wrong distance shows."""
    torch.manual_seed(5)
    network = SpectralEncoder(SpectralSize(width=48, depth=3, heads=3, past=5)).eval()
    network.mean.fill_(-20.0)
    network.deviation.fill_(20.0)
    for name, parameter in network.named_parameters():
        if "stem" not in name:
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
    assert parity(network, tmp_path / "float.onnx", 3.0)["max_difference"] < 1e-4
    assert parity(network, tmp_path / "shrunk.onnx", 3.0)["relative_error"] < LARGEST_ERROR
    assert (tmp_path / "shrunk.onnx").stat().st_size < 0.6 * (tmp_path / "float.onnx").stat().st_size


def test_no_material_but_train_and_validation() -> None:
    with pytest.raises(ValueError, match="test"):
        read_sources("test")


def test_scenes_repeat_for_a_seed_and_differ_between_seeds() -> None:
    sources = [
        Source(kind, kind, (check_sound(2.0 + index) * 32767).astype(np.int16), index % 2 - 1) for index, kind in enumerate(SHARES)
    ]
    one, label = Scenes(sources, 4, 0).draw()
    assert one.shape == (SCENE_SAMPLES,)
    assert label.shape == (WINDOWS,)
    assert np.array_equal(one, Scenes(sources, 4, 0).draw()[0])
    assert not np.array_equal(one, Scenes(sources, 4, 1).draw()[0])
    assert not np.array_equal(one, Scenes(sources, 5, 0).draw()[0])


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


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, 2.0) for step in range(1000)]
    assert rates[0] < rates[WARMUP // 2] < rates[WARMUP] == 2.0
    assert rates[round(1000 * (1 - DECAY)) - 1] == 2.0
    assert 0.0 < rates[-1] < 0.01


def test_a_whole_clip_is_heard_both_ways(network: SpectralEncoder) -> None:
    mel = torch.randn(1, 12, 16, 64) * 20.0 - 20.0
    changed = mel.clone()
    changed[:, 8] += 20.0
    with torch.no_grad():
        causal = (network(mel) - network(changed)).abs().amax(dim=(0, 2))
        both = (network(mel, both_ways=True) - network(changed, both_ways=True)).abs().amax(dim=(0, 2))
    assert causal[:8].max() == 0
    assert both[3:].min() > 1e-5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_textures_repeat_and_fill_what_was_asked_for(kind: object) -> None:
    assert callable(kind)
    sounds = [kind(48_000, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert all(sound.shape == (48_000,) and sound.dtype == np.float32 and np.isfinite(sound).all() for sound in sounds)
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])
    assert np.abs(texture(48_000, np.random.default_rng(3))).max() == pytest.approx(0.5)


def test_scenes_that_whisper_did_not_hear_and_windows_without_a_label_cost_nothing() -> None:
    torch.manual_seed(0)
    student = Student(SpectralSize(width=48, depth=1, heads=3, past=5), HEADS).eval()
    windows = 3
    batch = {
        "mel": torch.randn(2, 12, 16, 64) * 20.0 - 20.0,
        "label": torch.tensor([[3, -1, -1], [-1, -1, 2]]),
        **{name: torch.rand(2, windows, HEADS[name]) for name in ("scores", "embedding", "whisper")},
    }
    known = Statistics(
        *(((torch.zeros(HEADS[name]), torch.ones(HEADS[name]))) for name in ("embedding", "whisper", "envelope")),
        scores=torch.full((HEADS["scores"],), 0.01),
        class_weight=torch.ones(HEADS["emotion"]),
    )
    batch["whisper"][1] = float("nan")
    before, _ = loss_terms(student, batch, known)
    assert all(torch.isfinite(loss) for loss in before.values())
    batch["whisper"][1] = 9.0
    assert loss_terms(student, batch, known)[0]["whisper"] > before["whisper"]
    batch["whisper"][:] = float("nan")
    batch["label"][:] = -1
    nothing, _ = loss_terms(student, batch, known)
    assert nothing["whisper"] == 0
    assert nothing["emotion"] == 0


def test_spread_columns_have_no_ruling_direction_and_lose_nothing() -> None:
    torch.manual_seed(2)
    network = SpectralEncoder(SpectralSize(width=48, depth=1, heads=3, past=5)).eval()
    mel = torch.randn(20, 10, 16, 64) * 20.0 + torch.randn(20, 10, 1, 1) * 40.0
    with torch.no_grad():
        plain = network(mel).flatten(0, 1)
        network.spread_columns(plain)
        spread = network(mel).flatten(0, 1)
        directions = torch.linalg.eigvalsh(torch.cov(spread.T))
        assert torch.linalg.eigvalsh(torch.cov(plain.T))[-1] > 10 * torch.cov(plain.T).trace() / 48  # else nothing was shown
        assert directions[-1] < 1.01
        assert spread.mean(0).abs().max() < 1e-3
        network.plain_output()
        assert torch.allclose(network(mel).flatten(0, 1), plain, atol=1e-5)


def test_a_checkpoint_that_is_missing_or_another_networks_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no checkpoint"):
        load_encoder(tmp_path / "none.pt")
    torch.save({"student": {"encoder.norm.weight": torch.ones(3)}, "size": "half", "step": 1}, tmp_path / "old.pt")
    with pytest.raises(SystemExit, match=r"old\.pt holds another network"):
        load_encoder(tmp_path / "old.pt")
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(SystemExit, match=r"text\.pt is not a checkpoint"):
        load_encoder(tmp_path / "text.pt")
    torch.save({"average": {}}, tmp_path / "pitch.pt")
    with pytest.raises(SystemExit, match=r"not a checkpoint of `python -m train spectral`"):
        load_encoder(tmp_path / "pitch.pt")
