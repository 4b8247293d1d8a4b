"""Whisper's tuned blocks: they start as Whisper's own, the exported graph is theirs, and the decoder's way stays untouched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.__main__ import main as export_main
from export.whisper import build_graphs
from streamser.errors import PackError
from streamser.features.voice_activity import VoiceActivityDetector
from streamser.features.whisper import Whisper
from streamser.packs.whisper_weights import WEIGHTS_FILE, encoder_shapes
from train.__main__ import main as train_main
from train.corpora import LABELS, read_audio
from train.encoders.whisper_wheels import load_whisper_encoder
from train.fusion.data import pick_of
from train.tuning.folds import copy_of
from train.tuning.network import Tuned, TuningConfig, collate, factors_by_block, load_tuned
from train.tuning.train import Material, asked_by, forward, stretch, targets, tune
from train.tuning.views import MARGIN, View, altered, frozen_states, trimmed
from train.whisper import whisper_folder

EXAMPLE = Path(__file__).parent.parent / "examples" / "hello.flac"
CONFIG = TuningConfig(("neutral", "anger", "sadness"), rank=4)


def spoken(seconds: float) -> np.ndarray:
    """The first seconds of a recording of speech, a multiple of 20 ms."""
    return read_audio(EXAMPLE)[: round(seconds * 50) * 320]


def changed(seed: int = 0) -> Tuned:
    """A network whose factors do something, as after tuning."""
    torch.manual_seed(seed)
    network = Tuned(CONFIG)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith(".up"):
                value.copy_(torch.randn_like(value) * 0.05)
    return network.eval()


def layers_of(network: Tuned, frames: np.ndarray) -> list[np.ndarray]:
    """The tuned blocks' outputs in float32, without bfloat16."""
    x, found = torch.from_numpy(frames)[None], []
    with torch.inference_mode():
        for block in network.blocks:
            x = block(x, None)
            found.append(x[0].numpy())
    return found


def made_up(rng: np.random.Generator, speakers: int = 4, clips: int = 36) -> View:
    """Clips whose label shows in one direction of their frames."""
    labels = np.array([CONFIG.labels[place % 3] for place in range(clips)])
    counts = rng.integers(20, 60, clips)
    frames = [rng.standard_normal((count, 512)) + 2 * np.eye(512)[place % 3] for place, count in enumerate(counts)]
    names = np.array([f"{place}.ogg" for place in range(clips)])
    spoken_by = np.array([f"s{place % speakers}" for place in range(clips)])
    return View(np.concatenate(frames).astype(np.float16), counts, labels, spoken_by, names)


def material(seed: int = 0) -> Material:
    view = made_up(np.random.default_rng(seed))
    picks = []
    for label, name in enumerate(CONFIG.labels):
        rows = [(0, int(clip)) for clip in np.flatnonzero(view.labels == name)]
        picks.append((label, pick_of([rows[:6], rows[6:]])))
    among = np.array([True, True, True])
    return Material(CONFIG.labels, {"one": [view]}, {"one": picks}, {"one": among})


def test_tuning_starts_from_whisper_itself():
    frames = np.random.default_rng(0).standard_normal((40, 512)).astype(np.float32)
    whisper = load_whisper_encoder("whisper-base")
    with torch.inference_mode():
        third = whisper.blocks[2](torch.from_numpy(frames)[None], None)
        fourth = whisper.blocks[3](third, None)
    for ours, theirs in zip(layers_of(Tuned(CONFIG), frames), (third, fourth), strict=True):
        assert np.allclose(ours, theirs[0].numpy(), atol=1e-5)


def test_what_the_frozen_blocks_say_is_what_the_runtime_hears():
    samples = spoken(2.0)
    states = frozen_states(load_whisper_encoder("whisper-base"), samples)
    live = Whisper(whisper_folder()).encode(samples).layers[0]
    assert np.abs(states.astype(np.float32) - live).max() < 0.02 * np.abs(live).max()


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    source = whisper_folder()
    (folder / WEIGHTS_FILE).hardlink_to(source / WEIGHTS_FILE)
    network = changed()
    for name, factors in (("tuned", factors_by_block(network)), ("plain", None)):
        first, last = build_graphs(encoder_shapes(source / "model.bin"), (2, 3, 4), factors)
        onnx.save(first, folder / f"{name}.onnx")
        onnx.save(last, folder / f"{name}-last.onnx")
    return folder


def test_the_exported_graph_is_the_tuned_network_and_the_words_stay_what_they_are(graphs: Path):
    mel = np.random.default_rng(1).uniform(-1, 1, (1, 80, 120)).astype(np.float32)
    plain, tuned = (onnxruntime.InferenceSession(graphs / f"{name}.onnx") for name in ("plain", "tuned"))
    untouched, third, fourth = tuned.run(["layer_2", "layer_3", "layer_4"], {"mel": mel})
    usual = plain.run(["layer_2", "layer_3", "layer_4"], {"mel": mel})
    assert np.array_equal(untouched, usual[0])
    for ours, theirs in zip(layers_of(changed(), untouched[0]), (third, fourth), strict=True):
        assert np.abs(ours - theirs[0]).max() < 2e-3 * np.abs(ours).max()  # factors are stored as float16
    assert np.abs(fourth - usual[2]).max() > 0.1
    ways = [onnxruntime.InferenceSession(graphs / f"{name}-last.onnx") for name in ("plain", "tuned")]
    assert [way.get_inputs()[0].name for way in ways] == ["layer_4", "layer_2"]
    last = [way.run(["last"], {way.get_inputs()[0].name: x})[0] for way, x in zip(ways, (usual[2], untouched), strict=True)]
    assert np.abs(last[0] - last[1]).max() < 1e-4 * np.abs(last[0]).max()


def test_the_runtime_finds_the_decoders_way_by_its_name(graphs: Path, tmp_path: Path):
    source = whisper_folder()
    for path in source.iterdir():
        if path.suffix != ".onnx" and path.name != "silence.npy":
            (tmp_path / path.name).hardlink_to(path)
    for name in ("cross.onnx", "decoder.onnx"):
        shutil.copyfile(source / name, tmp_path / name)
    shutil.copyfile(graphs / "tuned.onnx", tmp_path / "encoder.onnx")
    shutil.copyfile(graphs / "tuned-last.onnx", tmp_path / "last.onnx")
    samples = spoken(2.0)
    usual, other = Whisper(source), Whisper(tmp_path)
    mine, theirs = (whisper.last(whisper.encode(samples)) for whisper in (usual, other))
    assert np.abs(mine - theirs).max() < 1e-3 * np.abs(mine).max()


def test_layers_that_are_all_tuned_leave_no_way_for_the_decoder():
    shapes = encoder_shapes(whisper_folder() / "model.bin")
    with pytest.raises(PackError, match="name one below the tuned blocks"):
        build_graphs(shapes, (3, 4), factors_by_block(changed()))


def test_factors_of_another_size_are_named():
    factors = factors_by_block(changed())
    down, up = factors[2]["widen"]
    factors[2]["widen"] = (down[:, :384], up)
    with pytest.raises(PackError, match="another size of Whisper"):
        build_graphs(encoder_shapes(whisper_folder() / "model.bin"), (2, 3, 4), factors)


def test_rows_of_a_batch_are_heard_as_they_are_alone():
    network = changed()
    rng = np.random.default_rng(2)
    rows = [rng.standard_normal((count, 512)).astype(np.float32) for count in (33, 8, 70)]
    with torch.inference_mode():
        joint = network.statistics(*collate(rows))
        alone = torch.cat([network.statistics(*collate([row])) for row in rows])
    assert torch.allclose(joint, alone, atol=0.05)  # bfloat16
    with torch.inference_mode():
        assert torch.allclose(forward(network, rows), network.logits(alone), atol=0.05)


def test_tuning_learns_and_repeats_itself(tmp_path: Path):
    data = material()
    first, second = (tune(data, 3, 48, tmp_path / "log.jsonl") for _ in range(2))
    assert all(torch.equal(value, second.learned()[name]) for name, value in first.learned().items())
    view = data.views["one"][0]
    rows = [view.clip(place) for place in range(len(view.counts))]
    with torch.inference_mode():
        decided = forward(first, rows).argmax(1).numpy()
    assert np.mean(decided == [CONFIG.labels.index(label) for label in view.labels]) > 0.8
    fresh = Tuned(CONFIG)
    for name, value in first.state_dict().items():  # Whisper's own weights have not moved
        if name.startswith("blocks.") and not name.endswith((".down", ".up")):
            assert torch.equal(value, fresh.state_dict()[name])


def test_a_checkpoint_holds_no_weight_of_whispers_and_comes_back(tmp_path: Path):
    network = changed()
    assert not [name for name in network.learned() if name.startswith("blocks.") and not name.endswith((".down", ".up"))]
    torch.save({"learned": network.learned(), "config": {"labels": CONFIG.labels, "rank": 4}}, tmp_path / "t.pt")
    loaded, _ = load_tuned(tmp_path / "t.pt")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.state_dict().items())
    torch.save({"learned": network.learned(), "config": {"labels": CONFIG.labels, "rank": 5}}, tmp_path / "other.pt")
    with pytest.raises(SystemExit, match="another version"):
        load_tuned(tmp_path / "other.pt")
    with pytest.raises(SystemExit, match="no checkpoint"):
        load_tuned(tmp_path / "none.pt")


def test_stretches_lie_within_their_clip_and_targets_within_its_corpus():
    rng = np.random.default_rng(0)
    for frames in (5, 29, 31, 240, 300):
        for _ in range(50):
            first, count = stretch(frames, rng)
            assert first >= 0
            assert 4 <= count <= frames - first
    told = targets(torch.tensor([1]), torch.tensor([[True, True, False]]))
    assert torch.allclose(told, torch.tensor([[0.025, 0.975, 0.0]]))


def test_a_view_is_drawn_from_names_alone_and_trimmed_to_the_speech(monkeypatch: pytest.MonkeyPatch):
    samples = spoken(2.0)
    # a channel draws noise from the corpora at hand, which whoever runs the tests may not have
    monkeypatch.setattr("train.tuning.views.through_channel", lambda heard, seed: heard * np.random.default_rng(seed).uniform())
    one, again, other = (altered(samples, "s", "a.ogg", number) for number in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    silence = np.zeros(32_000, np.float32)
    detector = VoiceActivityDetector.load()
    kept = trimmed(np.concatenate([silence, samples, silence]), detector)
    assert len(samples) // 2 < len(kept) <= len(samples) + 2 * MARGIN + 1024
    assert len(trimmed(silence, detector)) == 0


def test_a_corpus_left_out_is_asked_only_for_what_was_taught(monkeypatch: pytest.MonkeyPatch):
    view = made_up(np.random.default_rng(5))
    truth = np.array([CONFIG.labels.index(label) for label in view.labels])
    monkeypatch.setattr("train.tuning.train.spoken", lambda corpus, split, labels: (view, np.arange(len(truth)), truth))
    data = material()
    taught = Material(data.labels, data.views, data.picks, {"one": np.array([True, True, False])})
    found = asked_by(changed(), "other", taught)
    assert 0.4 <= found["temperature"] <= 4.0
    assert 0 <= found["train_uar"] <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "--steps", "0"], "at least 1"),
        (["tune", "--leave-out", "ased"], "invalid choice"),
        (["folds", "--steps", "0"], "at least 1"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit) as stopped:
        train_main()
    assert said in f"{stopped.value}{capsys.readouterr().err}"


def test_the_graphs_are_written_with_factors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    network = Tuned(TuningConfig(LABELS, rank=4))
    torch.save({"learned": network.learned(), "config": {"labels": LABELS, "rank": 4}}, tmp_path / "t.pt")
    model = str(whisper_folder() / "model.bin")
    arguments = ["export", "whisper", model, "--layers", "2", "3", "4", "--tuned", str(tmp_path / "t.pt"), "-o", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    assert export_main() == 0
    assert onnx.load(tmp_path / "whisper_last.onnx", load_external_data=False).graph.input[0].name == "layer_2"


def test_a_folds_copy_is_a_regression_on_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = material()
    view = data.views["one"][0]
    truth = np.array([CONFIG.labels.index(label) for label in view.labels])
    monkeypatch.setattr("train.tuning.folds.spoken", lambda corpus, split, labels: (view, np.arange(len(truth)), truth))
    copy = copy_of(data, 1, 2, tmp_path / "x.jsonl")
    logits = copy.logits(view, np.arange(len(truth)))
    assert logits.shape == (36, 3)
    assert (logits.argmax(1) == truth).mean() > 0.9
    other = made_up(np.random.default_rng(9))
    heard = copy.logits(other, np.arange(36)).argmax(1)
    assert (heard == [CONFIG.labels.index(label) for label in other.labels]).mean() > 0.6


def test_folds_are_scored_over_all_clips_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    view = made_up(np.random.default_rng(6), clips=12)
    clips = [SimpleNamespace(path=Path(name), label="anger", speaker=f"s{place % 2}") for place, name in enumerate(view.names)]
    lost = SimpleNamespace(path=Path("silent.ogg"), label="calm", speaker="s1")
    monkeypatch.setattr("train.tuning.folds.clips_of", lambda corpus, split, labels: [*clips, lost])
    monkeypatch.setattr("train.tuning.folds.spoken", lambda corpus, split, labels: (view, np.arange(12), None))
    monkeypatch.setattr("train.tuning.folds.checkpoint_file", lambda name: tmp_path / name / "x.pt")
    monkeypatch.setattr("train.tuning.folds.Material", SimpleNamespace(of=lambda corpora, labels: corpora))
    asked = []

    def made(material: list[str], seed: int, steps: int, log: Path) -> SimpleNamespace:
        asked.append((material[0], seed, steps))
        return SimpleNamespace(logits=lambda view, clips: np.eye(8)[[1] * 12])

    monkeypatch.setattr("train.tuning.folds.copy_of", made)
    result = tmp_path / "folds.json"
    arguments = ["train", "folds", "--seed", "1", "--steps", "7", "-o", str(result)]
    monkeypatch.setattr("sys.argv", [*arguments, "--folds", "1", "2"])
    assert train_main() == 0
    assert json.loads(result.read_text())["mean"] is None
    monkeypatch.setattr("sys.argv", arguments)
    assert train_main() == 0
    assert asked == [(f"ravdess-fold{fold}", 1, 7) for fold in range(1, 7)]
    monkeypatch.setattr("sys.argv", ["train", "folds", "--steps", "8", "-o", str(result)])
    with pytest.raises(SystemExit, match="folds of 7 steps"):
        train_main()
    told = json.loads(result.read_text())
    assert told["folds"]["3"]["1"]["uar"] == 0.5  # the clip without speech is wrong
    assert told["mean"] == told["folds"]["1"]["1"]["macro_f1"] == 0.5
