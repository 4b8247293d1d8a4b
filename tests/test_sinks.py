"""What each format carries, and how outputs behave."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from streamser.errors import StreamserError
from streamser.events import (
    EmotionEvent,
    Event,
    GapEvent,
    SummaryEvent,
    TransitionEvent,
    UtteranceEvent,
)
from streamser.sinks.csv import CsvRows
from streamser.sinks.jsonl import JsonLines
from streamser.sinks.output import Output
from tests.conftest import LABELS

STAMP = {"source": "a,b.wav", "channel": 0, "seq": 0}
SILENT = EmotionEvent(
    **STAMP,
    start=0.0,
    end=0.5,
    window_start=0.0,
    state="no_speech",
    label=None,
    stable_label=None,
    confidence=None,
    probabilities=None,
    arousal=None,
    text_probabilities=None,
    text="",
    text_pending="",
    pitch_hz=None,
    level_db=None,
    latency=None,
)
SPOKEN = EmotionEvent(
    **STAMP,
    start=59.5,
    end=60.0,
    window_start=56.0,
    state="speech",
    label="anger",
    stable_label="anger",
    confidence=0.71,
    probabilities={label: 0.71 if label == "anger" else 0.04 for label in LABELS},
    arousal=0.83,
    text_probabilities=None,
    text='I said "no"',
    text_pending=", für immer",
    pitch_hz=231.4,
    level_db=-23.4,
    latency=0.42,
)
TRANSITION = TransitionEvent(**STAMP, start=11.0, end=11.0, from_label="neutral", to_label="anger")
UTTERANCE = UtteranceEvent(
    **STAMP,
    start=9.8,
    end=14.1,
    label="anger",
    confidence=0.66,
    probabilities={},
    text="I told you, 日本.",
    language="en",
    words=None,
)
GAP = GapEvent(**STAMP, start=40.0, end=40.36, reason="overflow", lost_seconds=0.36)
SUMMARY = SummaryEvent(
    **STAMP,
    start=0.0,
    end=3700.0,
    seconds={"anger": 21.5, "no_speech": 60.0},
    utterances=31,
    gaps=1,
    lost_seconds=0.36,
    latency={"median": 0.4, "p95": 0.6, "p99": 0.7, "worst": 0.9},
)
ALL: list[Event] = [SILENT, TRANSITION, SPOKEN, UTTERANCE, GAP, SUMMARY]


def test_json_lines_carry_every_event(tmp_path: Path) -> None:
    sink = JsonLines(Output(str(tmp_path / "o.jsonl")))
    for count, event in enumerate(ALL, 1):
        sink.write(event)
        assert len((tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()) == count  # flushed
    sink.close()
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["type"] for line in lines] == ["emotion", "transition", "emotion", "utterance", "gap", "summary"]
    assert (lines[1]["from"], lines[1]["to"]) == ("neutral", "anger")
    assert lines[2]["probabilities"]["anger"] == 0.71
    assert lines[3]["text"] == "I told you, 日本."


def test_names_that_are_no_text_stay_valid_json(tmp_path: Path) -> None:
    sink = JsonLines(Output(str(tmp_path / "o.jsonl")))
    sink.write(GapEvent(source="\udcff.wav", channel=0, seq=0, start=0, end=1, reason="source", lost_seconds=1))
    sink.close()
    assert json.loads((tmp_path / "o.jsonl").read_bytes())["source"] == "\udcff.wav"


def test_csv_has_a_row_a_step_and_a_column_a_label(tmp_path: Path) -> None:
    sink = CsvRows(Output(str(tmp_path / "o.csv")), LABELS)
    for event in ALL:
        sink.write(event)
    sink.close()
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert [name for name in rows[0] if name.startswith("probability_")] == [f"probability_{label}" for label in LABELS]
    assert rows[0]["source"] == "a,b.wav"
    assert rows[0]["state"] == "no_speech"
    assert rows[0]["label"] == rows[0]["probability_anger"] == ""
    assert (rows[1]["text"], rows[1]["probability_anger"], rows[1]["pitch_hz"]) == ('I said "no"', "0.71", "231.4")
    assert [row["level_db"] for row in rows] == ["", "-23.4"]


def test_an_existing_output_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text("precious\n")
    with pytest.raises(StreamserError, match=r"exists.*--force"):
        Output(str(path))
    forced = Output(str(path), force=True)
    assert path.read_text() == "precious\n"  # until there is something to write
    forced.write_line("new")
    forced.close()
    assert path.read_text() == "new\n"


def test_an_output_that_got_nothing_is_not_left_behind(tmp_path: Path) -> None:
    Output(str(tmp_path / "o.jsonl")).close()
    assert not (tmp_path / "o.jsonl").exists()


def test_an_output_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StreamserError, match="cannot be written: no such file or directory"):
        Output(str(tmp_path / "missing" / "o.jsonl"))
    with pytest.raises(StreamserError, match="cannot be written: is a directory"):
        Output(str(tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said() -> None:
    with pytest.raises(StreamserError, match="/dev/full cannot be written: no space left"):
        Output("/dev/full").write_line("x")
