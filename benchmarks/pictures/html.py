"""The page of a recording, light and dark: RAVDESS's first test actor, many emotions, recognised from a file.

Run `python -m benchmarks.pictures html`. Needs the corpora, Chromium (Debian: apt install chromium) and the test extra; one minute.
`--jsonl` draws events that `streamser recognize` wrote instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.pictures.browser import browser_path
from benchmarks.pictures.listen import compose
from streamser.clock import SAMPLE_RATE
from streamser.events import Event, from_json
from streamser.recognizer import Recognizer
from streamser.sinks.html import HtmlPage

FOLDER = Path("docs/pictures")
WIDTH, HEIGHT = 1160, 1000  # CSS pixels
SCALE = 1.5
MOMENT = 50.4  # seconds: where the playhead stands
SETTLED = 1000  # milliseconds
COLOURS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="events to draw, rather than those of a new run")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for html-light.png and html-dark.png (%(default)s)")
    args = parser.parse_args()
    recognizer = Recognizer.load("default", accelerator="cpu")
    with TemporaryDirectory() as folder:
        recording, page = Path(folder) / "actor.wav", Path(folder) / "actor.html"
        soundfile.write(recording, compose(), SAMPLE_RATE)
        if args.jsonl:
            events: Iterable[Event] = map(from_json, args.jsonl.read_text(encoding="utf-8").splitlines())
        else:
            events = recognizer.recognize(str(recording), language="en")
        sink = HtmlPage(str(page), force=False, labels=recognizer.ensemble.labels)
        for event in events:
            event.source = str(recording)
            sink.write(event)
        sink.close()
        for scheme in ("light", "dark"):
            picture = args.folder / f"html-{scheme}.png"
            draw(page, picture, scheme)
            print(f"wrote {picture}, {picture.stat().st_size // 1000} kB")


def draw(page: Path, picture: Path, scheme: str) -> None:
    """The top of the page as a PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            device_scale_factor=SCALE,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        window.goto(page.as_uri())
        window.wait_for_timeout(SETTLED)
        window.evaluate(f"goTo({MOMENT})")
        window.wait_for_timeout(SETTLED)
        window.screenshot(path=picture)
        browser.close()
    with Image.open(picture) as drawn:
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)
