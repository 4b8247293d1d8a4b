"""How long a step of the paper's full-size system takes (arXiv 2506.02088), with random weights made on the spot.

Run `python -m benchmarks.paper --steps 3` on a CPU (about 9 GB, minutes), `--accelerator cuda --steps 500` on a GPU. A step:
Whisper large-v3 on the window alone, RMVPE (90.4 M), CED small, RoBERTa large over the window's 12 tokens a second, MDAT; and
beside every step, in a thread (on CUDA a stream) of its own, Whisper's decoder with cached keys and values of 30 s of sound:
12 tokens a second, greedy. Its time is from samples in memory to log posteriors in memory. Steps follow each other at once, so
that the decoder is always beside them. On CUDA: float16, CUDA graphs, synchronised after every stage. The spectrograms are
torch's in both backends. Needs numpy and torch; `--backend onnx` also onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.paper.backends import Run, onnx_run, outputs_of, require_cuda, torch_run
from benchmarks.paper.system import SCALES, Built, build, tokens_in

WARM_STEPS = 2
ALL, BESIDE = "a step in all", "beside: decoder"


def prepare(built: Built, backend: str, cuda: bool, folder: Path) -> tuple[dict[str, Run], Run, Run]:
    """Runs of the step's parts in order, of the decoder's sound, of one token; the last two fill the caches."""
    tensors = built.tensors
    parts = [built.front, *built.step, built.sound, built.token]
    runs: dict[str, Run] = {}
    for part in parts:
        outputs_of(part, tensors)
        in_onnx = backend == "onnx" and part is not built.front
        runs[part.name] = onnx_run(part, tensors, folder) if in_onnx else torch_run(part, tensors, cuda)
    sound, token = runs.pop(built.sound.name), runs.pop(built.token.name)
    frames = tensors["new_sound"].shape[3]
    begin = int(tensors["position"])

    def hear() -> None:
        sound()
        tensors["sound"][..., :frames, :] = tensors["new_sound"]

    def write() -> None:
        token()
        tensors["words"].index_copy_(3, tensors["position"], tensors["kept"])
        tensors["token"].copy_(tensors["next"])
        tensors["position"].add_(1).sub_(begin).remainder_(begin + 1).add_(begin)  # never past the cache

    return runs, hear, write


def measure(built: Built, backend: str, cuda: bool, step: float, steps: int) -> dict[str, list[float]]:
    """Milliseconds of every stage of every step, warm-up left out."""
    found: dict[str, list[float]] = {}
    wait = torch.cuda.synchronize if cuda else lambda: None
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), ThreadPoolExecutor(1) as pool:
        runs, hear, write = prepare(built, backend, cuda, Path(folder))
        wait()
        samples = built.tensors["samples"].cpu()
        own = torch.cuda.Stream() if cuda else None
        beside = torch.cuda.Stream() if cuda else None

        def decode(tokens: int) -> float:
            began = time.perf_counter()
            with torch.inference_mode(), torch.cuda.stream(beside) if cuda else contextlib.nullcontext():
                hear()
                for _ in range(tokens):
                    write()
                if beside is not None:
                    beside.synchronize()
            return 1000 * (time.perf_counter() - began)

        for number in range(WARM_STEPS + steps):
            job = pool.submit(decode, tokens_in(step, number))
            began = last = time.perf_counter()
            taken: dict[str, float] = {}
            with torch.cuda.stream(own) if cuda else contextlib.nullcontext():
                built.tensors["samples"].copy_(samples)
                for name, run in runs.items():
                    run()
                    if own is not None:
                        own.synchronize()
                    now = time.perf_counter()
                    taken[name], last = 1000 * (now - last), now
                built.tensors["log_posterior"].cpu()
            taken[ALL] = 1000 * (time.perf_counter() - began)
            taken[BESIDE] = job.result()
            wait()
            if number >= WARM_STEPS:
                for name, value in taken.items():
                    found.setdefault(name, []).append(value)
    return found


def spread(values: list[float]) -> dict[str, float]:
    """As `benchmarks.stages.spread`, which would bring the runtime's packages along: values that occurred, nothing interpolated."""
    ranks = {"median": 50, "p95": 95, "p99": 99, "worst": 100}
    return {name: float(np.percentile(values, rank, method="inverted_cdf")) for name, rank in ranks.items()}


def card(cuda: bool) -> dict[str, object]:
    """train.machine's where the runtime is installed; torch's own figures anywhere."""
    mine = {"python": platform.python_version(), "torch": torch.__version__, "torch_threads": torch.get_num_threads()}
    mine["device"] = torch.cuda.get_device_name() if cuda else "cpu"
    try:
        from train.machine import machine_card

        return {**machine_card(), **mine}
    except ImportError:
        return {"date": time.strftime("%Y-%m-%d"), "processor": platform.processor(), "system": platform.platform(), **mine}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="(%(default)s)")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    parser.add_argument("--step", type=float, default=0.5, help="seconds (%(default)s)")
    parser.add_argument("--window", type=float, default=4.0, help="seconds, at most 10 (%(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="that count (%(default)s)")
    parser.add_argument("--scale", choices=tuple(SCALES), default="full", help="small: for tests (%(default)s)")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args(arguments)
    if not 1 <= args.window <= 10 or args.step <= 0 or args.steps < 1:
        raise SystemExit("--window is 1 to 10 s, --step more than 0, --steps at least 1")
    cuda = args.accelerator == "cuda"
    if cuda:
        require_cuda(args.backend)
    torch.backends.mha.set_fastpath_enabled(False)  # neither exported nor captured
    device, dtype = torch.device(args.accelerator), torch.float16 if cuda else torch.float32
    machine = card(cuda)
    print(json.dumps(machine))
    with torch.inference_mode():
        built = build(SCALES[args.scale], round(args.window * 50) / 50, device, dtype)
    sizes = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in built.parameters.items())
    print(
        f"random weights, {args.scale} size, {args.backend}, {dtype}: {sizes}; {WARM_STEPS} steps of warm-up left out", flush=True
    )
    found = {name: spread(values) for name, values in measure(built, args.backend, cuda, args.step, args.steps).items()}
    print(f"\n{'milliseconds of ' + str(args.steps) + ' steps':<28}{'median':>10}{'p95':>10}{'p99':>10}{'worst':>10}")
    for name, values in found.items():
        print(f"{name:<28}" + "".join(f"{value:>10.2f}" for value in values.values()))
    slower = max(found[ALL]["p99"], found[BESIDE]["p99"])
    print(f"{'keeps' if slower < 1000 * args.step else 'does NOT keep'} up with steps of {args.step:g} s")
    if args.plot:
        draw(found, args.plot)
    report = {
        "benchmark": "paper",
        "machine": machine,
        "options": vars(args),
        "parameters": built.parameters,
        "milliseconds": found,
    }
    print(json.dumps(report))


def draw(found: dict[str, dict[str, float]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for key, height in (("p99", 0.8), ("median", 0.4)):
        axes.barh([*found][::-1], [found[name][key] for name in [*found][::-1]], height=height, label=key)
    axes.set(xlabel="ms")
    axes.legend()
    figure.savefig(path, dpi=120)
