"""Clips as the systems hear them: float32, mono, 16 kHz, whatever they were recorded as."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.clock import SAMPLE_RATE
from streamser.errors import AudioError


def read_audio(path: Path) -> np.ndarray:
    """A clip as float32 mono at 16 kHz.

    The corpora at hand are in that form and are read as they are. Anything else (other rates, several channels, MP4, MP3)
    goes the runtime's own way, so that training hears what the runtime would: mean of the channels, resampled.

    Raises:
        SystemExit: missing, not audio, cut off, or (in another form than 16 kHz mono) shorter than 0.1 s.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate == SAMPLE_RATE and file.channels == 1:
                return np.asarray(file.read(dtype="float32"))
    except soundfile.LibsndfileError:
        pass  # a missing file, or a format that only FFmpeg knows
    try:
        source = open_file(path)
    except AudioError as error:
        raise SystemExit(str(error)) from None
    try:
        blocks = [piece.samples[:, 0] for piece in source if isinstance(piece, Block)]
    except AudioError as error:
        raise SystemExit(str(error)) from None
    finally:
        source.close()
    return np.concatenate(blocks).astype(np.float32, copy=False)


def seconds_of(path: Path) -> float:
    """The length of a clip, from its header where that has it.

    Raises:
        SystemExit: as `read_audio`.
    """
    import soundfile

    try:
        information = soundfile.info(str(path))
        return float(information.frames / information.samplerate)
    except soundfile.LibsndfileError:
        pass
    try:
        source = open_file(path)
    except AudioError as error:
        raise SystemExit(str(error)) from None
    seconds = source.seconds
    source.close()
    return len(read_audio(path)) / SAMPLE_RATE if seconds is None else seconds
