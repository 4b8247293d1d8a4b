"""onnxruntime sessions: shared and stateless. All state of a stream is passed in and out of `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from streamser.errors import AcceleratorError, UsageError

if TYPE_CHECKING:
    import onnxruntime


def resolve_accelerator(accelerator: str) -> Literal["cpu", "cuda"]:
    """`auto` is CUDA where onnxruntime offers it, else the CPU.

    Raises:
        UsageError: not one of auto, cpu, cuda.
        AcceleratorError: CUDA was asked for and this onnxruntime was built without it.
    """
    import onnxruntime

    if accelerator not in ("auto", "cpu", "cuda"):
        raise UsageError(f"accelerator {accelerator!r} is not known: choose auto, cpu or cuda")
    available = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if accelerator == "cuda" and not available:
        raise AcceleratorError(
            "CUDA was asked for, but the installed onnxruntime has no CUDA provider: run `streamser check` for what mends it"
        )
    return "cuda" if accelerator == "cuda" or (accelerator == "auto" and available) else "cpu"


def open_session(
    path: str | Path, accelerator: str = "cpu", threads: int = 1, fixed_shapes: bool = False
) -> onnxruntime.InferenceSession:
    """Open a graph with explicit threads and without spinning, and check that the provider asked for is the one in use.

    Args:
        path: the ONNX file.
        accelerator: auto, cpu or cuda. With `auto` a failing CUDA falls back to the CPU; with `cuda` it is an error.
        threads: intra-op threads.
        fixed_shapes: every run has inputs of the same shapes, so that memory may be planned once and kept.

    Raises:
        AcceleratorError: CUDA was asked for and the session fell back to the CPU.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Where input lengths vary, the pattern and the arena ratchet memory up to the largest shape ever seen.
    options.enable_mem_pattern = fixed_shapes
    options.enable_cpu_mem_arena = fixed_shapes
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    resolved = resolve_accelerator(accelerator)
    providers = ["CPUExecutionProvider"]
    if resolved == "cuda":
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers)
    if accelerator == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise AcceleratorError(
            f"CUDA was asked for, but {Path(path).name} fell back to the CPU (CUDA 13 or cuDNN 9 missing): run `streamser check`"
        )
    return session
