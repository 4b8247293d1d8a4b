"""The peers' sizes and counts against published and hand-computed ones, what they hear, and what is told of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.cost.counting import count
from benchmarks.peers.command import TODAY, corpora_at_hand, fewer_encodings
from benchmarks.peers.counted import (
    DECODER,
    ENCODER,
    WhisperSize,
    decoder_size,
    encoder_operations,
    graph_operations,
    representatives,
)
from benchmarks.peers.inline import Inline, in_one_thread
from benchmarks.peers.scores import OURS, OURS_WHOLE, Answer, decided, scored
from benchmarks.peers.shapes import EMOTION2VEC, WAVLM, Network, Size, export, opened, parameters
from benchmarks.peers.tables import score_table, speed_table
from benchmarks.peers.timing import Peer, Taken, measure
from benchmarks.peers.today import FRAMES, Heard, Today
from benchmarks.peers.windows import judged, window_of
from streamser import Recognizer
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.ensemble import Decision
from streamser.features.whisper import Encoding
from train.corpora import TRAINING_CORPORA
from train.metrics import UNDECIDED

HELLO = Path(__file__).resolve().parents[1] / "examples" / "hello.flac"
SMALL = {
    size.name: replace(size, width=32, depth=2, heads=2, channels=8, positions=(size.positions[0], size.positions[1], 4))
    for size in (EMOTION2VEC, WAVLM)
}


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("default", "cpu")


@pytest.fixture(scope="module")
def hello() -> np.ndarray:
    return np.concatenate([piece.samples[:, 0] for piece in open_file(HELLO) if isinstance(piece, Block)])


@pytest.mark.parametrize("size", [EMOTION2VEC, WAVLM], ids=lambda size: size.name)
def test_sizes_are_the_published_ones(size: Size) -> None:
    assert parameters(size) / 1e6 == pytest.approx(size.published, rel=0.005)


@pytest.mark.parametrize("size", SMALL.values(), ids=SMALL)
def test_graphs_are_what_torch_computes_for_any_length(size: Size, tmp_path: Path) -> None:
    run = opened(export(size, tmp_path))
    torch.manual_seed(0)
    network = Network(size).eval()
    for samples in (4_000, 16_000, 23_040):
        heard = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(heard)[None])[0].numpy()
        frames = run(heard)
        assert len(frames) == (samples - 400) // 320 + 1 + size.extra_tokens
        np.testing.assert_allclose(frames, expected, atol=2e-4)


def test_a_network_hears_how_far_apart_frames_are() -> None:
    network = Network(SMALL["WavLM large"])
    torch.nn.init.normal_(network.distances.weight)
    bias = network.bias(300)
    assert torch.equal(bias[:, 3, 10], bias[:, 13, 20])
    assert not torch.equal(bias[:, 3, 10], bias[:, 10, 3])
    assert torch.isfinite(bias).all()


def test_a_graph_of_the_kind_is_counted_by_hand(tmp_path: Path) -> None:
    size = replace(SMALL["emotion2vec base"], depth=1)
    frames = tokens = 49
    tokens += size.extra_tokens
    lengths = [(16_000 - 10) // 5 + 1]
    kernels = (3, 3, 3, 3, 2, 2)
    for kernel in kernels:
        lengths.append((lengths[-1] - kernel) // 2 + 1)
    assert lengths[-1] == frames
    convolutions = 2 * lengths[0] * 8 * 10 + sum(2 * length * 8 * 8 * k for length, k in zip(lengths[1:], kernels, strict=True))
    positions = 5 * 2 * frames * 32 * (32 // 4) * 19
    layer = 2 * tokens * 12 * 32 * 32 + 4 * tokens * tokens * 32
    cost = count(export(size, tmp_path), {"samples": np.zeros((1, 16_000), np.float32)})
    assert cost.operations == convolutions + 2 * frames * 8 * 32 + positions + layer


def test_few_shapes_stand_for_all() -> None:
    runs = {(("past", (8, length)),): 1 + length % 2 for length in range(1, 21)}
    found = representatives(runs, 4)
    assert sum(times for _, times in found) == sum(runs.values()) == 30
    mean = sum(times * shapes[0][1][1] for shapes, times in found) / 30
    assert mean == pytest.approx(sum(times * shapes[0][1][1] for shapes, times in runs.items()) / 30, rel=0.1)
    assert representatives(runs, 20) == [*runs.items()]
    often = {(("samples", (1, length)),): 97 if length == 9 else 1 for length in range(6, 10)}
    assert representatives(often, 3) == [((("samples", (1, 9)),), 100)]  # each shape once


def test_graphs_are_counted_as_often_as_they_ran(recognizer: Recognizer) -> None:
    from benchmarks.cost.watching import Watch, watched

    watch = Watch()
    for _ in range(3):
        with watched(watch):
            recognizer.features.spectral.stream().feed(np.zeros(2 * 2560 + 512, np.float32))
    recognizer.features.spectral.stream().feed(np.zeros(4000, np.float32))  # not watched
    ((path, graph),) = watch.runs.items()
    ((_, runs),) = graph.items()
    assert runs.count == 6
    cost = count(path, runs.feeds)
    assert graph_operations(watch) == {Path(path).name: 6 * (cost.operations + cost.operations_int8)}


def test_whispers_arrays_give_what_its_graphs_are_counted_to(recognizer: Recognizer) -> None:
    folder = Path(recognizer.features.whisper._first._model_path).parent
    frames = 50
    mel = np.zeros((1, 80, 2 * frames), np.float32)
    first = count(folder / "encoder.onnx", {"mel": mel})
    onward = recognizer.features.whisper._onward
    middle = recognizer.features.whisper.encode(np.zeros(320 * frames, np.float32)).layers[:1]
    second = count(folder / "last.onnx", {onward: middle})
    graphs = sum(cost.operations + cost.operations_int8 for cost in (first, second))
    from streamser.packs.whisper_weights import read_variables

    shapes = {name: array.shape for name, array in read_variables(folder / "model.bin", "encoder/")}
    ends = {name: shape for name, shape in shapes.items() if "/layer_" not in name}
    twice = {name: shape for name, shape in shapes.items() if name.startswith(("encoder/layer_2/", "encoder/layer_3/"))}
    assert onward == "layer_2"  # so blocks 3 and 4 are in both graphs, tuned in the first
    tuned = encoder_operations({**ends, **twice}, frames) - encoder_operations(ends, frames)
    assert encoder_operations(shapes, frames) + tuned == pytest.approx(graphs, rel=1e-3)


def test_a_decoders_numbers_by_hand() -> None:
    shapes = {
        "decoder/embeddings/weight": (100, 8),
        "decoder/projection/weight": (100, 8),
        "decoder/position_encodings/encodings": (448, 8),
        "decoder/layer_0/self_attention/linear_0/weight": (24, 8),
        "decoder/layer_0/self_attention/linear_1/weight": (8, 8),
        "decoder/layer_0/attention/linear_0/weight": (8, 8),
        "decoder/layer_0/attention/linear_1/weight": (16, 8),
        "decoder/layer_0/attention/linear_2/weight": (8, 8),
        "decoder/layer_0/ffn/linear_0/weight": (32, 8),
        "decoder/layer_0/ffn/linear_1/weight": (8, 32),
    }
    width, layers, sound, token = decoder_size(shapes)
    assert (width, layers, sound) == (8, 1, 128)
    assert token == 100 * 8 + 24 * 8 + 3 * 64 + 2 * 256
    size = WhisperSize(1000.0, width, layers, sound, token)
    assert size.decoding(4) == 2 * 128 * FRAMES + 4 * (2 * token + 4 * 8 * (FRAMES + 2))
    heard = Heard(encodings=4, detections=2, tokens=[10, 12])
    told = size.operations(heard)
    assert told[ENCODER] == 4000
    assert told[DECODER] == pytest.approx(size.decoding(10) + size.decoding(12) + 2 * size.decoding(1))


def test_without_corpora_there_are_no_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    assert not corpora_at_hand()
    for corpus in TRAINING_CORPORA:
        assert not corpora_at_hand()
        (tmp_path / "corpora" / corpus).mkdir(parents=True)
        (tmp_path / "corpora" / corpus / "manifest.csv").touch()
    assert corpora_at_hand()


def test_what_peer_a_would_cost_with_fewer_encodings() -> None:
    parts = {ENCODER: 40.0, "encoder.onnx": 12.0, "other": 3.0}
    row = {"operations_by_network": parts, "operations_a_second": 55.0}
    assert fewer_encodings(row) == (35.0, 23.0)


def test_inline_events_are_the_same_and_windows_are_their_own(recognizer: Recognizer, hello: np.ndarray) -> None:
    def events(of: Recognizer) -> list[Any]:
        stream = of.stream()
        found = [event for start in range(0, len(hello), 8000) for event in stream.feed(hello[start : start + 8000])]
        return [event for event in [*found, *stream.finish()] if event.type != "summary"]

    own = in_one_thread(recognizer)
    found = events(own)
    assert found == events(recognizer)
    steps = judged(found)
    assert steps
    for event in steps:
        window = window_of(event, hello)
        assert len(window) % 320 == 0
        assert (event.end - event.window_start) * 16_000 <= len(window) <= own.settings().window
        start = round(event.window_start * 16_000)
        length = round(event.end * 16_000) - start
        np.testing.assert_array_equal(window[:length], hello[start : start + length])
        assert not window[length:].any()


def test_inline_work_that_fails_tells_the_one_who_waits() -> None:
    assert Inline().submit(max, 1, 2).result() == 2
    with pytest.raises(ZeroDivisionError):
        Inline().submit(lambda: 1 / 0).result()


def test_everyone_is_timed_on_the_same_windows(recognizer: Recognizer, hello: np.ndarray) -> None:
    own = in_one_thread(recognizer)
    today = Today(own)
    heard: list[np.ndarray] = []
    calls: Counter[str] = Counter()

    def hear(samples: np.ndarray) -> None:
        heard.append(samples)
        calls["other"] += 1

    samples = np.concatenate([hello] * -(-5 * 16_000 // len(hello)))[: 5 * 16_000]
    told = measure(own, today, [Peer(TODAY, today.hear, 2), Peer("other", hear, 100, counted=False)], samples, 3.5)
    steps = told["streamser"]["cpu_ms"]["count"]
    assert told["other"]["cpu_ms"]["count"] == steps == calls["other"] - 1  # the first is its warm-up
    assert 1 <= told[TODAY]["cpu_ms"]["count"] <= 3
    assert all(len(window) <= own.settings().window for window in heard)
    ran = told[TODAY]["operations_by_network"]
    assert {ENCODER, DECODER, "encoder.onnx", "fusion.onnx", "pitch.onnx"} <= set(ran)
    assert ran[ENCODER] > 2 * ran["encoder.onnx"] > 0  # told the language, wrote the words: two, of six layers where that has four
    assert told["other"]["operations_a_second"] is None
    assert told["streamser"]["operations_a_second"] < told[TODAY]["operations_a_second"] / 4
    speed_table(told)


def test_the_peer_hears_30_s_and_keeps_its_window(recognizer: Recognizer, hello: np.ndarray) -> None:
    today = Today(recognizer)
    asked: list[int] = []
    encode = recognizer.features.whisper.encode

    class Whisper:
        def encode(self, samples: np.ndarray) -> Encoding:
            asked.append(len(samples))
            return encode(samples)

    today.features = replace(recognizer.features, whisper=Whisper())  # type: ignore[arg-type]
    window = hello[: len(hello) // 320 * 320][: 4 * 16_000]
    heard = Heard()
    with today.listened(heard):
        decision = today.hear(window)
    assert decision is not None
    assert asked == [30 * 16_000]
    assert (heard.encodings, heard.detections, len(heard.tokens)) == (2, 1, 1)
    assert heard.tokens[0] > 4
    assert today.encoding(window).layers.shape[1] == len(window) // 320
    assert today.hear(np.zeros(32_000, np.float32)) is None
    assert (heard.encodings, heard.detections) == (2, 1)  # nobody notes it any more


def test_scores_count_uncertain_as_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("neutral", "anger")
    clips: list[Any] = [SimpleNamespace(label=label, corpus="one", speaker=speaker) for speaker in ("x", "y") for label in labels]
    right = [Answer(0), Answer(1), Answer(0), Answer(1)]
    unsure = [replace(answer, sure=False) for answer in right]
    answers = [{OURS: a, OURS_WHOLE: b, TODAY: Answer(0)} for a, b in zip(right, unsure, strict=True)]
    found = scored(clips, labels, answers, TODAY)
    strict, lenient = (found[reading]["systems"] for reading in ("uncertain is wrong", "likeliest"))
    assert strict[OURS]["uar"]["after"] == strict[OURS]["macro_f1"]["after"] == 1
    assert (strict[OURS_WHOLE]["uar"]["after"], strict[OURS_WHOLE]["undecided"]) == (0, 4)
    assert lenient[OURS_WHOLE]["uar"]["after"] == 1
    assert strict[TODAY]["uar"]["after"] == 0.5
    ahead = found["uncertain is wrong"]["ahead_of_today"]
    assert ahead[OURS]["uar"]["difference"] == 0.5
    assert ahead[OURS_WHOLE]["uar"]["difference"] == -0.5
    assert (found["clips"], found["speakers"]) == (4, 2)
    score_table(found)
    assert OURS in capsys.readouterr().out


def test_a_step_below_the_threshold_is_uncertain() -> None:
    decision = Decision(np.log([0.2, 0.8]), 0.5, 0.0)
    assert decided(decision, 0.4) == Answer(1, True)
    assert decided(decision, 0.6).number(True) == UNDECIDED
    assert decided(decision, 0.6).number(False) == 1
    assert decided(None, 0.6).number(False) == UNDECIDED


def test_figures_of_a_second_come_from_the_steps_that_were_measured() -> None:
    taken = Taken(cpu=[0.1, 0.3], wall=[0.2, 0.4], operations={"a": 10.0, "b": 30.0})
    told = taken.told(1.5)
    assert told["cpu_seconds_a_second"] == pytest.approx(0.3)
    assert told["operations_a_second"] == pytest.approx(30.0)
    assert told["cpu_ms"]["worst"] == pytest.approx(300)
