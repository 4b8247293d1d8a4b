"""`python -m export VERB`: one module a verb, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys

VERBS = {
    "whisper": "export.whisper",
    "pitch": "export.pitch",
    "spectral": "export.spectral",
    "text": "export.text",
    "fusion": "export.fusion",
    "pack": "export.pack",
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        print(f"usage: python -m export {{{','.join(VERBS)}}} [options]", file=sys.stderr)
        return 2
    module = importlib.import_module(VERBS[sys.argv[1]])
    parser = argparse.ArgumentParser(prog=f"python -m export {sys.argv[1]}")
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(sys.argv[2:])))


if __name__ == "__main__":
    sys.exit(main())
