"""`python -m train VERB`: one module a verb, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys

VERBS = {
    "corpus": "train.corpora.command",
    "splits": "train.splits",
    "transcribe": "train.transcribe",
    "encode": "train.encodings",
    "fit": "train.systems.fit",
    "ensemble": "train.systems.ensemble",
    "experiment": "train.experiments.command",
    "pitch": "train.pitch.train",
    "spectral": "train.spectral.train",
    "text": "train.text.train",
    "tune": "train.tuning.train",
    "features": "train.features",
    "fusion": "train.fusion.train",
    "sounds": "train.fusion.sounds",
    "folds": "train.tuning.folds",
    "baselines": "train.baselines.folds",
    "evaluate": "train.evaluate",
    "report": "train.report.command",
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
        print(f"usage: python -m train {{{','.join(VERBS)}}} [options]", file=sys.stderr)
        return 2
    module = importlib.import_module(VERBS[sys.argv[1]])
    parser = argparse.ArgumentParser(prog=f"python -m train {sys.argv[1]}")
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(sys.argv[2:])))


if __name__ == "__main__":
    sys.exit(main())
