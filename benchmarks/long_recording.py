"""Memory and speed of `streamser recognize` over long recordings: `python -m benchmarks.long_recording --minutes 10 60`.

Each recording is a FLAC file of a corpus's clips in random order (or of the example, over and over). With a share of speech
under 1 they come in stretches of 10 to 60 s with the noise of a quiet room between them, as when a microphone ran all night. The
command runs as a user's does, with checkpoints, its results in a file. Speed is counted in seconds of CPU time, so that other work
on the machine hardly shows; memory is the process's resident set (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np

from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE, to_samples
from train.machine import machine_card

EXAMPLE = Path(__file__).parents[1] / "examples" / "hello.flac"
STRETCH = (10.0, 60.0)  # seconds of speech between the quiet
QUIET = 0.001  # RMS of the noise, -60 dB of full scale
BUFFER = 60 * SAMPLE_RATE  # samples of noise, used over and over
ROWS = 10
POLL = 0.5  # seconds


@dataclass(frozen=True)
class Row:
    """A part of the recording: up to `seconds`; CPU seconds a second of audio; megabytes at its end, and the most so far."""

    seconds: float
    cpu_factor: float
    memory_mb: float
    peak_mb: float


def clips(corpus: str | None) -> list[Path]:
    if corpus is None:
        return [EXAMPLE]
    from train.corpora import read_split

    return [clip.path for clip in read_split(corpus, "test")]


def write_recording(paths: list[Path], minutes: float, target: Path, speech_share: float = 1.0) -> None:
    """Clips in random order, again and again, with quiet between stretches of them; 16-bit FLAC."""
    rng = np.random.default_rng(0)
    noise = (QUIET * rng.standard_normal(BUFFER)).astype(np.float32)
    left = to_samples(minutes * 60)
    stretch = spoken = rng.uniform(*STRETCH) * SAMPLE_RATE  # samples until it is quiet again, of samples
    with av.open(str(target), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        while left > 0:
            if stretch <= 0:
                quiet = int(spoken * (1 / speech_share - 1))
                stretch = spoken = rng.uniform(*STRETCH) * SAMPLE_RATE
                parts = [noise] * (quiet // BUFFER) + [noise[: quiet % BUFFER]]
            else:
                source = open_file(paths[int(rng.integers(len(paths)))])
                parts = [piece.samples[:, 0] for piece in source if isinstance(piece, Block)]
                stretch -= sum(map(len, parts))
            for part in parts:
                samples, left = part[:left], left - len(part[:left])
                if len(samples):
                    frame = av.AudioFrame.from_ndarray((np.clip(samples, -1, 1) * 32767).astype(np.int16)[None], "s16", "mono")
                    frame.sample_rate = SAMPLE_RATE
                    container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def resident_megabytes() -> float:
    """This process's resident memory (Linux)."""
    return memory(os.getpid())[0]


def memory(process: int) -> tuple[float, float]:
    """Megabytes now and at most."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / 1e6, int(lines["VmHWM"].split()[0]) * 1024 / 1e6


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def heard(output: Path) -> float:
    """Seconds up to which events were written."""
    if not output.exists():
        return 0.0
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - 20_000))
        lines = [line for line in file.read().split(b"\n")[1:-1] if line.startswith(b'{"type":"emotion"')]
    return float(json.loads(lines[-1])["end"]) if lines else 0.0


def measure(recording: Path, minutes: float, more: list[str]) -> list[Row]:
    """Run the command and look at it while it runs."""
    output = recording.with_suffix(".jsonl")
    command = [sys.executable, "-m", "streamser.cli.main", "recognize", str(recording), "-o", str(output), *more]
    part = minutes * 60 / ROWS
    rows: list[Row] = []
    begun: tuple[float, float] | None = None  # seconds of audio, of CPU time: without what loading took
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            time.sleep(POLL)
            try:
                now, cpu, (resident, peak) = heard(output), cpu_seconds(process.pid), memory(process.pid)
            except (OSError, KeyError):  # it has just ended
                break
            begun = begun or ((now, cpu) if now else None)
            if begun and (now >= part * (len(rows) + 1) or now >= minutes * 60 - 1) and now > begun[0] and len(rows) < ROWS:
                rows.append(Row(now, (cpu - begun[1]) / (now - begun[0]), resident, peak))
                begun = (now, cpu)
                row = rows[-1]
                print(f"{now / 60:12.1f} {row.cpu_factor:10.4f} {resident:10.1f} {peak:8.1f}", flush=True)
        if process.wait():
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--corpus", help="whose test clips to join (default: the example)")
    parser.add_argument("--speech-share", type=float, default=1.0, metavar="SHARE", help="above 0; the rest is quiet (%(default)s)")
    parser.add_argument("--no-transcript", action="store_true")
    args = parser.parse_args()
    if not 0 < args.speech_share <= 1:
        parser.error("--speech-share is above 0 and at most 1")
    measured: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for minutes in args.minutes:
            recording = Path(folder) / f"{minutes:g}.flac"
            write_recording(clips(args.corpus), minutes, recording, args.speech_share)
            print(f"{minutes:g} minutes, {args.speech_share:.0%} of it stretches of speech")
            print(f"{'until minute':>12} {'CPU factor':>10} {'memory MB':>10} {'peak MB':>8}", flush=True)
            measured[f"{minutes:g}"] = measure(recording, minutes, ["--no-transcript"] if args.no_transcript else [])
    first, *others = measured.items()
    for minutes_text, rows in others:
        more = rows[-1].peak_mb - first[1][-1].peak_mb
        print(f"{minutes_text} minutes take {more:+.1f} MB more at most than {first[0]} do")
    rows_by_minutes = {name: [asdict(row) for row in rows] for name, rows in measured.items()}
    settings = {"corpus": args.corpus or "example", "speech_share": args.speech_share, "transcript": not args.no_transcript}
    print(json.dumps({"machine": machine_card(), **settings, "minutes": rows_by_minutes}))


if __name__ == "__main__":
    main()
