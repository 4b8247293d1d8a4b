"""A recogniser for a benchmark, and where each of its networks really runs."""

from __future__ import annotations

from typing import Any

import onnxruntime

from streamser import Recognizer
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
    """`cpu` or `cuda` for every network: by the providers of its sessions, Whisper's decoder by CTranslate2's device."""
    features = recognizer.features
    owners: dict[str, Any] = {
        "voice_activity": features.voice_activity,
        "whisper": features.whisper,
        "pitch": features.pitch,
        "spectral": features.spectral,
        "text": features.text,
        "fusion": recognizer.ensemble,
    }
    places = {name: _place(owner) for name, owner in owners.items()}
    return {**places, "whisper_decoder": str(features.whisper._model.model.device)}


def _place(owner: object) -> str:
    """Of the sessions that an object holds: `cuda` where all of them are there."""
    sessions = [value for value in vars(owner).values() if isinstance(value, onnxruntime.InferenceSession)]
    if not sessions:
        raise TypeError(f"{type(owner).__name__} holds no session of onnxruntime")
    return "cuda" if all(session.get_providers()[0] == "CUDAExecutionProvider" for session in sessions) else "cpu"
