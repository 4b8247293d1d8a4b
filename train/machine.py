"""What a figure was measured on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

import streamser

PACKAGES = ("onnxruntime", "ctranslate2", "faster-whisper", "numpy")


def machine_card() -> dict[str, object]:
    """Processor, cores, memory, how busy, threads, system, Python, the versions that matter, the providers, and the date."""
    import onnxruntime

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1) if hasattr(os, "sysconf") else None,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "threads": {"networks": 1, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")},
        "system": platform.platform(),
        "python": platform.python_version(),
        "providers": onnxruntime.get_available_providers(),
        "streamser": streamser.__version__,  # an editable installation's own record of its version may be old
        **{name: version(name) for name in PACKAGES},
    }
