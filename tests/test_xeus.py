"""XEUS through ESPnet: how ESPnet is asked, and (where it is installed) ESPnet itself on a small random checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from train.encoders.registry import load_audio_encoder
from train.encoders.xeus import Xeus, xeus_files

SOUND = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)


class FakeModel:
    """Stands for ESPnet's ESPnetSSLModel as version 202511 has it."""

    def __init__(self) -> None:
        self.encoder = SimpleNamespace(output_size=lambda: 8, encoders=[None] * 3)
        self.evaluated = False

    def eval(self) -> FakeModel:
        self.evaluated = True
        return self

    def inference_encode(self, speech: torch.Tensor, lengths: torch.Tensor, use_mask: bool, use_final_output: bool) -> tuple:
        assert self.evaluated
        assert (use_mask, use_final_output) == (False, False)
        assert speech.dtype == torch.float32
        assert lengths.tolist() == [speech.shape[1]]
        layers = [torch.full((1, 49, 8), float(index)) for index in range(3)]
        return torch.full((1, 49, 8), 9.0), layers, torch.tensor([49])


def test_xeus_is_loaded_and_asked_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple] = []

    def build(config: Path, checkpoint: Path, device: str) -> tuple:
        called.append((config, checkpoint, device))
        return FakeModel(), None

    for name in ("espnet2", "espnet2.tasks", "espnet2.tasks.ssl"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["espnet2.tasks.ssl"].SSLTask = SimpleNamespace(build_model_from_file=build)  # type: ignore[attr-defined]
    (tmp_path / "model").mkdir()
    for name in ("config.yaml", "xeus_checkpoint_new.pth", "xeus_checkpoint_old.pth"):
        (tmp_path / "model" / name).touch()
    encoder = load_audio_encoder(str(tmp_path))
    assert isinstance(encoder, Xeus)
    assert called[0][:2] == (tmp_path / "model" / "config.yaml", tmp_path / "model" / "xeus_checkpoint_new.pth")
    found = encoder.encode(SOUND)
    assert found.shape == (49, 3, 8)
    assert found[0, :, 0].tolist() == [0.0, 1.0, 2.0]  # each block's, the last without the final normalisation


def test_xeus_by_espnet_itself(tmp_path: Path) -> None:
    pytest.importorskip("espnet2.tasks.ssl")
    from tests.espnet_checkpoint import save_small_xeus

    model = save_small_xeus(tmp_path)
    encoder = load_audio_encoder(str(tmp_path))
    found = encoder.encode(SOUND)
    assert found.shape == (49, 3, 32)
    np.testing.assert_array_equal(found, encoder.encode(SOUND))  # nothing is masked
    with torch.inference_mode():
        _, layers, _ = model.eval().inference_encode(torch.from_numpy(SOUND)[None], torch.tensor([len(SOUND)]), False, False)
    np.testing.assert_allclose(found[:, -1], layers[-1][0].numpy(), atol=1e-5)


def test_xeus_without_espnet_or_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(SystemExit, match=r"must hold config\.yaml and one \.pth"):
        xeus_files(tmp_path)
    (tmp_path / "xeus.pth").touch()
    monkeypatch.setitem(sys.modules, "espnet2.tasks.ssl", None)
    with pytest.raises(SystemExit, match="XEUS needs ESPnet"):
        load_audio_encoder(str(tmp_path))
