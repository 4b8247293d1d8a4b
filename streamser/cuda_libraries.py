"""Which CUDA libraries can be loaded; asked before a library that would fail late, or abort the process, without them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import io
import sys
from pathlib import Path

DECODER_LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")  # CTranslate2; the second needs the first
DRIVER = "libcuda.so.1"
MEND_RUNTIME = "pip install --no-deps --force-reinstall onnxruntime-gpu"
MEND_DECODER = "pip install nvidia-cublas-cu12"
_WHEELS = {"cudart": "cuda-runtime", "cublasLt": "cublas"}  # of NVIDIA's, where they are not called as the library is
_CUDNN = "libcudnn.so.9"
_CUDA_MAJOR = 13  # of onnxruntime-gpu's wheels today; its own word counts where it gives one
_CURAND, _CUFFT = "libcurand.so.10", {12: 11, 13: 12}


def runtime_libraries(major: int) -> tuple[str, ...]:
    """What onnxruntime-gpu built for a CUDA of this major version links to."""
    names = [f"lib{name}.so.{major}" for name in ("cudart", "cublasLt", "cublas")]
    return (*names, _CURAND, f"libcufft.so.{_CUFFT.get(major, major - 1)}", _CUDNN)


def mend_libraries(lacking: list[str], major: int) -> str:
    """The command that installs NVIDIA's wheels with libraries that are missing, for a CUDA of this major version."""
    wheels = []
    for library in lacking:
        name, _, version = library.removeprefix("lib").partition(".so.")
        part = _WHEELS.get(name, name)
        # Since CUDA 13 only cuDNN's wheel says in its name which CUDA it is for.
        wheels.append(f"nvidia-{part}-cu{major}" if major < 13 or part == "cudnn" else f"nvidia-{part}~={version}.0")
    return f"pip install {' '.join(dict.fromkeys(wheels))}"


def cuda_major() -> int:
    """The CUDA that the installed onnxruntime was built for."""
    from onnxruntime.capi import build_and_package_info

    said = str(getattr(build_and_package_info, "cuda_version", "")).split(".")[0]
    return int(said) if said.isdigit() else _CUDA_MAJOR


def missing_libraries(names: tuple[str, ...]) -> list[str]:
    """Those of the names that neither the dynamic loader nor NVIDIA's wheels have; the others are loaded, and so found again.

    Each for itself, not into one namespace: cuBLAS 12 and 13 stand side by side.
    """
    missing = []
    for name in names:
        for place in (name, *map(str, in_wheels(name))):
            try:
                ctypes.CDLL(place)
                break
            except OSError:
                continue
        else:
            missing.append(name)
    return missing


def in_wheels(name: str) -> list[Path]:
    """Where NVIDIA's wheels have put a library: nvidia/PART/lib of the site packages."""
    specification = importlib.util.find_spec("nvidia")
    folders = specification.submodule_search_locations or [] if specification else []
    return [path for folder in folders for path in sorted(Path(folder).glob(f"*/lib/{name}"))]


def preload_runtime_libraries() -> None:
    """Load what onnxruntime finds in NVIDIA's wheels; what it prints of missing ones is held back, off standard output."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


@functools.cache
def runtime_problem() -> str | None:
    """Why onnxruntime cannot run on CUDA here, with what mends it, in one line; None where nothing speaks against it.

    Elsewhere than on Linux only the provider is asked for: libraries have other names there, and a session says when it fell back.
    """
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        if not _installed("onnxruntime-gpu"):
            return "the installed onnxruntime has no CUDA provider: pip install 'streamser[gpu]', then " + MEND_RUNTIME
        return f"onnxruntime lies over the installed onnxruntime-gpu and has no CUDA provider: {MEND_RUNTIME}"
    if sys.platform != "linux":
        return None
    if missing_libraries((DRIVER,)):
        return f"there is no NVIDIA driver ({DRIVER}): install one, or use the CPU"
    preload_runtime_libraries()
    major = cuda_major()
    lacking = missing_libraries(runtime_libraries(major))
    return f"onnxruntime-gpu lacks {', '.join(lacking)}: {mend_libraries(lacking, major)}" if lacking else None


def gpu_meant() -> bool:
    """Whether somebody has installed what runs on a GPU, so that a fall back to the CPU is worth a word."""
    return _installed("onnxruntime-gpu")


def _installed(distribution: str) -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def missing_decoder_libraries() -> list[str]:
    """What CTranslate2 lacks to decode on CUDA; without it, it would abort the process or fail at the first decoding."""
    return missing_libraries(DECODER_LIBRARIES)
