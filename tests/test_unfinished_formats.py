"""What a killed run leaves behind can be read, and gone on with; what is made at the end is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamser.errors import StreamserError
from streamser.events import Event
from streamser.sinks.output import FinishedFile
from tests.format_readers import CALL, LINES, READERS, line_sink, sink_of, written
from tests.told import lost, together, told


def test_what_is_made_at_the_end_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "o.TextGrid"
    sink = sink_of("textgrid", path)
    for event in CALL[:-1]:
        sink.write(event)
    assert list(tmp_path.iterdir()) == []
    sink.close()  # interrupted: no summary
    assert list(tmp_path.iterdir()) == []
    path.write_text("precious")
    with pytest.raises(StreamserError, match=r"exists.*--force"):
        FinishedFile(str(path))
    with pytest.raises(UnicodeError), FinishedFile(str(path), force=True).writing() as file:
        file.write("half" + b"\xff".decode())
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
    with FinishedFile(str(path), force=True).writing() as file:
        file.write("whole")
        file.flush()
        assert path.read_text() == "precious"
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_file_is_refused_at_once_where_it_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(StreamserError, match="cannot be written: no such file or directory"):
        FinishedFile(str(tmp_path / "none" / "o.html"))
    with pytest.raises(StreamserError, match="is no file"):
        FinishedFile("/dev/null", force=True)
    assert Path("/dev/null").exists()


def test_a_finished_file_replaces_what_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    with FinishedFile(str(tmp_path / "link.html"), force=True).writing() as file:
        file.write("new")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "new"


def long_call() -> list[Event]:
    agent = told([*[("neutral", 6.0, "so & so --> so"), ("anger", 5.0, "oh"), (None, 3.0, "")] * 12])
    customer = told([(None, 2.0, ""), *[("fear", 3.0, "no"), (None, 4.0, "")] * 20], channel=1)
    return together([*agent[:9], lost(3.0, 0.5), *agent[9:]], customer)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", LINES)
def test_what_a_killed_run_leaves_is_a_prefix_that_can_be_read(name: str, channels: int, tmp_path: Path) -> None:
    events = [event for event in long_call() if event.channel < channels]
    path = tmp_path / f"o.{name}"
    sink = line_sink(name, path)
    lengths = [0]
    for event in events:
        sink.write(event)
        lengths.append(path.stat().st_size)
    sink.close()
    whole = path.read_bytes()
    everything = READERS[name](whole.decode(), path)
    cut = tmp_path / f"cut.{name}"
    for length in sorted(set(lengths)):
        cut.write_bytes(whole[:length])
        found = READERS[name](whole[:length].decode(), cut)
        assert found == everything[: len(found)]
    assert len({*lengths}) > 15  # it was written as it came, not at the end
    assert lengths[len(events) // 2] > len(whole) // 5


@pytest.mark.parametrize("name", LINES)
def test_a_killed_run_goes_on_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    events = long_call()
    whole = written(name, tmp_path / "whole", events)
    for stop in range(0, len(events), 17):
        before = line_sink(name, tmp_path / f"before{stop}")
        for event in events[:stop]:
            before.write(event)
        kept = json.dumps(before.state())
        before.close()
        after = line_sink(name, tmp_path / f"after{stop}")
        after.restore(json.loads(kept))
        for event in events[stop:]:
            after.write(event)
        after.close()
        parts = [tmp_path / f"before{stop}", tmp_path / f"after{stop}"]
        assert "".join(part.read_bytes().decode() for part in parts if part.exists()) == whole
