"""One network on fixed tensors, run by torch (on CUDA as a captured graph) or by onnxruntime bound to the same memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.paper.system import Part

Run = Callable[[], object]
WARM_UP = 3


def require_cuda(backend: str) -> None:
    """Refuse what would silently be the CPU.

    Raises:
        SystemExit: torch, or onnxruntime for `onnx`, has no CUDA.
    """
    if not torch.cuda.is_available():
        raise SystemExit("no figures for CUDA: this torch sees no CUDA device; --accelerator cpu measures the CPU")
    if backend == "onnx":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise SystemExit("no figures for CUDA: this onnxruntime has no CUDA provider; --backend torch does without")


def outputs_of(part: Part, tensors: dict[str, Tensor]) -> None:
    """Run once and keep the outputs: these tensors are what later runs write into."""
    found = part.network(*(tensors[name] for name in part.inputs))
    found = found if isinstance(found, tuple) else (found,)
    tensors.update({name: value.contiguous().clone() for name, value in zip(part.outputs, found, strict=True)})


def torch_run(part: Part, tensors: dict[str, Tensor], graphed: bool) -> Run:
    """A run that reads and writes the fixed tensors; `graphed`: captured once as a CUDA graph."""

    def eager() -> None:
        found = part.network(*(tensors[name] for name in part.inputs))
        for name, value in zip(part.outputs, found if isinstance(found, tuple) else (found,), strict=True):
            tensors[name].copy_(value)

    if not graphed:
        return eager
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            eager()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        eager()
    return graph.replay


def onnx_run(part: Part, tensors: dict[str, Tensor], folder: Path) -> Run:
    """The same, exported and bound to the tensors' own memory.

    Raises:
        SystemExit: the tensors are on CUDA and the session fell back to the CPU.
    """
    import onnxruntime

    path = folder / f"{part.name.replace(' ', '-').replace(',', '')}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.network,
            tuple(tensors[name] for name in part.inputs),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
        )
    place = tensors[part.inputs[0]].device.type
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if place == "cuda" else ["CPUExecutionProvider"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    if session.get_providers()[0] != providers[0]:
        raise SystemExit(f"no figures for CUDA: {part.name} fell back to the CPU in onnxruntime")
    binding = session.io_binding()
    used = {entry.name for entry in session.get_inputs()}
    for names, bind in ((part.inputs, binding.bind_input), (part.outputs, binding.bind_output)):
        for name in names:
            if names is part.outputs or name in used:
                value = tensors[name]
                bind(name, place, 0, _kind(value), list(value.shape), value.data_ptr())
    return lambda: session.run_with_iobinding(binding)


def _kind(value: Tensor) -> object:
    return value.cpu().numpy().dtype.type
