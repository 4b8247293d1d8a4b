"""`python -m benchmarks.peers_accuracy`: emotion2vec+ and SenseVoice-Small on our split files, beside streamser on the same clips.

Speakers that the pack was not trained on, each clip alone, the choice restricted to the labels that both know. emotion2vec+'s
scores are mapped, restricted and renormalised; of SenseVoice, which answers with a tag, EMO_UNKNOWN and any other tag are
wrong, and beside it stands what it says when that tag is banned, as its makers score it. Of streamser `uncertain` is wrong, and
beside it stands the argmax. A clip in which nobody found anything is wrong too. Scores with 95 % intervals over speakers (`t`: a
t-interval, below 15 speakers), differences on the same clips.

The peers need `pip install torch 'funasr[knf]>=1.4'` and a hub (ModelScope or Hugging Face), or their weights in a folder
(--weights). Where one cannot be run its row says why, and the command ends well all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers_accuracy import ours
from benchmarks.peers_accuracy.clips import SEED, chosen
from benchmarks.peers_accuracy.funasr_models import Decide, NotRunHereError, load
from benchmarks.peers_accuracy.peers import OURS, PEERS, Peer, contamination
from benchmarks.peers_accuracy.scoring import Material, corpora_of, paired, scores_of
from benchmarks.peers_accuracy.tables import OURS_NAME, table
from streamser.errors import StreamserError
from streamser.recognizer import Recognizer
from train.corpora import LABELS, TRAINING_CORPORA, Clip, read_audio
from train.machine import machine_card

MEASURED, NOT_RUN = "measured", "not run here"
EVERY = 50  # clips from one line of progress to the next


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers_accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpora",
        nargs="+",
        default=list(TRAINING_CORPORA),
        metavar="NAME",
        help="or paths of manifest.csv with a split column (%(default)s)",
    )
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="(%(default)s)")
    parser.add_argument("--clips", type=int, default=70, help="at most, a corpus, balanced by label (%(default)s)")
    parser.add_argument("--pack", default="default", help="(%(default)s)")
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help=f"where a peer's weights lie, so that no hub is asked: {', '.join(peer.name for peer in PEERS)}",
    )
    args = parser.parse_args(arguments)
    if args.clips < 1:
        raise SystemExit("--clips is at least 1")
    folders = weights_of(args.weights)
    try:
        recognizer = Recognizer.load(args.pack)
    except StreamserError as error:
        raise SystemExit(str(error)) from None
    known = tuple(label for label in LABELS if label in recognizer.ensemble.labels)
    clips = {name: chosen(name, args.split, known, args.clips) for name in dict.fromkeys(args.corpora)}
    opened = {peer.name: opened_or_why(peer, folders.get(peer.name)) for peer in PEERS}
    parts = [part(recognizer, labels, peers, clips, opened) for labels, peers in by_labels(known).items()]
    notes = {peer.name: {name: contamination(peer.kind, name) for name in clips} for peer in PEERS}
    for found in parts:
        print("\n" + "\n".join(table(found)))
    print(f"\nPossible contamination\n  {OURS_NAME}: {OURS}")
    for name, by_corpus in notes.items():
        for corpus, note in by_corpus.items():
            print(f"  {name}, {corpus}: {note}")
    told: dict[str, Any] = {
        "benchmark": "peers_accuracy",
        "machine": machine_card(),
        "pack": f"{recognizer.pack.name} {recognizer.pack.version}",
        "split": args.split,
        "clips_a_corpus": args.clips,
        "seed": SEED,
        "parts": parts,
        "contamination": {OURS_NAME: OURS, **notes},
    }
    print(json.dumps(told, ensure_ascii=False))
    return 0


def weights_of(given: Sequence[str]) -> dict[str, Path]:
    """By peer, the folder of its weights.

    Raises:
        SystemExit: not NAME=FOLDER, no such peer, or no such folder.
    """
    names = [peer.name for peer in PEERS]
    found = {}
    for entry in given:
        name, equals, folder = entry.partition("=")
        if not equals or name not in names:
            raise SystemExit(f"--weights {entry}: write NAME=FOLDER, where NAME is one of {', '.join(names)}")
        if not Path(folder).is_dir():
            raise SystemExit(f"--weights {entry}: no folder {folder!r}: name the one that holds the downloaded model")
        found[name] = Path(folder)
    return found


def by_labels(known: Sequence[str]) -> dict[tuple[str, ...], list[Peer]]:
    """The peers by the labels that they and the pack both know.

    Raises:
        SystemExit: fewer than two with some peer.
    """
    found: dict[tuple[str, ...], list[Peer]] = {}
    for peer in PEERS:
        labels = tuple(label for label in known if label in peer.labels)
        if len(labels) < 2:
            raise SystemExit(f"the pack shares fewer than two labels with {peer.name}: it knows {', '.join(known) or 'none'}")
        found.setdefault(labels, []).append(peer)
    return found


def opened_or_why(peer: Peer, folder: Path | None) -> Decide | str:
    """A peer that decides, or why it does not."""
    try:
        return load(peer, folder)
    except NotRunHereError as error:
        print(f"{peer.name} is {NOT_RUN}: {error}", file=sys.stderr)
        return str(error)


def part(
    recognizer: Recognizer,
    labels: tuple[str, ...],
    peers: Sequence[Peer],
    clips: dict[str, list[Clip]],
    opened: dict[str, Decide | str],
) -> dict[str, Any]:
    """Everyone who shares these labels with the pack, on the clips that carry one of them."""
    kept = [(name, clip) for name, found in clips.items() for clip in found if clip.label in labels]
    titles = np.array([clip.corpus if name.endswith(".csv") else name for name, clip in kept])
    material = Material(labels, [clip for _, clip in kept], titles)

    def answers(decide: Decide, name: str) -> dict[str, np.ndarray]:
        told = []
        for done, clip in enumerate(material.clips, 1):
            told.append(decide(read_audio(clip.path)))
            if done % EVERY == 0:
                print(f"{name}, {len(labels)} labels: {done} of {len(material.clips)} clips", file=sys.stderr, flush=True)
        return {reading: material.numbered([answer[reading] for answer in told]) for reading in told[0]}

    mine = answers(lambda samples: ours.decide(recognizer, samples, labels), OURS_NAME)
    rows = [row(OURS_NAME, reading, **scores_of(material, decided)) for reading, decided in mine.items()]
    compared = []
    for peer in peers:
        try:
            decide = opened[peer.name]
            if isinstance(decide, str):
                raise NotRunHereError(decide)
            theirs = answers(decide, peer.name)
        except NotRunHereError as error:
            rows.append(row(peer.name, "", NOT_RUN, str(error)))
            continue
        for reading, decided in theirs.items():
            rows.append(row(peer.name, reading, **scores_of(material, decided)))
            for own, decisions in mine.items():
                entry = {"reading": own, "peer": peer.name, "peer_reading": reading}
                compared.append({**entry, **paired(material, decided, decisions)})
    return {"labels": list(labels), "corpora": corpora_of(material), "rows": rows, "paired": compared}


def row(system: str, reading: str, status: str = MEASURED, why: str = "", **scores: Any) -> dict[str, Any]:
    return {"system": system, "reading": reading, "status": status, "why": why, **scores}
