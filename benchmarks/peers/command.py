"""streamser beside what others do: the same continuous speech, the same steps and windows, in one run, on one core.

Run `python -m benchmarks.peers`. Peers: (a) what a user would write today, every window from scratch (`today.py` says how kindly);
(b) openSMILE's eGeMAPS functionals of the window and an SVM; (c) the networks of emotion2vec base and WavLM large in onnxruntime,
float32, with random weights, so without a score. Everything runs in one thread of one process, streamser's decodings too, and a
step's time is what the process took of a core in it; slow peers hear an even choice of the windows, in between streamser's steps.
Operations are multiplications and additions of matrix products, convolutions and recurrent layers, counted from graphs with the
inputs they had, for CTranslate2 from shapes. Silence between costs the peers nothing.

Scores are of a few test clips of unseen speakers: every peer hears the window of streamser's last step in the clip; `uncertain`
is wrong, and beside it stands the likeliest label. The fusion was not trained on encodings padded to 30 s, which (a) gives it.
Without corpora (STREAMSER_DATA) there are no scores, and (b) has no SVM. CPU only. About five minutes; the first time the
training clips' eGeMAPS are made as well.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar
from benchmarks.loading import load
from benchmarks.peers.counted import ENCODER
from benchmarks.peers.egemaps import Egemaps
from benchmarks.peers.inline import in_one_thread
from benchmarks.peers.scores import OURS, Answer, answers_of, decided, scored, test_clips
from benchmarks.peers.shapes import EMOTION2VEC, WAVLM, export, opened, parameters
from benchmarks.peers.tables import draw, score_table, speed_table
from benchmarks.peers.timing import Peer, measure
from benchmarks.peers.today import Today
from benchmarks.speech import continuous_speech, described
from benchmarks.stages import rounded
from streamser import Recognizer
from streamser.clock import to_seconds
from train.baselines.clip_features import open_egemaps
from train.corpora import TRAINING_CORPORA
from train.machine import machine_card

TODAY, EGEMAPS = "(a) today: all from scratch", "(b) eGeMAPS + SVM"
LESS = Bar(8, "times", least=True)
NO_WORSE = Bar(0, "of macro-F1", least=True)
WINDOWS = {TODAY: 20, EGEMAPS: 40, EMOTION2VEC.name: 8, WAVLM.name: 6}  # that are measured of each
EVERY = 25  # clips from one line of progress to the next


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pack", default="default", help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of speech that are timed (%(default)s)")
    parser.add_argument("--clips", type=int, default=100, help="that are scored, about; 0 for none (%(default)s)")
    parser.add_argument("--plot", metavar="FILE")
    args = parser.parse_args(arguments)
    if args.seconds < 1 or args.clips < 0:
        parser.error("--seconds is at least 1, --clips at least 0")
    recognizer = in_one_thread(load(args.pack, "cpu"))
    settings = recognizer.settings()
    card = machine_card()
    print(json.dumps(card))
    print(
        f"pack {recognizer.pack.name} {recognizer.pack.version}, step {to_seconds(settings.step)} s, window "
        f"{to_seconds(settings.window)} s, {args.seconds:g} s of {described()}",
        flush=True,
    )
    today = Today(recognizer)
    egemaps = Egemaps(recognizer.ensemble.labels) if corpora_at_hand() else None
    speed = speeds(recognizer, today, egemaps, args.seconds)
    speed_table(speed)
    own = speed["streamser"]["operations_a_second"]
    ratio = speed[TODAY]["operations_a_second"] / own
    twice, once = (operations / own for operations in fewer_encodings(speed[TODAY]))
    faster = speed[TODAY]["cpu_seconds_a_second"] / speed["streamser"]["cpu_seconds_a_second"]
    print(f"\nComputation, (a) over streamser: {ratio:.1f} times {LESS.beside(ratio)}; in time of a core {faster:.1f} times")
    print("  (a) encodes every window three times: to tell the language, to write the words, for the fusion. Did it so only for")
    print(f"  the words and the fusion: {twice:.1f} times; once for all: {once:.1f} times")
    scores: dict[str, Any] | None = None
    if egemaps is None:
        print(f"\nNo scores: set STREAMSER_DATA to the folder that holds corpora/{{{','.join(TRAINING_CORPORA)}}}")
    elif args.clips:
        scores = clip_scores(recognizer, today, egemaps, args.clips)
        score_table(scores)
        ahead = scores["uncertain is wrong"]["ahead_of_today"][OURS]["macro_f1"]
        print(
            f"\nMacro-F1 on the same windows, streamser less (a): {ahead['difference']:+.3f} {NO_WORSE.beside(ahead['difference'])}"
        )
        if ahead["low"] < 0 < ahead["high"]:
            print("  95 % of redrawings hold 0: so few clips do not tell the two apart")
    report = {
        "benchmark": "peers",
        "machine": card,
        "load_average_after": machine_card()["load_average"],
        "options": vars(args),
        "parameters": {size.name: parameters(size) for size in (EMOTION2VEC, WAVLM)},
        "speed": speed,
        "times_less": {"as_run": ratio, "two_encodings": twice, "one_encoding": once, "time_of_a_core": faster},
        "scores": scores,
    }
    if args.plot:
        draw(speed, scores, args.plot)
    print(json.dumps(rounded(report)))


def corpora_at_hand() -> bool:
    """Whether the corpora are there that the SVM is trained on and that clips are of."""
    folder = Path(os.environ.get("STREAMSER_DATA", "../shared")) / "corpora"
    return all((folder / name / "manifest.csv").is_file() for name in TRAINING_CORPORA)


def speeds(recognizer: Recognizer, today: Today, egemaps: Egemaps | None, seconds: float) -> dict[str, Any]:
    """Everyone's time and operations."""
    hear_egemaps = egemaps.hear if egemaps else open_egemaps()
    peers = [
        Peer(TODAY, today.hear, WINDOWS[TODAY]),
        Peer(EGEMAPS, hear_egemaps, WINDOWS[EGEMAPS], counted=False),
    ]
    warm_up = 2 * to_seconds(recognizer.settings().window)
    with tempfile.TemporaryDirectory() as folder:
        for size in (EMOTION2VEC, WAVLM):
            peers.append(Peer(size.name, opened(export(size, Path(folder))), WINDOWS[size.name]))
        return measure(recognizer, today, peers, continuous_speech(warm_up + seconds), warm_up)


def fewer_encodings(row: dict[str, Any]) -> tuple[float, float]:
    """Operations in a second of peer (a), did it encode a window twice, or once for the words and the fusion alike."""
    parts = row["operations_by_network"]
    twice = float(row["operations_a_second"] - parts[ENCODER] / 2)
    return twice, twice - parts["encoder.onnx"]


def clip_scores(recognizer: Recognizer, today: Today, egemaps: Egemaps, count: int) -> dict[str, Any]:
    """Scores of everyone who has one."""
    labels = recognizer.ensemble.labels
    below = recognizer.ensemble.uncertain_below["step"]
    others = {
        TODAY: lambda window: decided(today.hear(window), below),
        EGEMAPS: lambda window: Answer(egemaps.hear(window)),
    }
    clips, answers = test_clips(count, labels), []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # nothing is timed any more
        for answer in pool.map(lambda clip: answers_of(recognizer, clip, others), clips):
            answers.append(answer)
            if len(answers) % EVERY == 0:
                print(f"{len(answers)} of {len(clips)} clips", flush=True)
    return scored(clips, labels, answers, TODAY)
