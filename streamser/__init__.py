"""Streaming speech emotion recognition. Importing this package loads no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamser.errors import StreamserError
    from streamser.recognizer import Recognizer, Stream
    from streamser.speaker_history import SpeakerStatistics

__all__ = ["Recognizer", "SpeakerStatistics", "Stream", "StreamserError"]
__version__ = "0.8.0"


def __getattr__(name: str) -> Any:
    if name in ("Recognizer", "Stream"):
        from streamser import recognizer

        return getattr(recognizer, name)
    if name == "SpeakerStatistics":
        from streamser.speaker_history import SpeakerStatistics

        return SpeakerStatistics
    if name == "StreamserError":
        from streamser.errors import StreamserError

        return StreamserError
    raise AttributeError(f"module 'streamser' has no attribute {name!r}")
