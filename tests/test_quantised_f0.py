"""F0 tokens: the paper's bins, a token for unvoiced, and the error that the docstring states."""

import numpy as np
import pytest

from streamser.errors import UsageError
from streamser.features.quantised_f0 import F0Quantiser


def test_unvoiced_has_a_token_of_its_own() -> None:
    quantiser = F0Quantiser()
    assert quantiser.encode([0.0, -1.0, float("nan")]).tolist() == [0, 0, 0]
    assert quantiser.decode([0]).tolist() == [0.0]
    assert quantiser.encode([1.0]).item() == 1  # low pitch is pitch


def test_bins_are_those_of_the_paper() -> None:
    assert F0Quantiser().encode([50, 80, 100, 150, 200, 300, 400, 1100]).tolist() == [1, 12, 20, 37, 54, 84, 112, 255]


def test_round_trip_stays_within_the_stated_error() -> None:
    quantiser = F0Quantiser()
    f0 = np.geomspace(50.0, 1100.0, 5000)
    cents = 1200 * np.abs(np.log2(quantiser.decode(quantiser.encode(f0)) / f0))
    allowed = np.array([quantiser.worst_cents(hertz) for hertz in f0])
    assert np.all(cents <= allowed + 0.01)
    assert cents.max() > 40  # the bound is tight at the low end
    assert [round(quantiser.worst_cents(hertz)) for hertz in (50, 100, 200)] == [45, 24, 13]


def test_every_token_survives_a_round_trip() -> None:
    quantiser = F0Quantiser()
    tokens = np.arange(quantiser.bins)
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


@pytest.mark.parametrize("settings", [{"bins": 2}, {"f0_min": 0.0}, {"f0_min": 300.0, "f0_max": 200.0}])
def test_senseless_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        F0Quantiser(**settings)  # type: ignore[arg-type]


def test_foreign_tokens_are_refused() -> None:
    with pytest.raises(UsageError):
        F0Quantiser().decode([256])
