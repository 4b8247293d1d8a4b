"""The live screen, as a picture: RAVDESS's first test actor speaks into a virtual microphone, in real time, and the screen is kept.

Run `python -m benchmarks.pictures listen`. Needs the corpora, what `virtual_microphone.py` names and Chromium; takes as long as the
actor speaks, about 140 seconds. What stands on the screen is what was recognised in that run.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console, ConsoleDimensions
from rich.terminal_theme import TerminalTheme

from benchmarks.pictures.browser import photograph
from benchmarks.virtual_microphone import VirtualMicrophone, missing
from streamser.audio.devices import find_device, list_devices
from streamser.audio.microphone import Microphone
from streamser.clock import SAMPLE_RATE
from streamser.events import EmotionEvent
from streamser.recognizer import Recognizer
from streamser.recording import recognize_source
from streamser.sinks.live_frame import frame
from streamser.sinks.live_state import LiveState
from streamser.sinks.look import Look
from train.corpora import read_audio, read_split

PICTURE = Path("docs/pictures/listen.png")
SPOKEN = (  # an emotion and how many of the actor's clips, or None and seconds of silence
    ("neutral", 10),
    ("happiness", 8),
    (None, 3),
    ("anger", 8),
    ("sadness", 8),
    (None, 2),
    ("fear", 8),
    ("neutral", 2),
    ("surprise", 6),
    ("anger", 7),
)
PAUSE = (0.1, 0.9)  # seconds between clips
LOUD, FLOOR = 0.08, 3e-4  # RMS of the speech and of the room
LAST = 12.0  # seconds: the picture is taken while the actor speaks within them
COLUMNS, ROWS = 84, 26
THEME = TerminalTheme(
    (17, 19, 24),
    (222, 226, 230),
    [(17, 19, 24), (229, 72, 77), (62, 178, 97), (234, 179, 8), (59, 130, 246), (177, 75, 224), (6, 182, 212), (222, 226, 230)],
    [(122, 130, 143), (229, 72, 77), (62, 178, 97), (234, 179, 8), (59, 130, 246), (177, 75, 224), (6, 182, 212), (255, 255, 255)],
)


def compose() -> np.ndarray:
    """float32 [n]: the clips, one after another, trimmed to the speech and equally loud, over the hiss of a room."""
    clips = read_split("ravdess", "test")
    actor = min(clip.speaker for clip in clips)
    rng = np.random.default_rng(0)
    parts = [np.zeros(SAMPLE_RATE, np.float32)]
    used: dict[str, int] = {}
    for label, count in SPOKEN:
        if label is None:
            parts.append(np.zeros(count * SAMPLE_RATE, np.float32))
            continue
        own = [clip for clip in clips if clip.speaker == actor and clip.label == label]
        for _ in range(count):
            samples = read_audio(own[used.get(label, 0) % len(own)].path)
            used[label] = used.get(label, 0) + 1
            loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
            speech = samples[max(int(loud[0]) - 800, 0) : int(loud[-1]) + 800]
            pause = np.zeros(round(rng.uniform(*PAUSE) * SAMPLE_RATE), np.float32)
            parts += [speech * np.float32(LOUD / np.sqrt(np.mean(speech**2))), pause]
    clean = np.concatenate(parts)
    return np.clip(clean + rng.normal(0, FLOOR, len(clean)), -1, 1).astype(np.float32)


@contextmanager
def listened_to(microphone: VirtualMicrophone) -> Iterator[None]:
    """PortAudio in this process hears the virtual microphone."""
    names = ("XDG_RUNTIME_DIR", "PULSE_SERVER")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: microphone.environment[name] for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def hear(samples: np.ndarray) -> LiveState:
    """What the screen knows when the actor speaks the last words."""
    recognizer = Recognizer.load("default", accelerator="cpu")
    state = LiveState()
    with TemporaryDirectory() as folder, VirtualMicrophone() as virtual, listened_to(virtual):
        path = Path(folder) / "actor.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        microphone = Microphone(find_device("default", list_devices()))
        stream = recognizer.stream(source=microphone.name, language="en")
        player = virtual.play(path)
        end = threading.Timer(len(samples) / SAMPLE_RATE + 5.0, microphone.stop)
        end.start()
        for event in recognize_source(microphone, [stream]):
            state.take(event)
            if isinstance(event, EmotionEvent) and worth_a_picture(event, len(samples) / SAMPLE_RATE):
                break
        end.cancel()
        microphone.close()
        player.kill()
        player.wait()
    return state


def worth_a_picture(event: EmotionEvent, seconds: float) -> bool:
    """Speech near the end, of the stable emotion, with words that are certain and words that are not yet."""
    settled = event.label == event.stable_label and event.label not in (None, "uncertain")
    return event.end > seconds - LAST and settled and bool(event.text) and bool(event.text_pending)


def draw(state: LiveState, labels: tuple[str, ...], picture: Path, columns: int, rows: int) -> None:
    """Write the screen of that moment as a PNG."""
    console = Console(file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor", legacy_windows=False)
    console.size = ConsoleDimensions(columns, rows)
    for line in frame(state, Look.of(console, labels), console, columns, rows):
        console.print(line, no_wrap=True)
    drawn = console.export_svg(title="streamser listen", theme=THEME)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
    assert box is not None
    width, height = (math.ceil(float(side)) for side in box.groups())
    with TemporaryDirectory() as folder:
        page = Path(folder) / "listen.svg"
        page.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")  # fonts of this machine alone
        photograph(page, picture, width, height, scale=1.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, default=PICTURE, metavar="FILE.png", help="(%(default)s)")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="of the terminal (%(default)s)")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the terminal (%(default)s)")
    args = parser.parse_args()
    lacking = missing()
    if lacking:
        raise SystemExit(f"no virtual microphone can be had: {lacking}")
    labels = Recognizer.load("default", accelerator="cpu").ensemble.labels
    draw(hear(compose()), labels, args.picture, args.columns, args.rows)
    print(f"wrote {args.picture}")


if __name__ == "__main__":
    main()
