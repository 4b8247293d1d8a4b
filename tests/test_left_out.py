"""Temperatures: what one speaker asks for weighs less than what many do, and what copies without a corpus ask for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from export import left_out
from train.tuning.network import Tuned, TuningConfig

LABELS = ("neutral", "anger", "sadness")


def part(temperature: float, speakers: int, seed: int) -> Any:
    """Clips of one step each that are right as often as their logits, divided by a temperature, say."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((900, 3)) * 2
    shares = np.exp(logits / temperature)
    shares /= shares.sum(1, keepdims=True)
    truth = np.array([rng.choice(3, p=share) for share in shares])
    return SimpleNamespace(
        collection=SimpleNamespace(labels=LABELS),
        logits=logits.astype(np.float32),
        heard=np.full(900, 4.0, np.float32),
        clip=np.arange(900),
        clip_label=truth,
        clip_speaker=np.array([f"s{number % speakers}" for number in range(900)]),
    )


def test_a_corpus_of_one_speaker_weighs_half_as_much_as_one_of_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(left_out, "step_logits", lambda member, inputs: inputs.logits)
    alone = [left_out.clip_temperature([object()], [1.0], [part(t, 9, n)], set(LABELS)) for n, t in ((1, 1.0), (2, 2.0))]  # type: ignore[list-item]
    assert alone == pytest.approx([1.0, 2.0], rel=0.15)
    parts = [part(1.0, 9, 1), part(2.0, 1, 2)]
    joint = left_out.clip_temperature([object()], [1.0], parts, set(LABELS))  # type: ignore[list-item]
    weights = np.array([0.9, 0.5])
    assert joint == pytest.approx(float(np.exp(np.log(alone) @ weights / weights.sum())), rel=1e-3)


def test_a_copy_says_how_much_more_a_corpus_asks_for_that_it_has_not_heard(tmp_path, monkeypatch: pytest.MonkeyPatch):
    network = Tuned(TuningConfig(LABELS, rank=2))
    monkeypatch.setattr(left_out, "checkpoint_file", lambda name: tmp_path / f"{name}.pt")
    saved: dict[str, Any] = {"learned": network.learned(), "config": {"labels": LABELS, "rank": 2}, "temperature": 1.2}
    heard = ["nemo", "banglaser", "indian_emospeech"]
    torch.save({**saved, "corpora": heard, "left_out": {"temperature": 1.8}}, tmp_path / "copy.pt")
    assert left_out.left_out_ratios(["copy"]) == {"ravdess": 1.5}
    assert left_out.joint_ratio({"ravdess": 1.5}) == pytest.approx(1.5**0.5)
    torch.save({**saved, "corpora": [*heard, "ravdess"]}, tmp_path / "whole.pt")
    with pytest.raises(SystemExit, match="not taught without one corpus"):
        left_out.left_out_ratios(["whole"])
