"""The truth that the pitch network learns from: the same bins as the runtime decodes, F0 where the data says it is."""

import numpy as np
import pytest
import pyworld
import torch

from streamser.features.pitch import decode
from train.pitch.consensus import UNKNOWN, consensus
from train.pitch.measure import compare
from train.pitch.network import DELAY, MELS, PitchNetwork
from train.pitch.synthesis import HOP, SAMPLE_RATE, harmonic_sound, resynthesise, roughen
from train.pitch.train import masked_loss, targets


def world(audio: np.ndarray) -> np.ndarray:
    """F0 by dio and stonemask at 10 ms."""
    samples = audio.astype(np.float64)
    coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=45.0, f0_ceil=1100.0, frame_period=10.0)
    return pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)


def test_runtime_decodes_what_training_asks_for() -> None:
    f0 = np.geomspace(45, 1100, 400).astype(np.float32)
    pitch, peak = decode(targets(torch.from_numpy(f0)[None])[0].numpy())
    assert np.abs(1200 * np.log2(pitch / f0)).max() < 1.0
    assert peak.min() > 0.9
    assert targets(torch.zeros(1, 3)).sum() == 0  # unvoiced: every bin is empty


def test_loss_pairs_each_row_with_the_frame_it_speaks_of() -> None:
    f0 = torch.tensor([[0.0, 0.0, 200.0, 200.0, 0.0, 300.0, 0.0, 0.0]])
    perfect = torch.logit(targets(f0).clamp(1e-6, 1 - 1e-6))
    delayed = torch.cat([torch.full((1, DELAY, perfect.shape[2]), -9.0), perfect[:, :-DELAY]], dim=1)
    known = torch.ones_like(f0)
    assert masked_loss(delayed, f0, known) < masked_loss(perfect, f0, known) / 2
    wrong = delayed.clone()
    wrong[:, 2 + DELAY] = 5.0
    known[:, 2] = 0.0
    assert torch.isclose(masked_loss(wrong, f0, known), masked_loss(delayed, f0, known))  # masked frames do not count


def test_network_hears_only_the_past_and_goes_on_where_it_stopped() -> None:
    torch.manual_seed(0)
    network = PitchNetwork().eval()
    mel = torch.randn(1, 40, MELS)
    with torch.no_grad():
        whole, end = network(mel, network.initial_state())
        later = mel.clone()
        later[:, 25:] = 0.0
        cut, _ = network(later, network.initial_state())
        first, state = network(mel[:, :7], network.initial_state())
        second, last = network(mel[:, 7:], state)
    assert torch.allclose(whole[:, :25], cut[:, :25], atol=1e-6)
    assert not torch.allclose(whole[:, 25:], cut[:, 25:], atol=1e-3)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-5)
    assert torch.allclose(last, end, atol=1e-5)
    assert sum(weight.numel() for weight in network.parameters()) < 1_000_000


def test_harmonic_sounds_have_the_pitch_that_they_claim() -> None:
    generator = np.random.default_rng(5)
    cents = []
    for _ in range(12):
        audio, truth = harmonic_sound(2.0, generator)
        assert len(audio) == (len(truth) - 1) * HOP + 1
        found = world(audio)[: len(truth)]
        both = (truth > 0) & (found > 0)
        cents.append(1200 * np.log2(found[both] / truth[both]))
    assert np.median(np.abs(np.concatenate(cents))) < 10


def test_resynthesis_moves_the_pitch_to_the_contour_it_reports() -> None:
    generator = np.random.default_rng(6)
    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    f0 = 140 + 40 * np.sin(2 * np.pi * 1.5 * times)
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    spoken = sum(np.cos(number * phase + number) / number for number in range(1, 25)) * 0.1
    spoken[: SAMPLE_RATE // 2] = 0.001 * generator.standard_normal(SAMPLE_RATE // 2)
    made = resynthesise(spoken + 1e-6 * generator.standard_normal(len(spoken)), generator)
    assert made is not None
    audio, truth = made
    found = world(audio)[: len(truth)]
    both = (truth > 0) & (found > 0)
    assert both.sum() > 80
    assert np.median(np.abs(1200 * np.log2(found[both] / truth[both]))) < 15
    assert np.mean(truth[:40] > 0) < 0.1


def test_consensus_knows_a_clear_voice_and_silence_and_admits_doubt() -> None:
    from swift_f0 import SwiftF0

    generator = np.random.default_rng(8)
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    f0 = 150 * 2 ** (0.2 * np.sin(2 * np.pi * 0.7 * times))
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    spoken = sum(np.cos(number * phase + number) / number for number in range(1, 25)) * 0.1
    spoken[:SAMPLE_RATE] = 0.0
    labels = consensus(spoken + 1e-5 * generator.standard_normal(len(spoken)), SwiftF0(threads=1))
    assert len(labels) == 3 * 100 + 1
    assert np.mean(labels[10:80] == 0) > 0.95
    steady = labels[115:285]
    assert np.mean(steady > 0) > 0.95
    truth = f0[np.arange(115, 285) * HOP]
    assert np.abs(1200 * np.log2(steady[steady > 0] / truth[steady > 0])).max() < 25
    mixed = spoken + 0.5 * generator.standard_normal(len(spoken))  # 14 dB over the voice: they cannot all be sure
    assert np.mean(consensus(mixed, SwiftF0(threads=1))[115:285] == UNKNOWN) > 0.2


def test_rough_voices_are_rough_only_where_there_is_voice() -> None:
    contour = np.full(400, 200.0)
    contour[:100] = contour[300:] = 0.0
    changed = 0
    for seed in range(20):
        rough = roughen(contour, np.random.default_rng(seed))
        assert np.array_equal(rough == 0, contour == 0)
        changed += not np.array_equal(rough, contour)
    assert 5 < changed < 20


def test_silence_has_nothing_to_resynthesise() -> None:
    generator = np.random.default_rng(7)
    assert resynthesise(1e-6 * generator.standard_normal(SAMPLE_RATE), generator) is None


def test_scores_count_what_they_say() -> None:
    truth = np.array([0, 100, 100, 100, 0], dtype=np.float32)
    pitch = np.array([90, 101, 200, 100, 80], dtype=np.float32)
    voiced = np.array([True, True, True, False, False])
    scores = compare(pitch, voiced, truth)
    assert scores.pitch_accuracy == pytest.approx(2 / 3)
    assert scores.chroma_accuracy == pytest.approx(1.0)
    assert scores.voicing_precision == pytest.approx(2 / 3)
    assert scores.voicing_recall == pytest.approx(2 / 3)
    assert scores.overall_accuracy == pytest.approx(2 / 5)
