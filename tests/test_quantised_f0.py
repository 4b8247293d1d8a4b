"""F0 tokens: the paper's setting, the default pack's token for unvoiced, and the error that the docstring states."""

import numpy as np
import pytest

from streamser.errors import UsageError
from streamser.features.quantised_f0 import DEFAULT_PACK_F0, F0Quantiser
from streamser.recognizer import Recognizer
from train.features import load_features


def test_the_paper_is_the_default() -> None:
    paper = F0Quantiser()
    # method.md 6: examples of the published code, unvoiced in bin 1, bin 0 unused
    assert paper.encode([0, 50, 80, 100, 150, 200, 300, 400, 1100]).tolist() == [1, 1, 12, 20, 37, 54, 84, 112, 255]
    assert paper.encode(np.linspace(0, 2000, 4001)).min() == 1
    assert paper.step_mel == pytest.approx(3.884, abs=5e-4)


def test_the_shared_bin_decodes_as_unvoiced() -> None:
    paper = F0Quantiser()
    assert paper.decode([1]).tolist() == [0.0]
    assert paper.encode([51.25, 51.35]).tolist() == [1, 2]  # the edge that the docstring gives
    with pytest.raises(UsageError):
        paper.decode([0])


def test_the_default_pack_has_a_token_of_its_own_for_unvoiced() -> None:
    assert F0Quantiser(bins=256, f0_min=50.0, f0_max=1100.0, unvoiced=0) == DEFAULT_PACK_F0
    assert DEFAULT_PACK_F0.encode([0.0, -1.0, float("nan")]).tolist() == [0, 0, 0]
    assert DEFAULT_PACK_F0.decode([0]).tolist() == [0.0]
    assert DEFAULT_PACK_F0.encode([1.0, 50.0]).tolist() == [1, 1]  # low pitch is pitch
    assert DEFAULT_PACK_F0.decode([1]).item() == pytest.approx(50.0)


def test_training_and_runtime_share_the_packs_setting() -> None:
    """The shipped fusion was trained on these tokens: another setting would shift every one of them."""
    assert load_features("pitch").quantiser == DEFAULT_PACK_F0
    assert Recognizer.load("default").features.quantiser == DEFAULT_PACK_F0
    voiced = np.geomspace(40, 1300, 999)
    assert np.array_equal(DEFAULT_PACK_F0.encode(voiced), F0Quantiser().encode(voiced))


@pytest.mark.parametrize("bins", [64, 128, 256, 512])
def test_the_docstrings_errors_are_those_measured(bins: int) -> None:
    quantiser = F0Quantiser(bins)
    row = f"{bins:4d}"
    for lowest in (65, 130, 260):
        f0 = np.geomspace(lowest, 2 * lowest, 20_001)
        cents = 1200 * np.abs(np.log2(quantiser.decode(quantiser.encode(f0)).astype(np.float64) / f0))
        row += f" {cents.max():7.1f} {cents.mean():5.1f}"
    assert row in (F0Quantiser.__doc__ or "")


@pytest.mark.parametrize("quantiser", [F0Quantiser(), DEFAULT_PACK_F0, F0Quantiser(64, 60, 500), F0Quantiser(512, unvoiced=0)])
def test_every_token_survives_a_round_trip(quantiser: F0Quantiser) -> None:
    tokens = np.arange(quantiser.unvoiced, quantiser.bins)
    assert np.array_equal(quantiser.encode(quantiser.decode(tokens)), tokens)


def test_tokens_rise_with_pitch_and_are_held_in_range() -> None:
    quantiser = F0Quantiser(bins=64, f0_min=60, f0_max=500)
    tokens = quantiser.encode(np.geomspace(20, 3000, 300))
    assert np.all(np.diff(tokens) >= 0)
    assert tokens[0] == 1
    assert tokens[-1] == 63


def test_shape_and_type_are_kept() -> None:
    tokens = F0Quantiser().encode(np.zeros((2, 3), dtype=np.float32))
    assert tokens.shape == (2, 3)
    assert tokens.dtype == np.int64
    assert F0Quantiser().decode(tokens).dtype == np.float32


@pytest.mark.parametrize("settings", [{"bins": 2}, {"f0_min": 0.0}, {"f0_min": 300.0, "f0_max": 200.0}, {"unvoiced": 2}])
def test_senseless_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        F0Quantiser(**settings)  # type: ignore[arg-type]


def test_foreign_tokens_are_refused() -> None:
    with pytest.raises(UsageError):
        F0Quantiser().decode([256])
