"""`python -m export VERB`: one module a verb, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys

from streamser.errors import StreamserError

VERBS = {
    "whisper": "export.whisper",
    "pitch": "export.pitch",
    "published-pitch": "export.published_pitch",
    "spectral": "export.spectral",
    "published-spectral": "export.published_spectral",
    "text": "export.text",
    "fusion": "export.fusion",
    "pack": "export.pack",
    "cuda": "export.cuda",
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        print(f"usage: python -m export {{{','.join(VERBS)}}} [options]", file=sys.stderr)
        return 2
    module = importlib.import_module(VERBS[sys.argv[1]])
    parser = argparse.ArgumentParser(prog=f"python -m export {sys.argv[1]}")
    module.add_arguments(parser)
    try:
        return int(module.run(parser.parse_args(sys.argv[2:])))
    except StreamserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
