"""The pack for CUDA: what is in it, and that it says what the other pack says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export import cuda
from streamser.batching import batch_axis
from streamser.errors import UsageError
from streamser.features.text import TextEncoder
from streamser.packs.manifest import read_pack
from streamser.packs.resolve import find_pack
from streamser.packs.whisper import GRAPH_FILES, resolve_whisper
from streamser.sessions import open_session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packs") / "cuda"
    cuda.write_pack(find_pack("default").folder, target)
    return target


def types_of_products(path: Path) -> set[int]:
    """The element types that the graph's MatMuls take."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False))
    types = {entry.name: entry.type.tensor_type.elem_type for entry in (*model.graph.value_info, *model.graph.input)}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    return {types[name] for node in model.graph.node if node.op_type == "MatMul" for name in node.input if name in types}


def test_the_large_networks_multiply_in_float16_and_the_rest_is_the_old_pack(folder: Path) -> None:
    old, new = find_pack("default"), read_pack(folder)  # every hash is checked
    assert (new.name, new.version, new.labels, new.step) == ("default-cuda", old.version, old.labels, old.step)
    assert new.training["made_from"]["name"] == "default"
    for name in cuda.IN_HALF:
        assert types_of_products(new.file(name)) == {onnx.TensorProto.FLOAT16}, name
    for name in set(old.components) - set(cuda.IN_HALF):
        assert new.components[name].sha256 == old.components[name].sha256
    assert ">" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8").splitlines()[0]


def test_norms_and_softmax_stay_in_float32(folder: Path) -> None:
    model = onnx.load(read_pack(folder).file("whisper_encoder"), load_external_data=False)
    made = {name: node for node in model.graph.node for name in node.output}
    norms = [node for node in model.graph.node if node.op_type in ("LayerNormalization", "Softmax")]
    assert norms
    for node in norms:
        before = made[node.input[0]]
        assert before.op_type == "Cast"
        assert before.attribute[0].i == onnx.TensorProto.FLOAT


def test_whispers_graphs_take_several_streams_and_say_what_they_said(folder: Path) -> None:
    """Rows of a batch against the default pack's runs, within what float16 rounds."""
    old, new = (find_pack(pack) for pack in ("default", folder))
    mels = np.random.default_rng(0).standard_normal((3, 80, 100)).astype(np.float32)
    plain, half = (open_session(resolve_whisper(pack.whisper, pack.whisper_graphs) / GRAPH_FILES[0]) for pack in (old, new))
    assert batch_axis(half) == "batch"
    for row, mel in enumerate(mels):
        for one, other in zip(plain.run(None, {"mel": mel[None]}), half.run(None, {"mel": mels}), strict=True):
            error = np.linalg.norm(other[row] - one[0]) / np.linalg.norm(one)
            assert error < 0.01


def test_the_text_network_keeps_its_labels_and_probabilities(folder: Path) -> None:
    pack = find_pack("default")
    old, new = (TextEncoder.load(place) for place in (pack.folder, folder))
    assert new.labels == old.labels
    for text in ("I am so angry with all of you", "What a lovely day this is", "she told me that he had died"):
        one, other = old.encode(text, "en"), new.encode(text, "en")
        assert one.probabilities is not None
        assert other.probabilities is not None
        assert np.abs(one.probabilities - other.probabilities).max() < 0.005
        assert np.abs(one.tokens - other.tokens).mean() < 0.01


def test_a_folder_that_holds_something_is_left_alone(folder: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        cuda.write_pack(find_pack("default").folder, folder)


def test_both_packs_are_compared_on_a_recording(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "texts", lambda recognizer, path: ["as said"])  # takes long, and says little of one recording
    found = cuda.compare(find_pack("default").folder, folder, [cuda.EXAMPLE])
    assert found["in_speech"] > 15
    assert found["states_equal"] == 1.0
    assert found["labels_equal"] >= cuda.LEAST_AGREEMENT
    assert 0 < found["mean_difference"] < cuda.LARGEST_MEAN  # 0 would mean that nothing was rounded
