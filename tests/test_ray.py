"""`recognize --engine ray` on two nodes of this machine: the results of a local run, whatever happens to a node."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import streamser
from streamser.cli.main import main
from streamser.errors import AudioError, StreamserError
from streamser.events import SummaryEvent
from streamser.sinks.jsonl import JsonLines
from tests.quiet_worker import DeadlyRecognizer
from tests.recordings import tone, write_wav
from tests.test_cli_bad_input import one_line

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

SPOKEN = Path(str(files("pytest_audioeval") / "samples" / "audio" / "en"))
MARK = "STREAMSER_TEST_CLUSTER"
linux = pytest.mark.skipif(sys.platform != "linux", reason="a cluster of several nodes on one machine, and /proc")
# Soon, instead of after half a minute.
NOTICE_A_LOSS = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head and another node, a CPU each; nothing of them is left afterwards."""
    os.environ[MARK] = str(os.getpid())
    from streamser.cluster.nodes import quiet_ray

    quiet_ray()
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 80_000_000}
    two = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False, "_system_config": NOTICE_A_LOSS})
    session = Path(two.head_node.get_session_dir_path())
    two.add_node(**size)
    try:
        yield two
    finally:
        two.shutdown()
        left = marked_processes()
        for process in left:
            os.kill(process, signal.SIGKILL)
        del os.environ[MARK]
        shutil.rmtree(session, ignore_errors=True)
        assert not left


def marked_processes() -> list[int]:
    """Processes, other than this one, that were started for the cluster and are there 20 seconds later."""
    until = time.monotonic() + 20
    while True:
        left = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={os.getpid()}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    left.append(int(process.name))
            except OSError:
                continue
        left = [process for process in left if process != os.getpid()]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.2)


def comparable(path: Path) -> str:
    return re.sub(r'"real_time_factor":[0-9.e-]+', "", path.read_text())


@linux
def test_nothing_is_lost_or_there_twice(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that is broken off, and the same with --resume while a node is killed; a damaged file is among them."""
    folder = tmp_path / "calls"
    (folder / "more").mkdir(parents=True)
    for number, sample in zip(range(10), cycle(sorted(SPOKEN.glob("*.wav"))), strict=False):
        shutil.copy(sample, folder / f"{number}.wav")
    (folder / "5 damaged.wav").write_text("words " * 200)
    samples = tone(1.5, 16_000)
    samples[::7] = np.nan
    write_wav(folder / "more" / "strange.wav", samples, 16_000, "f32")
    shutil.copy(SPOKEN / "hello_world.wav", folder / "more" / "\udcff.wav")
    local, ray = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    assert main(["recognize", str(folder), "-o", str(local)]) == 1
    expected = capsys.readouterr().err
    assert len(expected.splitlines()) == 2  # of the damaged file, and of the strange samples

    write = JsonLines.write

    def break_off(sink: JsonLines, event: Any) -> None:
        if event.source.endswith("1.wav"):
            raise KeyboardInterrupt
        write(sink, event)

    command = ["recognize", str(folder), "--engine", "ray", "--address", cluster.address, "-o", str(ray)]
    monkeypatch.setattr(JsonLines, "write", break_off)
    assert main(command) == 130
    monkeypatch.setattr(JsonLines, "write", write)
    before = ray.stat().st_size
    assert 0 < before < local.stat().st_size / 5

    def kill() -> None:
        while ray.stat().st_size == before:
            time.sleep(0.05)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert main([*command, "--resume"]) == 1
    killer.join()
    captured = capsys.readouterr()
    said = captured.err.splitlines()
    assert [line for line in said if "of the cluster is lost" not in line] == expected.splitlines()
    assert len(said) == 3
    assert captured.out == ""
    assert comparable(ray) == comparable(local)
    assert not list(tmp_path.glob("*.checkpoint"))


@linux
def test_what_is_wrong_with_one_recording_or_one_node_is_said(cluster: Cluster, tmp_path: Path) -> None:
    from streamser.cluster.nodes import connected
    from streamser.cluster.results import recognized

    good = write_wav(tmp_path / "good.wav", tone(1.0, 16_000), 16_000)
    deadly = shutil.copy(good, tmp_path / "deadly.wav")
    with good.open("rb") as file, connected(cluster.address):
        os.dup2(file.fileno(), 900)  # a file that this process can read, and others cannot
        paths = [str(good), str(deadly), "/proc/self/fd/900", str(tmp_path / "missing.wav"), str(good)]
        ends = []
        for events in recognized(paths, DeadlyRecognizer, {}, "mix"):  # type: ignore[arg-type]
            try:
                ends.append(list(events)[-1])
            except AudioError as error:
                ends.append(str(error))
        os.close(900)
    first, died, unreadable, missing, last = ends
    assert isinstance(first, SummaryEvent)
    assert first.end == 1.0
    assert first == last
    assert died == f"{deadly}: given up: its worker died 3 times, as where memory runs out"
    assert re.fullmatch(r"/proc/self/fd/900: no such file on node [0-9.]+, though here it is: .*", str(unreadable))
    assert missing == f"{tmp_path / 'missing.wav'}: no such file"


@linux
def test_nodes_that_would_give_other_results_are_refused(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamser.cluster.nodes import check_nodes, connected
    from streamser.packs.resolve import find_pack

    shutil.copytree(find_pack("default").folder, tmp_path / "packs" / "mine")
    with connected(cluster.address):
        check_nodes("default")
        monkeypatch.setattr(streamser, "__version__", "0.0.9")
        with pytest.raises(StreamserError, match=r"node [0-9.]+ has streamser .*, here it is 0\.0\.9: install the same"):
            check_nodes("default")
        monkeypatch.undo()
        monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
        with pytest.raises(StreamserError, match=r"node [0-9.]+: no pack 'mine'.* on every node"):
            check_nodes("mine")


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["recognize", "a.wav", "--engine", "ray"]) == 1
    assert "pip install 'streamser[ray]'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.wav", "--engine", "spark"], 2, "invalid choice: 'spark'"),
        (["a.wav", "--address", "auto"], 2, "give --engine ray with it"),
        (["-", "--engine", "ray"], 2, "cannot read standard input"),
        (["a.wav", "--engine", "ray", "--accelerator", "cuda"], 2, "leave --accelerator cuda out"),
        (["a.wav", "--engine", "ray", "--address", "10.0.0.1"], 2, "is not auto or HOST:PORT"),
        (["a.wav", "--engine", "ray", "--address", "ray://10.0.0.1:10001"], 2, "ray:// cannot be used"),
        (["a.wav", "--engine", "ray", "--address", "localhost:1"], 1, "no Ray cluster answers at localhost:1"),
    ],
)
def test_wrong_usage(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", *arguments]) == code
    assert message in one_line(capsys.readouterr().err)
