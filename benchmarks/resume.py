"""`streamser recognize` killed at random moments and gone on with: `python -m benchmarks.resume --kills 3`.

A recording of a corpus's clips (or of the example) is recognised without a break and, in each line format, with `kill -9` at
moments drawn by chance, each followed by `--resume`. The bytes are compared, all but the summary's real_time_factor.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.long_recording import clips, write_recording
from streamser.checkpoint import Checkpoint
from streamser.clock import SAMPLE_RATE
from streamser.sinks.formats import FORMATS
from streamser.sinks.names import checkpoint_path
from train.machine import machine_card


def command(recording: Path, name: str, output: Path, *more: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "streamser.cli.main", "recognize", str(recording), "--format", name, "-o", str(output), *more]
    return subprocess.Popen(line, stderr=subprocess.DEVNULL)


def comparable(path: Path) -> bytes:
    return re.sub(rb'"real_time_factor":[^,]*', b"", path.read_bytes())


def checkpoint_seconds(output: Path) -> float:
    position = Checkpoint.load(checkpoint_path(output)).position
    return position.samples / SAMPLE_RATE if position else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--corpus", help="whose test clips to join (default: the example)")
    parser.add_argument("--kills", type=int, default=3, help="in each format (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    rows = []
    print(f"{'format':>8} {'killed after s of work':>30} {'went on at s':>26} {'checkpoint kB':>13} same")
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "call.flac"
        write_recording(clips(args.corpus), args.minutes, recording)
        for name in (name for name, one in FORMATS.items() if not one.made_at_end):
            whole, broken = Path(folder) / f"whole.{name}", Path(folder) / f"broken.{name}"
            begun = time.monotonic()
            if command(recording, name, whole).wait():
                raise SystemExit(f"the run without a break failed in {name}")
            length = time.monotonic() - begun
            moments, positions, size = [], [], 0
            for _ in range(args.kills):
                process = command(recording, name, broken, *(["--resume"] if broken.exists() else []))
                moments.append(rng.uniform(1.0, length / args.kills + 3.0))
                time.sleep(moments[-1])
                process.send_signal(signal.SIGKILL)
                process.wait()
                if checkpoint_path(broken).exists():
                    positions.append(checkpoint_seconds(broken))
                    size = max(size, checkpoint_path(broken).stat().st_size)
            if command(recording, name, broken, "--resume").wait():
                raise SystemExit(f"--resume failed in {name}")
            same = comparable(broken) == comparable(whole)
            told = [" ".join(f"{value:.1f}" for value in values) for values in (moments, positions)]
            print(f"{name:>8} {told[0]:>30} {told[1]:>26} {size / 1000:13.0f} {'yes' if same else 'NO'}", flush=True)
            rows.append({"format": name, "killed": moments, "went_on": positions, "bytes": size, "same": same})
    print(json.dumps({"machine": machine_card(), "minutes": args.minutes, "corpus": args.corpus or "example", "rows": rows}))
    if not all(row["same"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
