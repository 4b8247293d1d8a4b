"""onnxruntime sessions: shared and stateless. All state of a stream is passed in and out of `run`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from streamser.batching import BatchedSession, batch_axis
from streamser.binding import BoundSession
from streamser.cuda_libraries import gpu_meant, runtime_problem
from streamser.errors import AcceleratorError, UsageError

if TYPE_CHECKING:
    import onnxruntime

# How a graph's runs differ in the shapes of their inputs: freely; never; or freely, but what is filled up and masked is not heard.
Shapes = Literal["any", "fixed", "masked"]


class Session(Protocol):
    """An `InferenceSession`, or one that runs on bound buffers or joins the runs of several threads."""

    def run(self, names: Sequence[str] | None, feeds: dict[str, np.ndarray], /) -> list[np.ndarray]: ...

    def get_inputs(self) -> list[Any]: ...

    def get_outputs(self) -> list[Any]: ...

    def get_modelmeta(self) -> Any: ...

    def get_providers(self) -> list[str]: ...


def resolve_accelerator(accelerator: str) -> Literal["cpu", "cuda"]:
    """`auto` is CUDA where onnxruntime can run there, else the CPU, with a warning where somebody has installed the GPU's.

    Raises:
        UsageError: not one of auto, cpu, cuda.
        AcceleratorError: CUDA was asked for and cannot be had; it says what is missing and what mends it.
    """
    if accelerator not in ("auto", "cpu", "cuda"):
        raise UsageError(f"accelerator {accelerator!r} is not known: choose auto, cpu or cuda")
    if accelerator == "cpu":
        return "cpu"
    problem = runtime_problem()
    if problem is None:
        return "cuda"
    if accelerator == "cuda":
        raise AcceleratorError(f"CUDA was asked for, but {problem}; `streamser check` tells more")
    if gpu_meant():
        warn_once(f"everything runs on the CPU: {problem}")
    return "cpu"


@functools.cache
def warn_once(message: str) -> None:
    """To the `streamser` logger; standard error, where nobody has set up logging."""
    logging.getLogger("streamser").warning(message)


def open_session(
    path: str | Path,
    accelerator: str = "cpu",
    threads: int = 1,
    shapes: Shapes = "any",
    usual: Mapping[str, int] | None = None,
) -> Session:
    """Open a graph with explicit threads and without spinning, and check that the provider asked for is the one in use.

    On CUDA, runs of a graph with a batch axis are joined over streams; those of a graph without, whose shapes hardly vary, are
    recorded and replayed on bound buffers. On the CPU neither gains (docs/performance.md), and a session is onnxruntime's own.

    Args:
        path: the ONNX file.
        accelerator: auto, cpu or cuda. With `auto` a failing CUDA falls back to the CPU; with `cuda` it is an error.
        threads: intra-op threads.
        shapes: of the inputs, from run to run.
        usual: the sizes that the free axes have in most runs, by their names, where there are such; nothing for fixed shapes.

    Raises:
        AcceleratorError: CUDA was asked for and the session fell back to the CPU.
    """
    if resolve_accelerator(accelerator) == "cpu":
        return _on_cpu(path, threads, shapes)
    try:
        return _on_cuda(path, threads, shapes, {} if shapes == "fixed" else usual)
    except AcceleratorError as error:
        if accelerator == "cuda":
            raise
        warn_once(str(error))
        return _on_cpu(path, threads, shapes)


def _on_cpu(path: str | Path, threads: int, shapes: Shapes) -> Session:
    import onnxruntime

    session: Session = onnxruntime.InferenceSession(
        str(path), sess_options=_options(threads, shapes), providers=["CPUExecutionProvider"]
    )
    return session


def _on_cuda(path: str | Path, threads: int, shapes: Shapes, usual: Mapping[str, int] | None) -> Session:
    """Recorded as a CUDA graph where that fits and onnxruntime can, else not."""
    session = _cuda_session(path, threads, shapes, recorded=False)
    if batch_axis(session) is not None:
        return BatchedSession(session, masked=shapes == "masked")
    if usual is None:
        own: Session = session
        return own
    try:
        return BoundSession(_cuda_session(path, threads, shapes, recorded=True), "cuda", recorded=usual)
    except Exception:  # onnxruntime raises bare ones: where a node is the CPU's, say, such a graph cannot be recorded
        return BoundSession(session, "cuda")


def _cuda_session(path: str | Path, threads: int, shapes: Shapes, recorded: bool) -> onnxruntime.InferenceSession:
    """Raises AcceleratorError where the session would not run on CUDA."""
    import onnxruntime

    providers = [("CUDAExecutionProvider", {"enable_cuda_graph": "1"} if recorded else {}), "CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=_options(threads, shapes), providers=providers, enable_fallback=0
        )
    except Exception as error:  # onnxruntime raises bare ones; a graph that is no graph is told when the CPU reads it
        raise AcceleratorError(f"{Path(path).name} cannot run on CUDA ({_first_line(error)}): run `streamser check`") from error
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise AcceleratorError(
            f"{Path(path).name} fell back from CUDA to the CPU (no device, or CUDA or cuDNN): run `streamser check`"
        )
    return session


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _options(threads: int, shapes: Shapes) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Where input lengths vary, the pattern and the arena ratchet memory up to the largest shape ever seen.
    options.enable_mem_pattern = options.enable_cpu_mem_arena = shapes == "fixed"
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.x64quantprecision", "1")  # int8 products overflow on x64 without VNNI otherwise
    return options
