"""Encoders that learn in part: what is frozen stays, padding says nothing, and a training does what its cell says."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from train.corpora import LABELS
from train.encoders.whisper_wheels import WhisperEncoder
from train.experiments import end_to_end
from train.experiments.cells import MACRO_F1
from train.experiments.tuned_encoders import TOP, CedWhole, Frozen, Heard, WhisperTop, means_of, padded
from train.spectral.model import SpectralEncoder, SpectralSize

LENGTHS = (5, 9, 12)


@pytest.fixture
def whisper() -> WhisperEncoder:
    torch.manual_seed(0)
    encoder = WhisperEncoder(64, 4, 80, 50)
    for weights in encoder.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return encoder.eval()


@pytest.fixture
def ced() -> CedWhole:
    torch.manual_seed(0)
    encoder = SpectralEncoder(SpectralSize(width=24, depth=2, heads=2, past=5))
    for weights in encoder.blocks.parameters():
        if weights.ndim == 2:
            torch.nn.init.normal_(weights, std=0.1)
    return CedWhole(encoder).eval()


def made_up(count: int, seed: int) -> Heard:
    """Means of which the first numbers tell the label, plainly; of three speakers."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(LABELS), count)
    clips = [(3.0 * np.eye(16)[label] + 0.3 * rng.standard_normal(16)).astype(np.float32)[None] for label in labels]
    speakers = np.array([f"s{number % 3}" for number in range(count)])
    return Heard([clips], labels, speakers, np.array(["made-up"] * count))


def test_the_top_of_whisper_goes_on_where_the_kept_layer_ends(whisper: WhisperEncoder) -> None:
    mel = torch.randn(1, 80, 2 * 11)
    with torch.no_grad():
        layers = whisper(mel)
        found = WhisperTop(whisper, 0)(layers[-TOP - 1], torch.ones(1, 11, dtype=torch.bool))
    assert torch.allclose(found, layers[-1].mean(1), atol=1e-5)


@pytest.mark.parametrize("kind", ["whisper", "ced"])
def test_a_clip_in_a_batch_comes_out_as_it_does_alone(kind: str, whisper: WhisperEncoder, ced: CedWhole) -> None:
    rng = np.random.default_rng(1)
    network = WhisperTop(whisper, 1) if kind == "whisper" else ced
    shape = (64,) if kind == "whisper" else (16, 64)
    clips = [rng.standard_normal((length, *shape)).astype(np.float32) for length in LENGTHS]
    with torch.no_grad():
        together = network(*padded(clips))
        alone = torch.cat([network(*padded([clip])) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


@pytest.mark.parametrize(("tuned", "expected"), [(0, set()), (1, {1}), (2, {0, 1})])
def test_exactly_the_last_blocks_learn(whisper: WhisperEncoder, tuned: int, expected: set[int]) -> None:
    network = WhisperTop(whisper, tuned)
    before = copy.deepcopy(network.state_dict())
    weights = [weights for weights in network.parameters() if weights.requires_grad]
    if weights:
        frames, mask = padded([np.random.default_rng(0).standard_normal((9, 64)).astype(np.float32)])
        network(frames, mask).square().sum().backward()
        with torch.no_grad():
            for moving in weights:
                moving -= 0.1 * moving.grad
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {int(name.split(".")[1]) for name in moved if name.startswith("blocks.")} == expected
    assert any(name.startswith("norm.") for name in moved) == bool(tuned)


def test_means_of_a_frozen_encoder_are_its_own(whisper: WhisperEncoder) -> None:
    rng = np.random.default_rng(2)
    clips = [rng.standard_normal((length, 64)).astype(np.float16) for length in LENGTHS * 15]
    material = replace(made_up(len(clips), 0), clips=[clips])
    network = WhisperTop(whisper, 0)
    kept = means_of(network, material).clips[0]
    assert kept[0].shape == (1, 64)
    with torch.no_grad():
        for row in (0, 31, 32, 44):
            assert np.allclose(kept[row][0], network(*padded([clips[row]]))[0].numpy(), rtol=0.02, atol=0.02)  # bfloat16
    assert np.allclose(means_of(None, material).clips[0][7][0], clips[7].astype(np.float32).mean(0), atol=1e-3)


def test_batches_cover_the_clips_once_a_pass_with_like_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 512)
    drawn = end_to_end.batches(lengths, np.random.default_rng(1))
    rows = np.stack([next(drawn) for _ in range(512 // end_to_end.BATCH)])
    assert sorted(rows.ravel().tolist()) == list(range(512))
    assert np.mean([np.ptp(lengths[batch]) for batch in rows]) < 0.3 * np.ptp(lengths)
    few = next(end_to_end.batches(np.array([3, 4, 5]), np.random.default_rng(1)))
    assert sorted(few.tolist()) == [0, 1, 2]


def test_a_head_learns_what_is_plain_and_the_same_seed_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "STEPS", 60)
    splits = {"train": made_up(320, 0), "validation": made_up(60, 1), "test": made_up(90, 2)}
    monkeypatch.setattr(end_to_end, "material_of", lambda name, split: splits[split])
    found = [end_to_end.attempt("whisper, frozen", False, 1e-2, seed) for seed in (1, 1, 2)]
    assert found[0].validation > 0.95
    assert found[0].test == found[1].test
    assert set(found[0].test) == {"made-up/s0", "made-up/s1", "made-up/s2"}
    assert found[0].parameters == 16 * 128 + 128 + 128 * len(LABELS) + len(LABELS)


def test_training_moves_ced_and_ends_at_the_best_look(monkeypatch: pytest.MonkeyPatch, ced: CedWhole) -> None:
    monkeypatch.setattr(end_to_end, "STEPS", 2 * end_to_end.LOOKS)
    rng = np.random.default_rng(0)
    train, validation = (
        replace(made_up(count, seed), clips=[[rng.standard_normal((4, 16, 64)).astype(np.float16) for _ in range(count)]] * 2)
        for count, seed in ((48, 0), (20, 1))
    )
    looks: list[float] = []
    real = end_to_end.tables_of

    def watched(*args: object) -> object:
        tables = real(*args)  # type: ignore[arg-type]
        looks.append(end_to_end.scores_of(tables)[MACRO_F1])
        return tables

    monkeypatch.setattr(end_to_end, "tables_of", watched)
    before = copy.deepcopy(ced.encoder.blocks[0].qkv.weight)
    head, best = end_to_end.fit(ced, train, validation, 1e-2, True, True, 3)
    assert len(looks) == end_to_end.LOOKS
    assert not torch.equal(before, ced.encoder.blocks[0].qkv.weight)
    assert end_to_end.scores_of(real(ced, head, validation))[MACRO_F1] == max(looks) == best


def test_the_first_seed_chooses_the_rate_on_validation_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    tried: list[tuple[bool, float, int]] = []

    def attempt(name: str, effects: bool, rate: float, seed: int) -> end_to_end.Attempt:
        tried.append((effects, rate, seed))
        chosen = rate == end_to_end.RATES[1]
        right = np.eye(len(LABELS), dtype=int) * 9
        table = np.column_stack([np.roll(right, 1, axis=1) if chosen else right, np.zeros(len(LABELS), int)]).tolist()
        return end_to_end.Attempt(0.9 if chosen else 0.1, {"made-up/s0": table}, 5, 1.0)

    monkeypatch.setattr(end_to_end, "attempt", attempt)
    end_to_end.chosen.cache_clear()
    cells = [cell for cell in end_to_end.cells([1, 2]) if cell.name.startswith("whisper, frozen") and "layer" not in cell.name]
    outcomes = [end_to_end.run(cell) for cell in cells]
    end_to_end.chosen.cache_clear()
    best = end_to_end.RATES[1]
    assert tried == [*((False, rate, 1) for rate in end_to_end.RATES), (False, best, 2), (True, best, 1), (True, best, 2)]
    assert all(outcome.scores[MACRO_F1] == 0.0 for outcome in outcomes)  # although the other rate was better on test
    tried.clear()
    end_to_end.run(cells[1])  # as another process would: the choice is kept
    end_to_end.chosen.cache_clear()
    assert tried == [(False, best, 2)]


def test_every_system_has_its_cells_and_each_row_is_compared_with_one_of_them() -> None:
    cells = end_to_end.cells([1, 2, 3])
    names = {cell.name for cell in cells}
    assert set(end_to_end.SYSTEMS) <= names
    assert {name.removesuffix(", effects") for name in names if name.endswith("effects")} == set(end_to_end.WITH_EFFECTS)
    assert set(end_to_end.REFERENCE) == names
    assert set(end_to_end.REFERENCE.values()) <= names
    assert len(cells) == 3 * len(names)
    assert all(set(end_to_end.COLUMNS) <= set(cell.settings) for cell in cells)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    factors = [end_to_end.rate_factor(step) for step in range(end_to_end.STEPS)]
    peak = int(np.argmax(factors))
    assert factors[peak] == pytest.approx(1.0, abs=0.01)
    assert peak == pytest.approx(end_to_end.WARM_UP * end_to_end.STEPS, abs=1)
    assert all(np.diff(factors[peak:]) <= 0)
    assert factors[-1] < 0.01


def test_a_frozen_encoder_has_nothing_to_learn() -> None:
    assert not list(Frozen(7).parameters())
