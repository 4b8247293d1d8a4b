"""Which CUDA libraries can be loaded; asked before a library that would abort the process without them."""

from __future__ import annotations

import ctypes

DECODER_LIBRARIES = ("libcublas.so.12", "libcublasLt.so.12")  # CTranslate2
RUNTIME_LIBRARIES = ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9")  # onnxruntime-gpu


def missing_libraries(names: tuple[str, ...]) -> list[str]:
    """Those of the names that the dynamic loader cannot open."""
    missing = []
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def missing_decoder_libraries() -> list[str]:
    """What CTranslate2 lacks to decode on CUDA."""
    return missing_libraries(DECODER_LIBRARIES)
