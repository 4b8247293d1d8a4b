"""The tagging benchmark's folds, probe, choice of clips, cache and verdicts, on numbers made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import export.spectral
from benchmarks.tagging import encoders as tagging_encoders
from benchmarks.tagging.clips import TASKS, Task, capped, telephone
from benchmarks.tagging.command import verdicts
from benchmarks.tagging.encoders import (
    RANDOM,
    STREAMED,
    WHOLE,
    YAMNET,
    Encoder,
    embeddings,
    pooled,
    random_weights,
    streamed,
    whole_clip,
)
from benchmarks.tagging.picture import flat_map, neighbours_agree
from benchmarks.tagging.probes import INNER_FOLDS, MOST_LEFT_OUT, OUTER_FOLDS, decisions, folds, probe_score
from streamser.features.spectral_mel import columns_decibels
from train.corpora import Clip
from train.metrics import Interval, uar
from train.spectral.model import SpectralEncoder, SpectralSize


def clip_of(speaker: str, number: int) -> Clip:
    return Clip("made", Path(f"{speaker}-{number}.opus"), "", "", speaker, "", "", 1.0, "")


def task_of(labels: np.ndarray, speakers: np.ndarray) -> Task:
    clips = tuple(clip_of(str(speaker), number) for number, speaker in enumerate(speakers))
    return Task("made", clips, labels, speakers, len(clips))


@pytest.mark.parametrize(("speakers", "expected"), [(4, 4), (MOST_LEFT_OUT, MOST_LEFT_OUT), (30, OUTER_FOLDS)])
def test_no_group_is_on_both_sides_of_a_fold_and_every_clip_is_scored_once(speakers: int, expected: int) -> None:
    groups = np.array([f"speaker {number}" for number in np.random.default_rng(0).integers(speakers, size=400)])
    outer = list(folds(groups, OUTER_FOLDS, MOST_LEFT_OUT))
    assert len(outer) == expected
    assert sorted(np.concatenate([score for _, score in outer])) == list(range(400))
    for fit, score in outer:
        assert not set(groups[fit]) & set(groups[score])
        for inner_fit, inner_score in folds(groups[fit], INNER_FOLDS):
            assert not set(groups[fit][inner_fit]) & set(groups[fit][inner_score])


def test_the_probe_finds_what_was_planted_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(1)
    labels = np.array([f"class {number}" for number in np.tile(np.arange(4), 60)])
    groups = np.array([f"speaker {number}" for number in np.repeat(np.arange(12), 20)])
    noise = rng.standard_normal((240, 20)).astype(np.float32)
    planted = noise.copy()
    for number in range(4):
        planted[labels == f"class {number}", number] += 3.0
    assert uar(labels, decisions(planted, labels, groups)) > 0.9
    assert abs(uar(labels, decisions(noise, labels, groups)) - 0.25) < 0.12


def test_what_marks_the_speaker_does_not_help() -> None:
    """Each speaker has one label and a mark of their own: folds that shared speakers would read the label from the mark."""
    speaker = np.repeat(np.arange(20), 10)
    labels = np.where(np.random.default_rng(2).permutation(20) % 2, "even", "odd")[speaker]
    groups = np.array([f"speaker {number}" for number in speaker])
    marks = np.eye(20, dtype=np.float32)[speaker]
    assert uar(labels, decisions(marks, labels, groups)) < 0.6


def test_the_cap_is_even_over_speakers_and_always_chooses_the_same() -> None:
    clips = [clip_of(speaker, number) for speaker, count in (("a", 50), ("b", 50), ("c", 3)) for number in range(count)]
    kept = capped(clips, 43)
    count = {speaker: sum(clip.speaker == speaker for clip in kept) for speaker in "abc"}
    assert count == {"a": 20, "b": 20, "c": 3}
    assert set(capped(clips[::-1], 43)) == set(kept)
    assert [clip for clip in clips if clip in kept] == kept
    assert capped(clips, 1000) == clips


def test_a_telephone_passes_speech_and_stops_the_rest() -> None:
    t = np.arange(16_000) / 16_000

    def passed(frequency: float) -> float:
        return float(np.std(telephone(np.sin(2 * np.pi * frequency * t).astype(np.float32))[4000:]) * 2**0.5)

    assert passed(1000.0) == pytest.approx(1.0, abs=0.01)
    assert max(passed(100.0), passed(6000.0)) < 0.02


def test_embeddings_are_made_once_and_again_when_the_encoder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.tile(["loud", "quiet"], 12)
    task = task_of(labels, np.repeat([f"speaker {number}" for number in range(6)], 4))
    rng = np.random.default_rng(3)
    audio = [(1.0 if label == "loud" else 0.1) * rng.standard_normal(4000).astype(np.float32) for label in labels]
    heard: list[int] = []

    def encoder(scale: float) -> Encoder:
        def embed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            heard.append(len(samples))
            return pooled(scale * np.abs(samples[:2560]).reshape(-1, 160))

        return Encoder("made", (embed, embed))

    monkeypatch.setattr(tagging_encoders, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(tagging_encoders, "task_audio", lambda task, condition: audio)
    found = embeddings(encoder(1.0), task, "clean")
    assert found.mean.shape == found.deviation.shape == (2, 24, 160)
    for pooling in ("mean", "mean + deviation"):
        assert probe_score(found, task, pooling).value == 1.0
    made = heard.count(4000)
    assert made == 48
    again = embeddings(encoder(1.0), task, "clean")
    assert heard.count(4000) == made
    np.testing.assert_array_equal(again.mean, found.mean)
    assert embeddings(encoder(2.0), task, "clean").mean.max() == pytest.approx(2.0 * found.mean.max())


def test_networks_of_any_size_are_measured_streamed_whole_and_untrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    network = SpectralEncoder(SpectralSize(width=48, depth=2, heads=3, past=5)).eval()
    network.mean.fill_(-20.0)
    network.deviation.fill_(20.0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    graph = tmp_path / "spectral.onnx"
    export.spectral.export_float(network, graph)
    monkeypatch.setattr(export.spectral, "load_encoder", lambda checkpoint: network)
    sound = (np.geomspace(1e-3, 0.3, 20_000) * np.random.default_rng(6).standard_normal(20_000)).astype(np.float32)
    with torch.no_grad():
        causal, both = (network(torch.from_numpy(columns_decibels(sound))[None], both_ways=way)[0] for way in (False, True))
    np.testing.assert_allclose(streamed(graph).embeds[0](sound)[0], causal.mean(dim=0), atol=1e-4)
    np.testing.assert_allclose(whole_clip(tmp_path / "checkpoint.pt").embeds[0](sound)[0], both.mean(dim=0), atol=1e-4)
    assert not np.allclose(causal.mean(dim=0), both.mean(dim=0), atol=1e-2)
    untrained = [embed(sound)[0] for embed in random_weights(graph).embeds]
    assert [vector.shape for vector in untrained] == [(48,)] * 3
    assert not np.allclose(untrained[0], untrained[1], atol=1e-3)


def made_scores(**change: float) -> dict[str, dict[str, Interval]]:
    """Scores that reach every bar exactly or just, with some of them changed: `yamnet_esc10=0.9`."""
    names = {"random": RANDOM, "streamed": STREAMED, "whole": WHOLE, "yamnet": YAMNET}
    values = {name: dict.fromkeys(TASKS, 0.50) for name in names}
    values["random"] = dict.fromkeys(TASKS, 0.30)
    values["yamnet"] |= dict.fromkeys(TASKS[2:], 0.49)
    for key, value in change.items():
        name, task = key.split("_", 1)
        values[name][task] = value
    return {names[name]: {task: Interval(v, v, v, "t") for task, v in scores.items()} for name, scores in values.items()}


def test_bars_are_reached_or_missed_one_by_one() -> None:
    assert [verdict.reached for verdict in verdicts(made_scores())] == [True] * 6
    for index, change in enumerate(
        (
            {"random_esc10": 0.36},
            dict.fromkeys([f"random_{task}" for task in TASKS[2:]], 0.46),
            {"yamnet_esc10": 0.60},
            {"yamnet_deeply_nonverbal": 0.54},
            dict.fromkeys([f"yamnet_{task}" for task in TASKS[2:]], 0.50),
            {"whole_ravdess": 0.58},
        )
    ):
        reached = [verdict.reached for verdict in verdicts(made_scores(**change))]
        assert reached == [number != index for number in range(6)], index


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    scores = made_scores()
    del scores[WHOLE]
    *others, last = verdicts(scores)
    assert last.reached is None
    assert str(last).startswith("not measured")
    assert all(verdict.reached for verdict in others)


def test_the_map_keeps_neighbours_and_counts_only_other_speakers() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat(["a", "b"], 20)
    vectors = rng.standard_normal((40, 8)) + 20.0 * (labels == "a")[:, None]
    points = flat_map(vectors)
    assert points.shape == (40, 2)
    alone = np.array([f"speaker {number}" for number in range(40)])
    assert neighbours_agree(vectors, labels, alone) == 1.0
    assert neighbours_agree(vectors, labels, labels) == 0.0
