"""Pages as pictures, through headless Chromium (Debian: apt install chromium)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LIMIT = 60.0  # seconds


def photograph(page: Path, picture: Path, width: int, height: int, scale: float = 2.0) -> None:
    """Draw an HTML or SVG file as a PNG with a transparent background.

    Args:
        page: the file.
        picture: the PNG; overwritten.
        width, height: of the window, in CSS pixels.
        scale: pixels of the picture a CSS pixel.

    Raises:
        SystemExit: no browser, or it drew nothing.
    """
    browser = browser_path()
    picture.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command += [f"--window-size={width},{height}", f"--force-device-scale-factor={scale}"]
        command += ["--default-background-color=00000000", f"--screenshot={picture.resolve()}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode or not picture.is_file():
        raise SystemExit(f"{browser} drew nothing: {done.stderr.strip()[-500:]}")


def browser_path() -> str:
    """The first browser there is.

    Raises:
        SystemExit: there is none.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"the picture needs one of {', '.join(BROWSERS)} (Debian: apt install chromium)")
    return browser
