"""`python -m benchmarks.pictures NAME [options]` calls the `main` of the picture's module."""

from __future__ import annotations

import importlib
import sys

PICTURES = {
    "listen": "the live screen",
    "html": "the page of a recording",
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in PICTURES:
        listed = "\n".join(f"  {name:<10} {text}" for name, text in PICTURES.items())
        raise SystemExit(f"usage: python -m benchmarks.pictures NAME [options]\n{listed}")
    name = sys.argv.pop(1)
    sys.argv[0] = f"python -m benchmarks.pictures {name}"
    importlib.import_module(f"benchmarks.pictures.{name}").main()


main()
