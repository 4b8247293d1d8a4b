"""Memory and time per step of `recognize` on a long recording, start to end: `python -m benchmarks.long_recording --minutes 30`.

The recording is made of a corpus's clips in random order (or of the example, over and over), written to a FLAC file and read
back through the same path as `streamser recognize`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from streamser import Recognizer
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE
from train.machine import machine_card

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"


def resident_megabytes() -> float:
    """This process's resident memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def clips(corpus: str | None) -> list[Path]:
    if corpus is None:
        return [EXAMPLE]
    from train.corpora import read_split

    return [clip.path for clip in read_split(corpus, "test")]


def write_recording(paths: list[Path], minutes: float, target: Path) -> None:
    """Clips in random order, again and again, as 16-bit FLAC."""
    rng = np.random.default_rng(0)
    left = round(minutes * 60 * SAMPLE_RATE)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        while left > 0:
            source = open_file(paths[int(rng.integers(len(paths)))])
            samples = np.concatenate([piece.samples[:, 0] for piece in source if isinstance(piece, Block)])[:left]
            left -= len(samples)
            whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--corpus", help="whose test clips to join (default: the example)")
    parser.add_argument("--no-transcript", action="store_true")
    args = parser.parse_args()
    recognizer = Recognizer.load(args.pack)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        write_recording(clips(args.corpus), args.minutes, path)
        part = args.minutes * 60 / 6
        print(f"{'audio until':>12} {'steps':>6} {'median ms':>10} {'p95 ms':>8} {'memory MB':>10}")
        times: list[float] = []
        before = begun = time.perf_counter()
        for event in recognizer.recognize(path, transcript=not args.no_transcript):
            if event.type != "emotion":
                continue
            now = time.perf_counter()
            times.append(1000 * (now - before))
            before = now
            if event.end >= part * (len(rows) + 1) - 1e-6:
                row = {
                    "seconds": event.end,
                    "steps": len(times),
                    "median_ms": float(np.median(times)),
                    "p95_ms": float(np.percentile(times, 95)),
                    "memory_mb": resident_megabytes(),
                }
                rows.append(row)
                columns = f"{row['steps']:6d} {row['median_ms']:10.1f} {row['p95_ms']:8.1f} {row['memory_mb']:10.1f}"
                print(f"{row['seconds']:12.1f} {columns}", flush=True)
                times = []
        spent = time.perf_counter() - begun
    factor = spent / (60 * args.minutes)
    print(f"real-time factor {factor:.3f}")
    print(json.dumps({"machine": machine_card(), "minutes": args.minutes, "real_time_factor": round(factor, 4), "rows": rows}))


if __name__ == "__main__":
    main()
