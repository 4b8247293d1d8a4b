"""A stream's state kept without audio: put into another stream, with the recording decoded again, it goes on to the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamser import Stream
from streamser.audio.pieces import Block, Lost, Piece
from streamser.audio.recollection import Passages, Position, recollected
from streamser.checkpoint import Checkpoint
from streamser.errors import StreamserError
from streamser.events import Event
from streamser.plain import flattened, restored
from streamser.stream_state import KEPT, passages, restore, snapshot
from tests.test_stream import EXAMPLE, RATE, comparable, read, recognizer

# Made anew when a stream is opened, by the owner's own snapshot, or of live streams alone.
NOT_KEPT = {
    "source",
    "channel",
    "settings",
    "_ensemble",
    "_judge",
    "_events",
    "_features",
    "_transcript",
    "_ring",
    "_pending",
    "_pending_length",
}
NOT_KEPT |= {"_said", "_live", "_shedding", "_passed_over", "_finished"}
LONGEST_UNHEARD = 300  # samples: arrays shorter than 20 ms say nothing of a sound


def fed(stream: Stream, piece: Piece) -> list[Event]:
    return stream.gap(piece.seconds, piece.reason) if isinstance(piece, Lost) else stream.feed(piece.samples[:, 0])


def broken_speech() -> list[Piece]:
    """The example with a short loss and a long one in its speech."""
    samples = read(EXAMPLE)
    pieces: list[Piece] = [Block(samples[start : start + 1600, None]) for start in range(0, len(samples), 1600)]
    return [*pieces[:33], Lost(0.7, "source"), *pieces[40:95], Lost(3.3, "source"), *pieces[110:]]


def kept(stream: Stream, position: Position, path: Path) -> Checkpoint:
    Checkpoint({}, [], position=position, channels=[snapshot(stream)]).save(path)
    return Checkpoint.load(path)


def gone_on(checkpoint: Checkpoint, pieces: list[Piece], **options: Any) -> Stream:
    assert checkpoint.position is not None
    stream = recognizer().stream(source="test", **options)
    heard = Passages(passages(stream, checkpoint.channels[0]))
    recollected(iter(pieces), checkpoint.position, "test", [heard])
    restore(stream, checkpoint.channels[0], heard.read)
    return stream


def inside(value: Any, seen: set[int]) -> Any:
    """Everything that a stream's own objects hold, for comparison; shared networks left out."""
    if type(value).__module__.startswith("streamser") and id(value) not in seen and hasattr(value, "__dict__"):
        apart = (
            "features",
            "_session",
            "_encoder",
            "_tracker",
            "_ensemble",
            "_whisper",
            "_pool",
            "_busy",
            "_heard",
        )
        return {name: inside(one, seen | {id(value)}) for name, one in vars(value).items() if name not in apart}
    if isinstance(value, dict):
        return {str(key): inside(one, seen) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    return repr(value)


def test_every_field_of_a_stream_is_kept_or_needs_not_be() -> None:
    assert set(vars(recognizer().stream())) == {*KEPT} | NOT_KEPT


def test_a_stream_goes_on_to_the_same_events_and_buffers(tmp_path: Path) -> None:
    pieces = broken_speech()
    whole = recognizer().stream(source="test")
    expected = comparable([event for piece in pieces for event in fed(whole, piece)] + whole.finish())
    assert {"gap", "utterance", "transition"} <= {event["type"] for event in expected}
    stream, position, events = recognizer().stream(source="test"), Position(), []
    for number, piece in enumerate(pieces):
        events += fed(stream, piece)
        position.pass_by(piece)
        if number in (0, 34, 71, 89, 95):  # in speech, after the short loss, and right after the long one
            again = gone_on(kept(stream, position, tmp_path / "c"), pieces)
            for part in ("_features", "_ring"):
                assert inside(getattr(again, part), set()) == inside(getattr(stream, part), set())
            stream = again
    assert comparable(events + stream.finish()) == expected


def test_another_recording_is_no_longer_the_same(tmp_path: Path) -> None:
    pieces = broken_speech()[:8]
    stream, position = recognizer().stream(source="test", transcript=False), Position()
    for piece in pieces:
        fed(stream, piece)
        position.pass_by(piece)
    checkpoint = kept(stream, position, tmp_path / "c")
    for others in (pieces[:7], [*pieces[:7], pieces[6]]):
        with pytest.raises(StreamserError, match="no longer sounds as it did"):
            gone_on(checkpoint, others, transcript=False)


def likeness(values: np.ndarray, samples: np.ndarray) -> float:
    """The largest correlation between a stretch of an array's values, in the order they lie, and any of the recording."""
    flat = np.nan_to_num(np.asarray(values, np.float64).ravel())
    best = 0.0
    for start in range(0, len(flat) - LONGEST_UNHEARD + 1, max(LONGEST_UNHEARD, (len(flat) - LONGEST_UNHEARD) // 20 or 1)):
        part = flat[start : start + LONGEST_UNHEARD] - flat[start : start + LONGEST_UNHEARD].mean()
        if not part.any():
            continue
        size = 1 << (len(samples) + LONGEST_UNHEARD).bit_length()
        cross = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(part, size)), size)[: len(samples) - LONGEST_UNHEARD]
        sums, squares = (np.concatenate([[0.0], np.cumsum(samples**power)]) for power in (1, 2))
        mean = (sums[LONGEST_UNHEARD:] - sums[:-LONGEST_UNHEARD])[:-1] / LONGEST_UNHEARD
        energy = (squares[LONGEST_UNHEARD:] - squares[:-LONGEST_UNHEARD])[:-1] - LONGEST_UNHEARD * mean**2
        heard = energy > 1e-6 * energy.max()
        norms = np.sqrt(np.maximum(energy[heard], 1e-30)) * np.linalg.norm(part)
        best = max(best, float(np.abs(cross[heard] / norms).max()))
    return best


def test_a_checkpoint_holds_no_audio(tmp_path: Path) -> None:
    samples = read(EXAMPLE)[: 9 * RATE + 1234]  # within speech and within a step
    stream = recognizer().stream(source="test")
    stream.feed(samples)
    path = tmp_path / "c"
    kept(stream, Position(1, len(samples), 0), path)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: array for name, array in file.items() if name != "state"}
        text = file["state"].tobytes().decode()
    allowed = {"f0", "columns", "voice.h", "voice.c", "pitch.state", "spectral.past", "statistics", "voice", "log_posterior", "sum"}
    allowed |= {"weight", "total", "steps", "begin"} | {"mean", "square", "seconds", "confidence", "arousal", "known"}
    for name in arrays:
        assert any(name.endswith((f".{one}", f"_{one}")) for one in allowed), name
    longer = {name: array for name, array in arrays.items() if array.size >= LONGEST_UNHEARD}
    assert {name.removeprefix("channels.0.") for name in longer} >= {"features.spectral.past", "features.pitch.state"}
    lists = flattened(stream._features.segmenter, "segmenter", {})
    numbers = [one for one in lists["dict"] if isinstance(one[1], list) and len(one[1]) > 50]
    wide = samples.astype(np.float64)
    assert likeness(0.3 * samples[40_000:40_400], wide) > 0.99  # audio would be found
    for name, array in [*longer.items(), *((key, np.array(values)) for key, values in numbers)]:
        assert likeness(array, wide) < 0.9, name
    assert path.stat().st_size < 1_200_000
    assert len(text) < 100_000


def test_plain_data_comes_back_as_it_was() -> None:
    arrays: dict[str, np.ndarray] = {}
    value = {"a": (1, [2.5, None, "x"]), 7: np.float32(0.1), "b": np.arange(3), "nan": float("nan")}
    back = restored(flattened(value, "v", arrays), arrays, {})
    assert back["a"] == (1, [2.5, None, "x"])
    assert back[7] == np.float32(0.1)
    assert back[7].dtype == np.float32
    assert back["b"].tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match=r"v\.b is of type Lock|v\.b is of type object"):
        flattened({"b": object()}, "v", {})


def test_a_damaged_checkpoint_is_said(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for content in (b"", b"PK\x03\x04 and no more", b"words"):
        path.write_bytes(content)
        with pytest.raises(StreamserError, match="no checkpoint that can be read"):
            Checkpoint.load(path)
