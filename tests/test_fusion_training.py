"""From cached inputs to a calibrated member and its graph, on inputs made up here."""

import numpy as np
import onnx
import pytest
import torch

from export.fusion import INPUTS, example_batch, export_graph, parity, run_graph
from streamser.fusion_input import FusionInput
from train.corpora import LABELS
from train.features import STEP, Collection, Stream, channel, fresh_stream, room_silence
from train.fusion import train as training
from train.fusion.data import TEXT_SHARES, Inputs, TextBank, TrainingSet, collate, common_rows, in_order, perturbed
from train.fusion.decide import ensemble_posteriors
from train.fusion.mdat import Ensemble, Member, MemberConfig

SMALL = MemberConfig(width=16, heads=2, feed_forward=16, hidden=16, dropout=0.1)


def made_up_inputs(corpus: str, split: str, labels: list[int], rows: int, seed: int) -> Inputs:
    """Rows whose Whisper nodes and pitch carry the label; every clip has two rows and every corpus its own offset."""
    rng = np.random.default_rng(seed)
    clip_label = rng.choice(labels, rows // 2)
    clip = np.repeat(np.arange(rows // 2), 2)
    directions = np.random.default_rng(0).normal(size=(len(LABELS), 512))
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("whisper", "pitch", "spectral")}
    for row in clip:
        label = clip_label[row]
        noise = rng.normal(size=(int(rng.integers(2, 9)), 3, 512)) * 2
        arrays["whisper"].append((noise + directions[label] + len(corpus) % 3).astype(np.float16))
        arrays["pitch"].append(rng.integers(1 + 30 * label, 31 + 30 * label, int(rng.integers(1, 20))).astype(np.int16))
        arrays["spectral"].append(rng.normal(size=(int(rng.integers(1, 5)), 192)).astype(np.float16))
    slices, joined = {}, {}
    for name, values in arrays.items():
        ends = np.cumsum([len(value) for value in values])
        slices[name] = np.stack([ends - [len(value) for value in values], ends], 1)
        joined[name] = np.concatenate(values)
        joined[f"{name}_age"] = rng.uniform(0, 4, len(joined[name])).astype(np.float32)
    return Inputs(
        collection=Collection(corpus, split),
        clip=clip,
        now=np.tile([8000, 16000], rows // 2),
        heard=rng.uniform(0.3, 3, rows).astype(np.float32),
        clip_label=clip_label,
        clip_speaker=np.array(["a", "b"])[np.arange(rows // 2) % 2],
        clip_gender=np.array(["f"] * (rows // 2)),
        arrays=joined,
        slices=slices,
    )


@pytest.fixture
def bank() -> TextBank:
    rng = np.random.default_rng(9)
    return TextBank({label: [rng.normal(size=(4, 384)).astype(np.float16) for _ in range(3)] for label in LABELS})


def test_a_tiny_training_learns_and_a_resumed_one_goes_on(tmp_path, monkeypatch, bank):
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    monkeypatch.setattr(training, "EPOCH", 12)
    monkeypatch.setattr(training, "AVERAGING", 0.8)
    monkeypatch.setattr(training, "WARM_UP", 5)
    monkeypatch.setattr(training, "LEARNING_RATE", 1e-2)
    parts = [made_up_inputs("nemo", "train", [0, 1, 4], 120, 1), made_up_inputs("ravdess", "train", list(range(7)), 120, 2)]
    validation = [made_up_inputs("nemo", "validation", [0, 1, 4], 60, 3)]
    data = TrainingSet(parts, bank)
    training.train_member("tiny", SMALL, data, validation, seed=1, epochs=3, resume=False)
    path = training.train_member("tiny", SMALL, data, validation, seed=1, epochs=5, resume=True)
    member, saved = training.load_member(path)
    assert len((tmp_path / "fusion_members" / "tiny.jsonl").read_text().splitlines()) == 5
    assert saved["validation"]["nemo"] > 0.7  # chance is a third
    assert 0.4 <= saved["temperature"] <= 4
    assert all(torch.equal(value, value.half().float()) for value in member.state_dict().values())


def test_the_loss_is_blind_to_labels_that_a_corpus_lacks_but_for_a_small_part():
    weights = torch.ones(1, 7)
    some, every = torch.tensor([[True] * 2 + [False] * 5]), torch.ones(1, 7, dtype=torch.bool)
    plain = torch.zeros(1, 7)
    tempted = plain.clone()
    tempted[0, 6] = 4.0  # the network favours a label that the corpus does not have
    label, corpus, arousal = torch.tensor([1]), torch.tensor([0]), torch.zeros(1)

    def loss(logits: torch.Tensor, mask: torch.Tensor) -> float:
        return float(training.loss_of((logits, arousal), label, corpus, weights, mask, training.arousal_levels(LABELS)))

    blind = loss(tempted, some) - loss(plain, some)
    seeing = loss(tempted, every) - loss(plain, every)
    assert 0 < blind < 0.25 * seeing


def test_class_weights_are_inverse_frequencies_of_the_labels_a_corpus_has(bank):
    part = made_up_inputs("nemo", "train", [0, 1], 40, 4)
    part.clip_label[:] = [0] * 15 + [1] * 5
    weights = TrainingSet([part], bank).class_weights()["nemo"]
    assert weights[1] == pytest.approx(3 * weights[0])
    assert np.count_nonzero(weights) == 2
    assert weights[part.labels].mean() == pytest.approx(1.0)


def test_batches_take_every_corpus_equally_often(bank):
    parts = [made_up_inputs("nemo", "train", [0, 1], 400, 5), made_up_inputs("ravdess", "train", [0, 1], 20, 6)]
    sources = np.concatenate([corpora for _, _, corpora in TrainingSet(parts, bank).batches(32, 16, 0)])
    assert len(sources) == 512
    assert 0.4 < sources.mean() < 0.6


def test_text_is_paired_at_the_stated_rates_whatever_the_corpus(bank):
    rng = np.random.default_rng(0)
    lengths = [len(bank.draw("anger", rng)) for _ in range(2000)]
    assert np.mean([length == 0 for length in lengths]) == pytest.approx(TEXT_SHARES["none"], abs=0.04)


def test_a_perturbed_row_keeps_some_whisper_nodes_and_ages_that_fit(bank):
    part = made_up_inputs("nemo", "train", [1], 40, 7)
    rng = np.random.default_rng(1)
    for index in range(40):
        row = perturbed(part.row(index), "anger", bank, rng)
        for name in ("whisper", "pitch", "spectral", "text"):
            assert (name in row) == (f"{name}_age" in row)
            if name in row:
                assert len(row[name]) == len(row[f"{name}_age"])


def test_collated_rows_are_what_the_runtime_feeds():
    part = made_up_inputs("nemo", "test", [1], 4, 8)
    row = part.row(2)
    nothing = np.zeros((0, 384), np.float32)
    live = FusionInput(
        row["whisper"].astype(np.float32),
        row["whisper_age"],
        row["pitch"].astype(np.int64),
        row["pitch_age"],
        row["spectral"].astype(np.float32),
        row["spectral_age"],
        nothing,
        np.zeros(0, np.float32),
        float(part.heard[2]),
    ).as_batch()
    cached = collate([row], part.heard[2:3])
    assert set(live) == set(cached) == set(INPUTS)
    for name, values in live.items():
        assert values.dtype == cached[name].dtype
        assert np.array_equal(values, cached[name])


def test_two_caches_are_joined_by_stream_and_step():
    first = {"clip": np.array([0, 0, 1, 2]), "now": np.array([8000, 16000, 8000, 8000])}
    second = {"clip": np.array([0, 1, 1]), "now": np.array([16000, 8000, 16000])}
    rows = common_rows({"whisper": first, "sound": second})
    assert rows["whisper"].tolist() == [1, 2]
    assert rows["sound"].tolist() == [0, 1]


def test_graph_and_torch_agree_for_any_batch_and_node_count(tmp_path):
    torch.manual_seed(3)
    configs = (SMALL, MemberConfig(width=16, heads=2, feed_forward=16, hidden=8, pitch=False, spectral=False))
    members = [Member(config).eval() for config in configs]
    for member in members:
        training.round_weights(member)
    ensemble = Ensemble(members, [1.3, 0.8])
    path = tmp_path / "fusion.onnx"
    onnx.save(export_graph(ensemble), path)
    rng = np.random.default_rng(0)
    batches = [example_batch(rng), example_batch(rng, 1, (50, 200, 25, 30)), example_batch(rng, 9, (1, 1, 1, 1))]
    assert parity(ensemble, path, batches) < 1e-5
    logs, arousal = run_graph(path, batches[0])
    assert logs.shape == (2, 3, 7)
    assert np.allclose(np.exp(logs).sum(-1), 1, atol=1e-5)
    assert ((arousal >= 0) & (arousal <= 1)).all()
    assert np.allclose(np.exp(ensemble_posteriors(logs)).sum(-1), 1, atol=1e-5)
    other = Ensemble(members, [2.6, 0.8])
    assert parity(other, path, batches[:1]) > 1e-3  # the check can fail


def test_in_order_keeps_rows_and_order():
    part = made_up_inputs("nemo", "test", [0, 1], 20, 10)
    heard = np.concatenate([batch["heard"][:, 0] for batch in in_order(part, size=7)])
    assert np.array_equal(heard, part.heard)


def test_a_fresh_stream_ends_on_a_step_and_a_channel_keeps_length(tmp_path):
    import soundfile

    from train.corpora import Clip

    samples = np.sin(np.arange(20_123) / 20).astype(np.float32) / 4
    soundfile.write(tmp_path / "clip.wav", samples, 16_000)
    stream = fresh_stream(4, Clip("nemo", tmp_path / "clip.wav", "", "anger", "a", "f", "pl", 1.3, ""))
    assert isinstance(stream, Stream)
    assert len(stream.samples) % STEP == 0
    assert not stream.samples[20_123:].any()
    rng = np.random.default_rng(0)
    changed = channel(samples, rng)
    assert changed.shape == samples.shape
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 1
    assert np.abs(room_silence(rng, 0.6)).max(initial=0) < 0.01
