"""A recogniser for a benchmark, and where each of its networks really runs."""

from __future__ import annotations

from typing import Any

import onnxruntime

from streamser import Recognizer
from streamser.batching import BatchedSession
from streamser.binding import BoundSession
from streamser.errors import StreamserError

ON_CPU = ("voice_activity",)  # always: a frame is far too little work for a GPU


def load(pack: str, accelerator: str) -> Recognizer:
    """Load a pack, on `cuda` only where everything that can runs there.

    Raises:
        SystemExit: the pack cannot be had, or a network fell back to the CPU: such figures would not be CUDA's.
    """
    try:
        recognizer = Recognizer.load(pack, accelerator)
    except StreamserError as error:
        raise SystemExit(f"no figures: {error}") from error
    if accelerator == "cuda":
        require_cuda(placement(recognizer))
    return recognizer


def require_cuda(places: dict[str, str]) -> None:
    """Refuse where a network that was to run on CUDA does not.

    Raises:
        SystemExit: it names them.
    """
    fallen = [name for name, place in places.items() if place != "cuda" and name not in ON_CPU]
    if fallen:
        raise SystemExit(
            f"no figures for CUDA: {', '.join(fallen)} fell back to the CPU; `streamser check` says what is missing, "
            "and --accelerator cpu measures the CPU"
        )


def placement(recognizer: Recognizer) -> dict[str, str]:
    """`cpu` or `cuda` for every network: by the providers of its sessions, Whisper's decoder by its own word."""
    places = {name: _place(own) for name, own in sessions(recognizer).items()}
    return {**places, "whisper_decoder": str(recognizer.features.whisper.decoder.device)}


def batches(recognizer: Recognizer) -> dict[str, tuple[int, int]]:
    """For every network whose runs are joined over streams: runs asked for, and runs made, since it was loaded."""
    joined = {name: [one.gatherer for one in own if isinstance(one, BatchedSession)] for name, own in sessions(recognizer).items()}
    return {name: (sum(one.requests for one in own), sum(one.calls for one in own)) for name, own in joined.items() if own}


def mean_batches(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Runs that were joined in one on average, by network, between two `batches`; only those that ran."""
    counts = {name: [new - old for new, old in zip(after[name], before[name], strict=True)] for name in after}
    return {name: asked / made for name, (asked, made) in counts.items() if made}


def sessions(recognizer: Recognizer) -> dict[str, list[Any]]:
    """The sessions of every network."""
    features = recognizer.features
    owners: dict[str, Any] = {
        "voice_activity": features.voice_activity,
        "whisper": features.whisper,
        "pitch": features.pitch,
        "spectral": features.spectral,
        "text": features.text,
        "fusion": recognizer.ensemble,
    }
    kinds = (onnxruntime.InferenceSession, BatchedSession, BoundSession)
    found = {name: [value for value in vars(owner).values() if isinstance(value, kinds)] for name, owner in owners.items()}
    lacking = [type(owners[name]).__name__ for name, own in found.items() if not own]
    if lacking:
        raise TypeError(f"{', '.join(lacking)} holds no session of onnxruntime")
    return found


def _place(sessions: list[Any]) -> str:
    return "cuda" if all(session.get_providers()[0] == "CUDAExecutionProvider" for session in sessions) else "cpu"
