"""Recordings that the tests make themselves."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WAV_DTYPES = {"u8": "<u1", "s16": "<i2", "s32": "<i4", "f32": "<f4", "f64": "<f8"}


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    """float64 [n], amplitude 0.5."""
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write_wav(path: Path, samples: np.ndarray, rate: int, encoding: str = "s16", declared: int | None = None) -> Path:
    """Write float samples [n] or [n, channels] as u8, s16, s24, s32, f32 or f64; `declared` forges the data chunk's size."""
    samples = samples if samples.ndim == 2 else samples[:, None]
    if encoding == "s24":
        wide = np.round(samples * (2**23 - 1)).astype("<i4")
        data = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        size = 3
    else:
        dtype = np.dtype(WAV_DTYPES[encoding])
        if encoding == "u8":
            samples = np.round(samples * 127) + 128
        elif dtype.kind == "i":
            samples = np.round(samples * (2.0 ** (8 * dtype.itemsize - 1) - 1))
        data, size = samples.astype(dtype).tobytes(), dtype.itemsize
    channels = samples.shape[1]
    kind = 3 if encoding.startswith("f") else 1
    format_chunk = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * size, channels * size, 8 * size)
    declared = len(data) if declared is None else declared
    body = b"WAVEfmt " + struct.pack("<I", 16) + format_chunk + b"data" + struct.pack("<I", declared) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def encode(path: Path, codec: str, rate: int, samples: np.ndarray, skip: Callable[[int], int] | None = None) -> Path:
    """Encode float samples [n] with PyAV; `skip` moves a frame's time stamp, as lost packets do."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        length = stream.codec_context.frame_size or 1024
        for start in range(0, len(samples), length):
            block = np.ascontiguousarray(samples[None, start : start + length].astype(np.float32))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + (skip(start) if skip else 0)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path
