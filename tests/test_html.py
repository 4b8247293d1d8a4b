"""The page of a recording: what it holds, how large it grows, and that no text breaks out of it."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser.cli.main import main
from streamser.errors import StreamserError
from streamser.events import EmotionEvent, Event, GapEvent, SummaryEvent, TransitionEvent
from streamser.sinks.html import HtmlPage, beside
from streamser.sinks.html_track import MOST, Bins
from tests.conftest import LABELS
from tests.page_events import EVIL, stamp, steps, talk

HELLO = Path(__file__).parents[1] / "examples" / "hello.flac"


def data_of(page: Path) -> dict[str, Any]:
    """What the page carries."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def unpacked(text: str, dtype: str = "u1") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def write_page(path: Path, events: list[Event] | Iterator[Event], labels: tuple[str, ...] = LABELS) -> dict[str, Any]:
    sink = HtmlPage(str(path), False, labels)
    for event in events:
        sink.write(event)
    sink.close()
    return data_of(path)


def test_the_page_of_a_real_run_holds_what_the_events_say(tmp_path: Path) -> None:
    page, events = tmp_path / "hello.html", tmp_path / "hello.jsonl"
    assert main(["recognize", str(HELLO), "--format", "html", "-o", str(page)]) == 0
    assert main(["recognize", str(HELLO), "-o", str(events)]) == 0
    told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    data = data_of(page)
    assert data["name"] == "hello.flac"
    assert (page.parent / data["audio"]).resolve() == HELLO
    assert [one["name"] for one in data["names"]] == [*LABELS, "uncertain"]
    channel = data["channels"][0]
    said = [event for event in told if event["type"] == "utterance"]
    assert said
    assert [row[4] for row in channel["utterances"]] == [event["text"] for event in said]
    assert [data["names"][row[2]]["name"] for row in channel["utterances"]] == [event["label"] for event in said]
    every = [event for event in told if event["type"] == "emotion"]
    probabilities = unpacked(channel["probabilities"]).reshape(len(every), len(LABELS)) / 255
    pitch = unpacked(channel["pitch"], "<u2") / 10
    for event, shares, hertz in zip(every, probabilities, pitch, strict=True):
        expected = event["probabilities"] or dict.fromkeys(LABELS, 0.0)
        assert shares == pytest.approx([expected[label] for label in LABELS], abs=0.003)
        assert hertz == pytest.approx(event["pitch_hz"] or 0.0, abs=0.06)
    seconds = {name: value for _, name, value in channel["seconds"]}
    assert seconds == {name.replace("_", " "): value for name, value in told[-1]["seconds"].items() if value}


def test_text_and_names_cannot_break_out(tmp_path: Path) -> None:
    labels = ("neutral", EVIL)
    source = f"{EVIL.replace('/', '')}.wav"
    page = tmp_path / "o.html"
    data = write_page(page, talk(source=source, labels=labels, text=EVIL), labels)
    written = page.read_text(encoding="utf-8")
    assert "<script>alert" not in written
    assert "<img" not in written
    assert len(re.findall(r"</script", written, re.IGNORECASE)) == 2  # those of the template
    assert data["names"][1]["name"] == EVIL
    assert data["channels"][0]["utterances"][0][4] == EVIL
    assert f'<h1 dir="auto">{html.escape(source)}</h1>' in written


def test_only_its_own_script_may_run_and_nothing_is_fetched(tmp_path: Path) -> None:
    page = tmp_path / "o.html"
    write_page(page, talk(source="-"))
    written = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "media-src 'none'" in policy[1]  # standard input cannot be heard again
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!\$)", written)
    assert "http" not in re.sub(r"http-equiv", "", written)


def test_ten_hours_stay_small(tmp_path: Path) -> None:
    page = tmp_path / "o.html"
    data = write_page(page, steps(72_000))
    channel = data["channels"][0]
    speech, loudest = unpacked(channel["speech"]), unpacked(channel["loudest"])
    assert len(speech) == len(loudest) <= MOST
    assert channel["width"] * len(speech) == pytest.approx(36_000, abs=channel["width"])
    assert page.stat().st_size < 1_000_000
    # Half of it is silent, and what is loudest is kept through all joining: one step at -3 dB.
    assert np.mean(speech / 255) == pytest.approx(0.5, abs=0.01)
    assert loudest.max() == 1 + 2 * (120 - 3)


def test_joined_bins_are_the_mean_of_their_steps() -> None:
    bins = Bins(LABELS)
    every = [event for event in steps(2 * MOST) if isinstance(event, EmotionEvent)]
    for event in every:
        bins.add(event)
    packed = bins.packed()
    assert packed["width"] == 1.0
    angry = unpacked(packed["probabilities"]).reshape(-1, len(LABELS))[:, 1] / 255
    for i in (0, 7, MOST - 1):
        shares = [event.probabilities["anger"] for event in every[2 * i : 2 * i + 2] if event.probabilities]
        assert angry[i] == pytest.approx(np.mean(shares) if shares else 0.0, abs=0.003)


def test_a_step_of_another_length_lies_where_it_was(tmp_path: Path) -> None:
    events: list[Event] = [*steps(4, summary=False)]
    longer = next(steps(1, summary=False))
    longer.start, longer.end = 2.0, 2.75
    end = SummaryEvent(**stamp(0.0, 2.75))
    channel = write_page(tmp_path / "o.html", [*events, longer, end])["channels"][0]
    assert unpacked(channel["speech"]).tolist()[-2:] == [255, 128]


def test_changes_lie_where_the_transitions_date_them(tmp_path: Path) -> None:
    events = [*steps(20, summary=False, silences=False)]
    change = TransitionEvent(**stamp(6.2, 6.2), from_label="anger", to_label="sadness")
    data = write_page(tmp_path / "o.html", [*events, change, SummaryEvent(**stamp(0.0, 10.0))])
    stretches = unpacked(data["channels"][0]["stretches"], "<u4").reshape(-1, 3).tolist()
    assert stretches == [[0, 6200, LABELS.index("anger")], [6200, 10000, LABELS.index("sadness")]]


def test_lost_audio_and_channels_are_shown(tmp_path: Path) -> None:
    gap = GapEvent(**stamp(3.0, 5.5), reason="source", lost_seconds=2.5)
    other = [*steps(4)]
    for event in other:
        event.channel = 1
    data = write_page(tmp_path / "o.html", [gap, *other, *steps(20)])
    assert [channel["channel"] for channel in data["channels"]] == [0, 1]
    assert data["channels"][0]["gaps"] == [[3.0, 5.5, "source"]]


def test_an_unfinished_recording_leaves_nothing(tmp_path: Path) -> None:
    page = tmp_path / "o.html"
    sink = HtmlPage(str(page), False, LABELS)
    for event in steps(4, summary=False):
        sink.write(event)
    sink.close()
    assert list(tmp_path.iterdir()) == []
    page.write_text("precious")
    with pytest.raises(StreamserError, match="--force"):
        HtmlPage(str(page), False, LABELS)
    HtmlPage(str(page), True, LABELS).close()
    assert page.read_text() == "precious"


def test_the_recording_is_found_from_the_page(tmp_path: Path) -> None:
    recording = tmp_path / "data:x #1 100%.wav"
    recording.write_bytes(b"")
    (tmp_path / "pages").mkdir()
    assert beside(str(recording), tmp_path) == "./data%3Ax%20%231%20100%25.wav"
    assert beside(str(recording), tmp_path / "pages") == "./../data%3Ax%20%231%20100%25.wav"
    assert beside(str(tmp_path / "gone.wav"), tmp_path) is None
    assert beside("https://me:secret@example.org/x.wav", tmp_path) is None


def test_an_address_does_not_tell_its_password(tmp_path: Path) -> None:
    page = tmp_path / "o.html"
    assert write_page(page, talk(source="https://me:secret@example.org/x.wav"))["name"] == "x.wav"
    assert "secret" not in page.read_text(encoding="utf-8")


def test_a_name_that_is_no_text_is_written(tmp_path: Path) -> None:
    assert write_page(tmp_path / "o.html", talk(source="a\udcff.wav"))["name"] == "a\ufffd.wav"


def test_quiet_and_loud_survive_packing() -> None:
    bins = Bins(LABELS)
    first, second = steps(2, summary=False)
    assert isinstance(first, EmotionEvent)
    assert isinstance(second, EmotionEvent)
    first.level_db, second.level_db = -200.0, None
    bins.add(first)
    bins.add(second)
    assert unpacked(bins.packed()["loudest"]).tolist() == [1, 0]
    assert math.isclose(bins.packed()["width"], 0.5)
