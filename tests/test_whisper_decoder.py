"""Whisper's decoder: the same words as CTranslate2's, its memory of silence, threads, and old packs."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel

from export.__main__ import main as export_main
from export.whisper_decoder import build_cross, build_decoder
from streamser.audio.file import open_file
from streamser.audio.pieces import Block
from streamser.features.ctranslate_decoder import CudaListening
from streamser.features.whisper import Whisper
from streamser.features.whisper_decoder import Decoder
from streamser.packs.decoder_weights import (
    EMBEDDINGS,
    PROJECTION,
    WEIGHTS_FILE,
    decoder_layout,
    decoder_shapes,
    scale_of,
)
from streamser.packs.manifest import DECODER_GRAPHS, MANIFEST_FILE, read_pack
from streamser.packs.resolve import find_pack
from streamser.packs.whisper import resolve_whisper
from streamser.packs.whisper_weights import read_variables

EXAMPLE = Path(__file__).parent.parent / "examples" / "hello.flac"
SAMPLES = Path(str(files("pytest_audioeval") / "samples" / "audio"))
LANGUAGES = ("en", "es", "fr", "it", "pl", "pt")
LIMIT = 200


@cache
def folder() -> Path:
    pack = find_pack("default")
    return resolve_whisper(pack.whisper, pack.whisper_graphs)


@cache
def whisper() -> Whisper:
    return Whisper(folder())


@cache
def silence() -> np.ndarray:
    return whisper().last(whisper().encode(np.zeros(30 * 16_000, np.float32)))


def decoder() -> Decoder:
    found = whisper().decoder
    assert isinstance(found, Decoder)
    return found


@cache
def states(path: Path, seconds: float = 8.0) -> np.ndarray:
    samples = np.concatenate([piece.samples[:, 0] for piece in open_file(path) if isinstance(piece, Block)])
    samples = samples[: round(seconds * 16_000)]
    return whisper().last(whisper().encode(np.pad(samples, (0, -len(samples) % 320))))


@cache
def reference() -> WhisperModel:
    return WhisperModel(str(folder()), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)


def theirs(heard: np.ndarray) -> CudaListening:
    """CTranslate2's decoder, in float32 on the CPU, on the same states."""
    import ctranslate2

    whole = np.concatenate([heard, silence()[len(heard) :]])[None]
    return CudaListening(reference(), ctranslate2.StorageView.from_array(whole), len(heard))


def written(listening: Any, language: str, penalty: float = 1.0) -> tuple[Any, Any]:
    found = listening.write(language, LIMIT, penalty)
    return found, listening.words(found.tokens, language)


def test_the_same_as_ctranslate2s() -> None:
    paths = [(language, path) for language in LANGUAGES for path in sorted((SAMPLES / language).glob("*.wav"))]
    tokens, expected, apart = [], [], []
    for language, path in paths[::2]:
        with decoder().listen(states(path)) as listening:
            ours, words = written(listening, language)
            languages = listening.language_log_probabilities()
        other = theirs(states(path))
        text, aligned = written(other, language)
        wanted = other.language_log_probabilities()
        assert languages.keys() == wanted.keys()
        assert np.allclose(*(np.exp([found[code] for code in wanted]) for found in (languages, wanted)), atol=0.1)
        assert ours.no_speech == pytest.approx(text.no_speech, abs=0.06)
        tokens.append(ours.tokens)
        expected.append(text.tokens)
        if ours.tokens == text.tokens:
            assert ours.log_probability == pytest.approx(text.log_probability, abs=0.05)
            assert [word.text for word in words] == [word.text for word in aligned]
            apart += [abs(a.start - b.start) for a, b in zip(words, aligned, strict=True)]
            assert np.allclose([word.probability for word in words], [word.probability for word in aligned], atol=0.15)
    assert sum(a == b for a, b in zip(tokens, expected, strict=True)) >= 0.7 * len(tokens)  # int8 moves a letter here and there
    assert np.median(apart) == 0
    assert np.mean(apart) < 0.02


@pytest.mark.parametrize("seconds", [8.0, 13.0])
def test_a_stretch_leaves_nothing_behind(seconds: float) -> None:
    fresh = Decoder(folder(), silence())
    short, long = states(EXAMPLE, 2.0), states(EXAMPLE, seconds)
    with fresh.listen(short) as listening:
        alone = written(listening, "en")
    with fresh.listen(long) as listening:
        other = written(listening, "en")
    with fresh.listen(short) as listening:
        assert written(listening, "en") == alone
    assert other != alone


def test_decodings_at_once_do_not_mix() -> None:
    stretches = [states(EXAMPLE, seconds) for seconds in (2.0, 4.0, 6.0, 8.0)]

    def decode(heard: np.ndarray) -> Any:
        with decoder().listen(heard) as listening:
            return written(listening, "en")

    alone = [decode(heard) for heard in stretches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(decode, stretches)) == alone


def test_asked_again_it_begins_again() -> None:
    with decoder().listen(states(EXAMPLE)) as listening:
        first = written(listening, "en")
        penalised = written(listening, "en", 1.5)
        assert penalised != first
        assert written(listening, "en") == first
    expected, _ = written(theirs(states(EXAMPLE)), "en", 1.5)
    assert penalised[0].tokens[:8] == expected.tokens[:8]


def test_a_mark_that_the_model_prefers_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with decoder().listen(states(EXAMPLE)) as listening:
        feed = listening._feed

        def prefers_a_language(token: int) -> np.ndarray:
            logits = feed(token).copy()
            logits[decoder().vocabulary.language_ids] += 100
            return logits

        monkeypatch.setattr(listening, "_feed", prefers_a_language)
        written = listening.write("en", 20, 1.0)
        assert written.tokens
        assert max(written.tokens) < decoder().vocabulary.end


def test_it_stops_at_the_limit() -> None:
    with decoder().listen(states(EXAMPLE)) as listening:
        whole = listening.write("en", LIMIT, 1.0)
        cut = listening.write("en", 5, 1.0)
        assert (cut.tokens, cut.ended) == (whole.tokens[:5], False)
        assert "".join(word.text for word in listening.words(cut.tokens, "en"))


def test_the_packs_graphs_are_the_exports() -> None:
    shapes = decoder_shapes(folder() / "model.bin")
    heads = [tuple(pair) for pair in json.loads((folder() / "config.json").read_text())["alignment_heads"]]
    graphs = find_pack("default").whisper_graphs[2:]
    for graph, model in zip(graphs, (build_cross(shapes), build_decoder(shapes, heads)), strict=True):
        assert graph.read_bytes() == model.SerializeToString()


def test_weights_in_int8_are_those_of_the_model() -> None:
    layout = decoder_layout(decoder_shapes(folder() / "model.bin"))
    data = np.memmap(folder() / WEIGHTS_FILE, np.uint8, "r")

    def stored(name: str) -> np.ndarray:
        place = layout[name]
        return data[place.offset : place.offset + place.nbytes].view(place.dtype).reshape(place.shape)

    name = "decoder/layer_2/ffn/linear_0/weight"
    arrays = dict(read_variables(folder() / "model.bin", "decoder/"))
    for weight, source in ((name, name), (PROJECTION, EMBEDDINGS)):
        back = stored(weight).T * stored(scale_of(weight))[:, None]
        assert np.all(np.abs(back - arrays[source]) <= 0.51 * stored(scale_of(weight))[:, None])
    assert np.array_equal(stored(EMBEDDINGS), arrays[EMBEDDINGS])
    memory = "decoder/layer_2/attention/linear_1/weight"
    assert np.array_equal(stored(memory), arrays[memory].T.astype(np.float32))


def test_a_pack_of_before_has_the_default_packs_decoder(tmp_path: Path) -> None:
    default = find_pack("default")
    old = tmp_path / "old"
    shutil.copytree(default.folder, old)
    fields = json.loads((old / MANIFEST_FILE).read_text())
    for name in DECODER_GRAPHS:
        (old / fields["components"].pop(name)["file"]).unlink()
    (old / MANIFEST_FILE).write_text(json.dumps(fields))
    graphs = read_pack(old).whisper_graphs
    assert [graph.name for graph in graphs] == [graph.name for graph in default.whisper_graphs]
    assert graphs[2:] == default.whisper_graphs[2:]
    assert graphs[0].parent == old


def test_a_model_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    for given, missing in (("none.bin", "none.bin"), ("model.bin", "config.json")):
        monkeypatch.setattr("sys.argv", ["export", "whisper", str(tmp_path / given)])
        assert export_main() == 1
        assert f"{missing}: no such file" in capsys.readouterr().err
