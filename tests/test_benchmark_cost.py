"""Operations and bytes against hand-computed graphs, and a transformer's block against its formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.cost.command import limit
from benchmarks.cost.counting import count
from benchmarks.cost.rates import Rates


def graph(path: Path, nodes: list, inputs: dict, outputs: list[str], constants: dict[str, np.ndarray], opset: int = 18) -> Path:
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    onnx.save(model, str(path))
    return path


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_product_of_matrices_and_what_follows_it(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, ["n", 3])}, ["z"], {"w": ones(3, 5)})
    cost = count(path, {"x": ones(7, 3)})
    assert cost.operations == 2 * 7 * 3 * 5
    assert cost.weights == 4 * 15
    assert cost.ends == 4 * (21 + 35)
    assert cost.activations == 4 * (21 + 35 + 35 + 35)
    assert cost.least_bytes == cost.weights + cost.ends
    assert count(path, {"x": ones(14, 3)}).operations == 2 * cost.operations


def test_gemm_transposed(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1)]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [3, 7])}, ["y"], {"w": ones(5, 3), "b": ones(5)})
    assert count(path, {"x": ones(3, 7)}).operations == 2 * 7 * 3 * 5


@pytest.mark.parametrize(("groups", "each"), [(1, 4), (2, 2)])
def test_convolution(tmp_path: Path, groups: int, each: int) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=groups, pads=[1, 1, 1, 1], strides=[2, 2])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [1, 4, 8, 6])}, ["y"], {"w": ones(6, each, 3, 3)})
    assert count(path, {"x": ones(1, 4, 8, 6)}).operations == 2 * (6 * 4 * 3) * each * 9


def test_transposed_convolution(tmp_path: Path) -> None:
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [1, 4, 5, 3])}, ["y"], {"w": ones(4, 6, 2, 2)})
    assert count(path, {"x": ones(1, 4, 5, 3)}).operations == 2 * (4 * 5 * 3) * 6 * 4


@pytest.mark.parametrize(("kind", "gates"), [("GRU", 3), ("LSTM", 4)])
def test_recurrent(tmp_path: Path, kind: str, gates: int) -> None:
    nodes = [helper.make_node(kind, ["x", "w", "r"], ["y"], hidden_size=5)]
    weights = {"w": ones(1, gates * 5, 3), "r": ones(1, gates * 5, 5)}
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, ["n", 1, 3])}, ["y"], weights)
    assert count(path, {"x": ones(9, 1, 3)}).operations == 2 * 9 * gates * 5 * (3 + 5)


def test_integers_count_apart(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["y"])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.UINT8, [7, 3])}, ["y"], {"w": np.ones((3, 5), np.int8)})
    cost = count(path, {"x": np.ones((7, 3), np.uint8)})
    assert (cost.operations, cost.operations_int8, cost.weights) == (0, 2 * 7 * 3 * 5, 15)


def test_four_bit_weights(tmp_path: Path) -> None:
    node = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=6, bits=4, block_size=32)
    path = graph(
        tmp_path / "g.onnx",
        [node],
        {"x": (TensorProto.FLOAT, [7, 32])},
        ["y"],
        {"w": np.zeros((6, 1, 16), np.uint8), "s": ones(6)},
    )
    model = onnx.load(str(path))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(path))
    cost = count(path, {"x": ones(7, 32)})
    assert cost.operations == 2 * 7 * 32 * 6
    assert cost.weights == 6 * 16 + 4 * 6


def test_constants_are_converted_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["half"], ["w"], to=TensorProto.FLOAT), helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [7, 3])}, ["y"], {"half": np.ones((3, 5), np.float16)})
    cost = count(path, {"x": ones(7, 3)})
    assert cost.weights == 4 * 15  # in memory, as a session keeps them
    assert cost.activations == 4 * (21 + 35)


def test_of_a_table_only_the_rows_taken_are_read(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "i"], ["y"])]
    path = graph(tmp_path / "g.onnx", nodes, {"i": (TensorProto.INT64, ["n"])}, ["y"], {"table": ones(1000, 4)})
    assert count(path, {"i": np.array([1, 5], np.int64)}).weights == 4 * 2 * 4


def test_einsum(tmp_path: Path) -> None:
    nodes = [helper.make_node("Einsum", ["x", "w"], ["y"], equation="bik,kj->bij")]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [2, 7, 3])}, ["y"], {"w": ones(3, 5)})
    assert count(path, {"x": ones(2, 7, 3)}).operations == 2 * 2 * 7 * 3 * 5


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Det", ["x"], ["y"])]
    path = graph(tmp_path / "g.onnx", nodes, {"x": (TensorProto.FLOAT, [3, 3])}, ["y"], {})
    with pytest.raises(SystemExit, match=r"g\.onnx has operators .* Det"):
        count(path, {"x": ones(3, 3)})


def test_a_transformers_block_follows_its_formula(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.paper.networks import Block

    width, n = 16, 10
    path = tmp_path / "block.onnx"
    torch.onnx.export(
        Block(width, 2, before=True).eval(),
        (torch.zeros(1, n, width),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["x"],
    )
    cost = count(path, {"x": ones(1, n, width)})
    assert cost.operations == 2 * n * 12 * width**2 + 4 * n**2 * width
    # Four biases, two norms; the rest of it are a few numbers such as the root of a head's width.
    assert 0 <= cost.weights - 4 * (12 * width**2 + (3 + 1 + 4 + 1) * width + 4 * width) < 64


def test_the_limit_is_the_slower_of_computing_and_moving() -> None:
    rates = Rates(1, 1e9, 4e9, 1e8)
    assert limit(2e9, 4e9, 1e8, rates) == pytest.approx(3.0)
    assert limit(2e9, 0, 5e8, rates) == pytest.approx(5.0)
