"""Recordings out to the nodes by Ray Data, their events back in the order of the recordings."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from streamser.audio.file import check_file
from streamser.audio.pieces import Channels
from streamser.cluster.nodes import living_nodes
from streamser.cluster.worker import Attempts, Worker
from streamser.errors import AudioError, StreamserError
from streamser.events import Event, from_json
from streamser.recognizer import Recognizer

log = logging.getLogger(__name__)

CPUS = 0.5  # claimed by an actor, which uses about one: those of lost nodes find room on what is left of the cluster
MEMORY = 1_000_000_000  # bytes claimed by an actor


def recognized(
    paths: Sequence[str], load: Callable[[], Recognizer], options: dict[str, Any], channels: Channels
) -> Generator[Iterator[Event]]:
    """The events of each recording, in the order of `paths`, once Ray is connected.

    Args:
        paths: files and addresses, as events shall call them; files must be there on every node.
        load: opens the recogniser, once an actor.
        options, channels: of every stream.

    Yields:
        One iterator a path. It raises AudioError, after the events that there are, where a local run would, where the
        file is not on the node that should read it, and where a recording's worker died again and again.

    Raises:
        StreamserError: the cluster failed as a whole.
    """
    import ray
    import ray.data
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    here = On(ray.get_runtime_context().get_node_id(), soft=False)
    attempts = ray.remote(num_cpus=0)(Attempts).options(scheduling_strategy=here).remote()
    size = max(1, min(sum(node.cpus for node in living_nodes()), len(paths)))
    rows = [{"index": index, "path": os.fsencode(path)} for index, path in enumerate(paths)]
    # One recording a block: what is tried again, and what comes back as soon as it is done.
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Worker,
        fn_constructor_args=(load, options, channels, str(Path.cwd()), attempts),
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
        num_cpus=CPUS,
        memory=MEMORY,
    )
    dataset.context.execution_options.preserve_order = True
    dataset.context.execution_no_progress_timeout_s = -1  # a recording of ten hours is no hang
    dataset.context.enable_progress_bars = False
    try:
        with closing(iter(dataset.iter_rows())) as rows:
            for path, row in zip(paths, rows, strict=True):
                yield events_of(path, row)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise StreamserError(f"the Ray cluster failed: {reason} (`ray status` and Ray's logs say more)") from error


def events_of(path: str, row: dict[str, Any]) -> Iterator[Event]:
    """What `Worker` made of a recording: its warnings, its events, and its error as it would have come locally."""
    report = json.loads(row["report"])
    for warning in report["warnings"]:
        log.warning("%s", warning)
    with gzip.open(io.BytesIO(row["lines"]), "rt", encoding="utf-8", errors="surrogatepass", newline="\n") as lines:
        yield from map(from_json, lines)
    if report["unreadable"]:
        check_file(path, path)  # raises what a local run says of a file that is bad here too
        raise AudioError(f"{report['error']} on node {report['node']}, though here it is: every node must have it at the same path")
    if report["error"] is not None:
        raise AudioError(report["error"])
