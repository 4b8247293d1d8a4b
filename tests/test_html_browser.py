"""The page in a browser: it draws, plays, obeys the keyboard, asks nothing of the network, and no text in it does anything."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser.events import Event, GapEvent
from streamser.sinks.html import HtmlPage
from tests.conftest import LABELS
from tests.page_events import EVIL, stamp, talk
from tests.recordings import tone, write_wav

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser; skips where there is none, unless STREAMSER_REQUIRE_CHROMIUM=1."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None and os.environ.get("STREAMSER_REQUIRE_CHROMIUM") == "1":
        pytest.fail(f"STREAMSER_REQUIRE_CHROMIUM=1, but none of {', '.join(NAMES)} is installed")
    if path is None:
        pytest.skip("no Chromium (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Opened:
    """A page, and what went on in it that should not."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": 1100, "height": 900}, **options)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait(self, script: str, most: float = 10.0) -> None:
        """Until it is true; Playwright's own waiting evaluates strings in the page, which its policy forbids."""
        deadline = time.monotonic() + most
        while not self.value(script):
            assert time.monotonic() < deadline, f"never became true: {script}"
            self.page.wait_for_timeout(30)

    def click_at(self, seconds: float, row: int = 3) -> None:
        """Click on a row where that moment is, with the whole recording in view."""
        box = self.page.locator("#chart canvas").nth(row).bounding_box()
        self.page.mouse.click(box["x"] + box["width"] * seconds / 12.0, box["y"] + box["height"] / 2)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "call #1.wav", tone(12.0, 8000), 8000)


def make(path: Path, events: list[Event], labels: tuple[str, ...] = LABELS) -> Path:
    sink = HtmlPage(str(path), False, labels)
    for event in events:
        sink.write(event)
    sink.close()
    return path


def test_it_draws_and_plays_and_obeys_the_keyboard(chromium: Any, recording: Path, tmp_path: Path) -> None:
    opened = Opened(chromium, make(tmp_path / "o.html", talk(source=str(recording))))
    page = opened.page
    opened.wait("audio.readyState >= 1")
    assert page.locator("#chart canvas").count() == 7
    assert page.locator(".lanes span").all_inner_texts() == [*LABELS, "uncertain", "no speech"]
    pixels = """(i) => { const { canvas } = rows[i];
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(new Uint32Array(data.buffer)).size; }"""
    assert all(page.evaluate(pixels, row) > 1 for row in range(7))
    assert page.locator(".said .words").all_inner_texts() == ["So, why?", "So, why?"]

    opened.click_at(8.0)
    opened.wait("!audio.paused && audio.currentTime > 8")
    page.keyboard.press(" ")  # the click has put the focus on the chart
    opened.wait("audio.paused")
    assert 7.9 < opened.value("audio.currentTime") < 12
    page.wait_for_selector(".said.now")
    page.keyboard.press("Home")
    assert opened.value("moment") == 0
    page.keyboard.press("ArrowRight")
    opened.wait("Math.abs(audio.currentTime - 2) < 0.01")
    page.keyboard.press("ArrowDown")
    assert opened.value("moment") == 6.0
    assert page.locator("#chart").get_attribute("aria-valuetext") == "0:06, neutral"
    page.keyboard.press("+")
    assert opened.value("view.to - view.from") == pytest.approx(7.2)
    page.keyboard.press("0")
    assert opened.value("view.to - view.from") == 12

    page.locator(".said").first.click()
    opened.wait("!audio.paused && audio.currentTime < 4")
    assert opened.complaints == []
    assert all(address.startswith("file:") for address in opened.asked)


def test_dragging_and_the_wheel_zoom(chromium: Any, recording: Path, tmp_path: Path) -> None:
    opened = Opened(chromium, make(tmp_path / "o.html", talk(source=str(recording))))
    page = opened.page
    box = page.locator("#chart canvas").nth(3).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 20, steps=4)
    page.mouse.up()
    assert opened.value("[view.from, view.to]") == pytest.approx([3, 9], abs=0.05)
    assert opened.value("audio.paused")
    page.locator("#whole").click()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.wheel(0, -50)  # scrolls the page
    assert opened.value("view.to - view.from") == 12
    page.keyboard.down("Control")
    page.mouse.wheel(0, -50)
    opened.wait("view.to - view.from < 11")
    assert opened.complaints == []


def test_texts_and_names_do_nothing(chromium: Any, tmp_path: Path) -> None:
    labels, source = ("neutral", EVIL), f"{EVIL.replace('/', '')}.wav"
    path = make(tmp_path / "o.html", talk(source=source, labels=labels, text=EVIL), labels)
    opened = Opened(chromium, path)
    assert opened.page.locator(".said .words").first.inner_text() == EVIL
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script").count() == 2
    assert opened.complaints == []
    assert opened.asked == [path.as_uri()]
    # Even a script that got in somehow would not run.
    opened.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken = 1\">')")
    opened.page.wait_for_timeout(100)
    assert opened.value("window.broken") is None
    assert any("Content Security Policy" in text for text in opened.complaints)


def test_it_says_when_it_cannot_be_heard(chromium: Any, tmp_path: Path) -> None:
    strange = tmp_path / "call.xyz"
    strange.write_bytes(np.random.default_rng(0).bytes(5000))
    opened = Opened(chromium, make(tmp_path / "a.html", talk(source=str(strange))))
    opened.page.wait_for_selector("#silent:not([hidden])")
    assert "call.xyz cannot be played" in opened.page.locator("#silent").inner_text()
    assert not opened.page.locator("#audio").is_visible()
    opened.click_at(8.0)
    assert opened.value("moment") == pytest.approx(8.0, abs=0.05)
    opened = Opened(chromium, make(tmp_path / "b.html", talk(source="-")))
    assert "no file" in opened.page.locator("#silent").inner_text()
    assert opened.complaints == []


def test_channels_gaps_phones_the_dark_and_paper(chromium: Any, tmp_path: Path) -> None:
    gap = GapEvent(**stamp(3.0, 4.5, source="-", channel=1), reason="source", lost_seconds=1.5)
    path = make(tmp_path / "o.html", [*talk(source="-", channels=2), gap])
    opened = Opened(chromium, path, color_scheme="dark")
    assert opened.page.locator(".channel").all_inner_texts() == ["Channel 1", "Channel 2"]
    assert opened.page.locator(".said").count() == 4
    opened.value("goTo(3.5)")
    assert "Channel 2 audio was lost" in opened.page.locator("#readout").inner_text()
    dark = opened.value("getComputedStyle(document.body).backgroundColor")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.value("getComputedStyle(document.body).backgroundColor") != dark
    opened.wait("theme.paper === '#fff'")
    assert not opened.page.locator("#player").is_visible()
    opened.value("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.get_by_text("Article 5(1)(f)").is_visible()
    opened.page.emulate_media(media="screen")
    opened.page.set_viewport_size({"width": 360, "height": 740})
    opened.wait("document.documentElement.scrollWidth <= 360")
    assert opened.complaints == []
