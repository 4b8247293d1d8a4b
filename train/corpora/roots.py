"""Where data lies and where what is made of it is kept."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path:
    """The folder that holds `corpora`, `noise`, `text`: the setting STREAMSER_DATA, by default ../shared."""
    root = Path(os.environ.get("STREAMSER_DATA", "../shared"))
    if not (root / "corpora").is_dir():
        raise SystemExit(f"no corpora under {root.resolve()}: set STREAMSER_DATA to the folder that holds `corpora`")
    return root


def cache_root() -> Path:
    """Where features and checkpoints are kept: the setting STREAMSER_CACHE, by default ~/.cache/streamser."""
    root = Path(os.environ.get("STREAMSER_CACHE", Path.home() / ".cache" / "streamser"))
    root.mkdir(parents=True, exist_ok=True)
    return root
