"""A recording on one self-contained page: made at the end, opened from the disk, asking nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from streamser import __version__
from streamser.audio.file import is_address
from streamser.events import Event
from streamser.sinks.html_track import Track
from streamser.sinks.names import STANDARD_INPUT, file_name
from streamser.sinks.output import FinishedFile
from streamser.sinks.palette import colours, letters, readable_on
from streamser.sinks.wording import NOTES, printable
from streamser.timeline import UNCERTAIN

SCRIPTS = ("data.js", "view.js", "chart.js", "controls.js")  # one after another, as one script
ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class HtmlPage:
    """A sink of one recording. The page is written by `close` if every channel came to its end; else nothing is.

    Args:
        path: of the page.
        force: whether an existing file may be overwritten.
        labels: those that may come out.

    Raises:
        StreamserError: the page exists and `force` is not set, or it cannot be written.
    """

    def __init__(self, path: str, force: bool, labels: Sequence[str]) -> None:
        self._file = FinishedFile(path, force)
        self._folder = Path(os.path.realpath(path)).parent
        self._labels = tuple(labels)
        self._names = (*self._labels, UNCERTAIN)
        self._source = ""
        self._tracks: dict[int, Track] = {}

    def write(self, event: Event) -> None:
        self._source = event.source
        if event.channel not in self._tracks:
            self._tracks[event.channel] = Track(self._labels, self._names)
        self._tracks[event.channel].take(event)

    def close(self) -> None:
        if not self._tracks or not all(track.ended for track in self._tracks.values()):
            return
        with self._file.writing() as file:
            file.write(page(self._data()))
        self._tracks.clear()

    def _data(self) -> dict[str, Any]:
        colour, letter = colours(self._labels), letters(self._names)
        return {
            "name": printable(file_name(self._source)),
            "audio": beside(self._source, self._folder),
            "version": __version__,
            "names": [
                {"name": printable(name), "colour": colour[name], "ink": readable_on(colour[name]), "letter": letter[name]}
                for name in self._names
            ],
            "channels": [track.packed(channel) for channel, track in sorted(self._tracks.items())],
        }


def page(data: dict[str, Any]) -> str:
    """The page around the data. Nothing runs on it but the script below, which a hash tells from any other."""
    style, script = asset("page.css"), "\n".join(asset(name) for name in SCRIPTS)
    media = "'self' file:" if data["audio"] else "'none'"
    policy = "; ".join(
        (
            "default-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            f"script-src {source_hash(script)}",
            f"style-src {source_hash(style)}",
            f"media-src {media}",
        )
    )
    return Template(asset("page.html")).substitute(
        name=html.escape(data["name"]),
        note=html.escape(NOTES[0]),
        version=html.escape(data["version"]),
        policy=policy,
        style=style,
        script=script,
        data=embedded(data),
    )


def embedded(data: dict[str, Any]) -> str:
    """JSON that may stand in a page: no text in it can end the element that it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(ESCAPES)


def beside(source: str, folder: Path) -> str | None:
    """A recording's address seen from a page in that folder, or None where it is no file."""
    if source == STANDARD_INPUT or is_address(source) or not Path(source).is_file():
        return None
    path = os.path.realpath(source)
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive, on Windows
        return Path(path).as_uri()
    # "./", so that a name like `data:x` stays a name.
    return quote("./" + relative.replace(os.sep, "/"), errors="surrogateescape")


def source_hash(text: str) -> str:
    """What a content security policy calls an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def asset(name: str) -> str:
    return (files("streamser.sinks") / "assets" / name).read_text(encoding="utf-8")
