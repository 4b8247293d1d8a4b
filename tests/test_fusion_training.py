"""From cached inputs to a calibrated member and its graph, on inputs made up here."""

import argparse

import numpy as np
import onnx
import pytest
import torch

from export.fusion import HISTORY, INPUTS, OUTPUTS, example_batch, export_graph, parity
from streamser.fusion_input import FusionInput
from streamser.sessions import open_session
from train import own_data
from train.collection import EVERYONE, Collection, training_collections
from train.corpora import LABELS
from train.fusion import losses, members
from train.fusion import train as training
from train.fusion.data import MEETING_NEUTRAL, Targets, TrainingSet, collate, in_order, perturbed, without_history
from train.fusion.decide import EmittedDecisions, ensemble_posteriors
from train.fusion.ensemble import Ensemble, KnownSound, VoicePrint
from train.fusion.histories import Histories, moments, statistics_of
from train.fusion.inputs import Inputs, common_rows, features_command
from train.fusion.mdat import STATISTICS, Member, MemberConfig, SpeakerNormaliser, WhisperNodes
from train.fusion.sounds import rounded
from train.fusion.text_bank import TEXT_SHARES, TextBank
from train.training_streams import STEP, Stream, fresh_stream, room_silence, sessions

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
    member, saved = members.load_member(path)
    other = tmp_path / "other.pt"
    for changed in ({"config": {**saved["config"], "gone": 1}}, {"weights": {}}):
        torch.save({**saved, **changed}, other)
        with pytest.raises(SystemExit, match="another version of streamser trained: train it again"):
            members.load_member(other)
    assert len((tmp_path / "fusion_members" / "tiny.jsonl").read_text().splitlines()) == 5
    assert saved["validation"]["nemo"] > 0.7  # chance is a third
    assert 0.4 <= saved["temperature"] <= 4
    assert all(torch.equal(value, value.half().float()) for value in member.state_dict().values())


def test_the_loss_is_blind_to_labels_that_a_corpus_lacks_but_for_a_small_part():
    some, every = np.array([[True] * 2 + [False] * 5]), np.ones((1, 7), bool)
    plain = torch.zeros(1, 7)
    tempted = plain.clone()
    tempted[0, 6] = 4.0  # the network favours a label that the corpus does not have
    shares, unknown = np.eye(7, dtype=np.float32)[[1]], np.array([-1], np.float32)

    def loss(logits: torch.Tensor, among: np.ndarray) -> float:
        return float(losses.loss_of((logits, torch.zeros(1), torch.zeros(1)), Targets(shares, among, unknown, unknown)))

    blind = loss(tempted, some) - loss(plain, some)
    seeing = loss(tempted, every) - loss(plain, every)
    assert 0 < blind < 0.25 * seeing


def test_a_level_that_is_not_known_costs_nothing():
    logits = torch.tensor([3.0, -3.0])
    assert float(losses.known_loss(logits, torch.tensor([-1.0, -1.0]))) == 0
    right, wrong = (float(losses.known_loss(logits, torch.tensor(levels))) for levels in ([1.0, 0.0], [0.0, 1.0]))
    assert 0 < right < wrong


def test_classes_are_drawn_evenly_and_a_speaker_with_most_clips_does_not_rule(bank):
    part = made_up_inputs("nemo", "train", [0, 1], 400, 4)
    part.clip_label[:] = [0] * 180 + [1] * 20
    part.clip_speaker = np.array(["many"] * 160 + ["few"] * 40)
    data = TrainingSet([part], bank)
    drawn = np.concatenate([targets.shares.argmax(1) for _, targets in data.batches(32, 16, 0)])
    assert 0.4 < (drawn == 1).mean() < 0.6
    neutral = next(pick for pick in data.picks["nemo"] if len(pick.rows) == 2)
    assert max(neutral.shares) < 0.8  # of the clips it is 160 of 180


def test_batches_take_every_corpus_equally_often_and_meetings_seldom(bank):
    parts = [made_up_inputs("nemo", "train", [0, 1], 400, 5), made_up_inputs("ravdess", "train", [0, 1], 20, 6)]
    meetings = made_up_inputs("meetings", "train", [0], 20, 7)
    meetings.clip_label[:] = -1
    batches = list(TrainingSet([*parts, meetings], bank).batches(32, 32, 0))
    most = np.concatenate([targets.shares.max(1) for _, targets in batches])
    soft = np.isclose(most, MEETING_NEUTRAL + (1 - MEETING_NEUTRAL) / 7)
    assert 0.10 < soft.mean() < 0.21
    assert all(targets.shares[row].argmax() == 0 for _, targets in batches for row in np.flatnonzero(targets.shares.max(1) < 0.8))
    assert np.concatenate([batch["history_seconds"] for batch, _ in batches]).max() > 0


def test_bursts_teach_and_say_nothing_of_what_is_usual():
    parts = [made_up_inputs("nemo", "train", [0, 1, 4], 120, 1)]
    bursts = made_up_inputs("emogator", "train", [0, 1, 4, 5], 120, 2)
    alone, beside = TrainingSet(parts, None), TrainingSet([*parts, bursts], None)
    assert np.array_equal(alone.standard.mean, beside.standard.mean)
    assert np.array_equal(alone.variance, beside.variance)
    assert all(np.array_equal(one, other) for one, other in zip(alone.usual, beside.usual, strict=True))
    drawn = np.concatenate([targets.among[:, 5] for _, targets in beside.batches(32, 16, 0)])
    assert 0.2 < drawn.mean() < 0.37  # .4 of 1.4


@pytest.mark.parametrize(
    ("asked", "corpora"), [([], ["meetings", "ravdess"]), (["--commercial"], ["banglaser", "emogator", "meetings"])]
)
def test_bursts_join_freely_licensed_data_alone(asked, corpora, monkeypatch):
    taught = []
    parser = argparse.ArgumentParser()
    training.add_arguments(parser)
    monkeypatch.setattr(own_data, "check", lambda material, splits: None)
    monkeypatch.setattr(training, "load_inputs", lambda entry, kinds: made_up_inputs(entry.corpus, "train", [0, 1], 20, 1))
    monkeypatch.setattr(
        training, "inputs_of", lambda material, split, kinds: [made_up_inputs(material.corpora[0], split, [0, 1], 20, 1)]
    )
    monkeypatch.setattr(training, "regress", lambda name, config, data, validation, seed: taught.append((name, data.corpora)))
    monkeypatch.setattr(training, "load_member", lambda path: (None, {"temperature": 1.0, "validation": {}}))
    assert training.run(parser.parse_args(["--configuration", "linear", *asked])) == 0
    assert taught[0][1] == corpora


def test_windows_of_all_lengths_meet_in_a_batch(bank):
    part = made_up_inputs("nemo", "train", [0, 1], 400, 8)
    batches = [batch for batch, _ in TrainingSet([part], bank).batches(32, 32, 0)]
    means = [batch["whisper_mask"].sum(1).mean() for batch in batches]
    every = np.concatenate([batch["whisper_mask"].sum(1) for batch in batches])
    assert np.std(means) < 2 * every.std() / np.sqrt(32)  # as of batches drawn at random; sorted ones vary as windows do


def test_statistics_are_standardised_over_training_windows(bank):
    data = TrainingSet([made_up_inputs("nemo", "train", [0, 1, 4], 120, 1)], bank)
    member = Member(SMALL)
    members.standardise(member, data)
    rows = data.histories[0].statistics[data.histories[0].seconds > 0]
    standard = (rows - member.usual.numpy()) / member.spread.numpy()
    assert np.abs(standard.mean(0)).max() < 1e-3
    assert np.median(standard.std(0)) == pytest.approx(1, abs=0.02)


def test_a_history_is_of_other_clips_of_the_session_and_weighs_what_seems_neutral():
    statistics = np.eye(6, 8, dtype=np.float32)
    session = np.array([0, 0, 0, 0, 1, 1])
    histories = Histories(statistics, np.full(6, 3.0), np.array([0, 1, 0, 1, 0, 0]), session, 0, LABELS)
    rng = np.random.default_rng(0)
    drawn = [histories.draw(0, rng) for _ in range(200)]
    mean = np.mean([found[0] for found in drawn if found[2] > 0], axis=0)
    assert mean[0] == 0  # never itself
    assert not mean[4:].any()  # nor another session
    assert mean[2] > mean[1] > 0  # neutral weighs more than anger
    assert 0.2 < np.mean([found[2] == 0 for found in drawn]) < 0.5
    assert all(np.allclose(found[0], found[1]) for found in drawn)  # squares of ones
    weighted = moments(statistics[:2], np.array([1.0, 3.0]))
    assert weighted[0][:2].tolist() == [0.25, 0.75]
    assert weighted[2] == 4.0


def test_training_and_network_agree_on_the_statistics_of_a_window():
    rng = np.random.default_rng(2)
    nodes = rng.normal(size=(9, 3, 512)).astype(np.float32)
    network = WhisperNodes(SMALL).eval()
    mean, scale = rng.normal(size=(3, 512)).astype(np.float32), rng.uniform(0.5, 2, (3, 512)).astype(np.float32)
    network.mean.copy_(torch.from_numpy(mean))
    network.scale.copy_(torch.from_numpy(scale))
    with torch.inference_mode():
        theirs = network(torch.from_numpy(nodes)[None], torch.ones(1, 9, dtype=torch.bool))[1][0].numpy()
    assert np.allclose(theirs, statistics_of(nodes, mean, scale), atol=1e-4)


def test_the_normaliser_without_evidence_changes_nothing_and_with_much_takes_the_voice_away():
    normaliser = SpeakerNormaliser()
    rng = torch.Generator().manual_seed(0)
    here, usual = torch.randn(2, STATISTICS, generator=rng), torch.randn(2, STATISTICS, generator=rng)
    nothing = torch.zeros(2, STATISTICS)
    cold = normaliser(here, nothing, nothing, torch.zeros(2, 1))
    assert torch.allclose(cold, here.clamp(-8, 8), atol=1e-2)
    heard = normaliser(usual + 0.1, usual, usual**2 + 1, torch.full((2, 1), 1e6))
    assert torch.allclose(heard, torch.full_like(heard, 0.1), atol=1e-2)


def test_a_fold_is_read_from_its_corpus_cache():
    fold = Collection("ravdess-fold3", "test", 0, (*LABELS, "calm"))
    assert fold.pool.name == fold.pool.pool.name == Collection("ravdess", "validation").pool.name == f"ravdess-{EVERYONE}-fresh"
    assert Collection("ravdess-fold2", "train", 1).pool.name == f"ravdess-{EVERYONE}-1"
    assert Collection("ravdess", "train", 1).pool.training
    assert not fold.pool.training
    assert Collection("nemo", "train", 1).pool.name == "nemo-train-1"


def test_an_auxiliary_corpus_has_one_fresh_pass_and_no_other_split():
    assert [entry.name for entry in training_collections("emogator", ["train", "validation"])] == ["emogator-train-3"]
    assert training_collections("emogator", ["test"]) == []
    assert features_command(training_collections("emogator", ["train"])[0]) == "python -m train features"


def test_known_and_prior_change_what_a_stream_would_emit():
    members = np.log(np.array([[[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]]], np.float32))
    heard, clip = np.ones(2, np.float32), np.array([0, 1])
    plain = EmittedDecisions(members, heard, clip, 2, 0.4)
    assert plain.labels().tolist() == [0, 1]
    assert EmittedDecisions(members, heard, clip, 2, 0.4, known=np.array([0.7, 1.0])).labels().tolist() == [-1, 1]
    assert EmittedDecisions(members, heard, clip, 2, 0.4, prior=np.array([0.0, 2.0, 0.0])).labels().tolist() == [1, 1]


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
    assert set(live) == set(cached) == set(INPUTS) - set(HISTORY)
    assert set(without_history(cached, STATISTICS)) == set(INPUTS)
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
    both = [Member(config).eval() for config in configs]
    for member in both:
        members.round_weights(member)
    sounds = (rounded(VoicePrint()).eval(), rounded(KnownSound()).eval())
    ensemble = Ensemble(both, [1.3, 0.8], *sounds)
    path = tmp_path / "fusion.onnx"
    onnx.save(export_graph(ensemble), path)
    rng = np.random.default_rng(0)
    batches = [example_batch(rng), example_batch(rng, 1, (50, 200, 25, 30)), example_batch(rng, 9, (1, 1, 1, 1))]
    assert parity(ensemble, path, batches) < 1e-5
    found = dict(zip(OUTPUTS, open_session(path).run(list(OUTPUTS), batches[0]), strict=True))
    logs, arousal = found["log_probabilities"], found["arousal"]
    assert found["statistics"].shape == (3, STATISTICS)
    assert found["voice"].shape[0] == found["known"].shape[0] == 3
    assert ((found["known"] > 0) & (found["known"] < 1)).all()
    assert logs.shape == (2, 3, 7)
    assert np.allclose(np.exp(logs).sum(-1), 1, atol=1e-5)
    assert ((arousal >= 0) & (arousal <= 1)).all()
    assert np.allclose(np.exp(ensemble_posteriors(logs)).sum(-1), 1, atol=1e-5)
    other = Ensemble(both, [2.6, 0.8], *sounds)
    assert parity(other, path, batches[:1]) > 1e-3  # the check can fail


def test_in_order_keeps_rows_and_order():
    part = made_up_inputs("nemo", "test", [0, 1], 20, 10)
    heard = np.concatenate([batch["heard"][:, 0] for batch in in_order(part, size=7)])
    assert np.array_equal(heard, part.heard)


def test_a_fresh_stream_ends_on_a_step_and_a_session_shares_a_channel(tmp_path):
    import soundfile

    from train.corpora import Clip

    samples = np.sin(np.arange(20_123) / 20).astype(np.float32) / 4
    soundfile.write(tmp_path / "clip.wav", samples, 16_000)
    stream = fresh_stream(4, Clip("nemo", tmp_path / "clip.wav", "", "anger", "a", "f", "pl", 1.3, ""))
    assert isinstance(stream, Stream)
    assert len(stream.samples) % STEP == 0
    assert not stream.samples[20_123:].any()
    assert np.abs(room_silence(np.random.default_rng(0), 0.6)).max(initial=0) < 0.01
    many = [Clip("nemo", tmp_path / f"{index}.wav", "", "anger", "ab"[index % 2], "f", "pl", 1.3, "") for index in range(120)]
    found = sessions(many, 1)
    assert len(set(found[::2].tolist()) & set(found[1::2].tolist())) == 0
    assert len(set(found[::2].tolist())) == 3
    assert len(set(sessions(many, 0).tolist())) == 2
