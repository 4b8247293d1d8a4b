"""A Ray cluster, joined quietly, and whether its nodes can do the work."""

from __future__ import annotations

import logging
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamser import __version__
from streamser.errors import StreamserError, UsageError

log = logging.getLogger(__name__)

LOCAL = "local"  # Ray's word for a cluster of this machine alone, made and ended with the command
LOCAL_STORE = 200_000_000  # bytes that a local cluster keeps for results on their way
JOINING = 5.0  # seconds; Ray itself tries a wrong address for minutes
WATCH_EVERY = 2.0  # seconds


@dataclass(frozen=True)
class Node:
    id: str
    address: str
    cpus: int


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Start Ray on this machine, or join it at an address; at the end it is left again, and what was started ends.

    Until then what is printed goes nowhere: Ray prints its nodes' complaints to standard output, which is for results. An
    `Output` that was opened before keeps the real one.

    Args:
        address: of a running cluster that this machine is a node of, `auto` or HOST:PORT; None takes RAY_ADDRESS, and
            where that is not set starts Ray on this machine alone.

    Raises:
        StreamserError: Ray is not installed, or the cluster cannot be joined.
    """
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    ray = quiet_ray()
    own = {"include_dashboard": False, "object_store_memory": LOCAL_STORE} if address == LOCAL else {}
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with silent_standard_error():  # a line of Ray's C++ about its own log
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except (OSError, RuntimeError, ValueError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise StreamserError(f"no Ray cluster could be joined at {address}: {reason}") from error
        try:
            with watched():
                yield
        finally:
            ray.shutdown()


def quiet_ray() -> Any:
    """The module `ray`, with Ray Data loaded, reporting to nobody.

    Raises:
        StreamserError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # or a thread of Ray Data may start a second cluster while the first is left
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of what its C++ writes to standard error
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise StreamserError(f"--engine ray needs Ray ({error}): pip install 'streamser[ray]', or '.[ray]' in a clone") from error
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL + 1)  # its log files stay
    return ray


def check_address(address: str | None) -> None:
    """Whether something answers there, before any work; what None means, `connected` says.

    Raises:
        UsageError: not an address that a driver can join.
        StreamserError: nothing answers.
    """
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UsageError(
            f"--address {address} is not auto or HOST:PORT, as in 10.0.0.1:6379 (run on a machine of the cluster; "
            "ray:// cannot be used)"
        )
    try:
        socket.create_connection((host, int(port)), JOINING).close()
    except (OSError, OverflowError) as error:
        raise StreamserError(f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or error}") from error


def living_nodes() -> list[Node]:
    """Those with CPUs."""
    import ray

    nodes = (Node(n["NodeID"], n["NodeManagerAddress"], int(n["Resources"].get("CPU", 0))) for n in ray.nodes() if n["Alive"])
    return [node for node in nodes if node.cpus]


def check_nodes(pack: str) -> None:
    """Ask every node whether it would give the results that this machine gives.

    Args:
        pack: a name, or an absolute path.

    Raises:
        StreamserError: a node without streamser, with another version of it, or without this very pack.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    # Within this function, so that it travels by value: where streamser is missing, it could not be imported.
    def look() -> tuple[str, bytes] | str:
        try:
            from streamser import __version__
            from streamser.errors import StreamserError
            from streamser.packs.manifest import MANIFEST_FILE
            from streamser.packs.resolve import find_pack
        except ImportError as error:
            return f"streamser cannot be imported ({error})"
        try:
            return __version__, (find_pack(pack, verify=False).folder / MANIFEST_FILE).read_bytes()
        except StreamserError as error:
            return str(error)

    here = look()
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = [(node, task.options(scheduling_strategy=On(node.id, soft=False)).remote()) for node in living_nodes()]
    for node, answer in asked:
        try:
            there = ray.get(answer)
        except ray.exceptions.RayError as error:
            log.warning("node %s did not answer: %s", node.address, str(error).strip().splitlines()[0])
            continue
        if isinstance(there, str):
            raise StreamserError(f"node {node.address}: {there}: install streamser {__version__} and its packs on every node")
        if there[0] != here[0]:
            raise StreamserError(
                f"node {node.address} has streamser {there[0]}, here it is {here[0]}: install the same on every node"
            )
        if there[1] != here[1]:
            raise StreamserError(f"node {node.address} has another pack {pack!r} than this machine: copy the same to every node")


@contextmanager
def silent_standard_error() -> Iterator[None]:
    """File descriptor 2 leads nowhere meanwhile."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def watched() -> Iterator[None]:
    """Meanwhile, say it when a node is lost."""
    over = threading.Event()
    known = {node.id: node for node in living_nodes()}

    def watch() -> None:
        left = dict(known)
        while not over.wait(WATCH_EVERY):
            alive = {node.id for node in living_nodes()}
            for lost in [node for node in left.values() if node.id not in alive]:
                del left[lost.id]
                log.warning("node %s of the cluster is lost: what it was at is begun again elsewhere", lost.address)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
