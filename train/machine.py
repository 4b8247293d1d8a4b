"""What a figure was measured on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("streamser", "onnxruntime", "ctranslate2", "faster-whisper", "numpy")


def machine_card() -> dict[str, object]:
    """Processor, cores, Python, the versions that matter, the providers, and the date."""
    import onnxruntime

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "providers": onnxruntime.get_available_providers(),
        **{name: version(name) for name in PACKAGES},
    }
