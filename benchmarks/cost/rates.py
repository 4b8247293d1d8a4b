"""What this machine reaches at its best: operations a second in large matrix products, bytes a second in a large copy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

SIZES = (512, 1024, 2048)  # of the square matrices
COPIED = 256_000_000  # bytes, far beyond any cache
REPEATS = 5


@dataclass(frozen=True)
class Rates:
    """threads: onnxruntime's. float32, int8: operations a second, the largest of SIZES. bandwidth: bytes moved a second."""

    threads: int
    float32: float
    int8: float
    bandwidth: float


def measure(threads: int) -> Rates:
    return Rates(
        threads,
        max(_product(size, threads, TensorProto.FLOAT) for size in SIZES),
        max(_product(size, threads, TensorProto.INT8) for size in SIZES),
        _copy(threads),
    )


def all_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_of(run: Callable[[], object], repeats: int, warm: int = 1) -> list[float]:
    """Of several runs, after some that warm up."""
    for _ in range(warm):
        run()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return taken


def _product(size: int, threads: int, kind: Any) -> float:
    """Operations a second of one product of square matrices in onnxruntime, the second one constant as weights are."""
    rng = np.random.default_rng(0)
    operator, given, result = "MatMul", kind, kind
    if kind == TensorProto.INT8:
        one, other = rng.integers(0, 127, (size, size), np.uint8), rng.integers(-64, 64, (size, size), np.int8)
        operator, given, result = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
    else:
        one, other = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    graph = helper.make_graph(
        [helper.make_node(operator, ["one", "other"], ["product"])],
        "product",
        [helper.make_tensor_value_info("one", given, [size, size])],
        [helper.make_tensor_value_info("product", result, [size, size])],
        [onnx.numpy_helper.from_array(other, "other")],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return 2 * size**3 / min(seconds_of(lambda: session.run(None, {"one": one}), REPEATS))


def _copy(threads: int) -> float:
    """Bytes a second, read and written together, of one large copy by so many threads."""
    source = np.ones(COPIED // 8)
    target = np.zeros_like(source)
    parts = [*zip(np.array_split(source, threads), np.array_split(target, threads), strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return 2 * COPIED / min(seconds_of(lambda: [*pool.map(lambda part: np.copyto(part[1], part[0]), parts)], REPEATS))
