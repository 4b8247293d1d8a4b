"""Packs: reading, hashing, resolving; Whisper's files joined, checked and equal to CTranslate2's encoder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamser.errors import PackError
from streamser.packs.decoder_weights import WEIGHTS_FILE as DECODER_WEIGHTS_FILE
from streamser.packs.manifest import COMPONENTS, HistorySettings, WordSettings, read_pack
from streamser.packs.resolve import INSTALLED, find_pack
from streamser.packs.whisper import GRAPH_FILES, resolve_whisper
from streamser.packs.whisper_weights import WEIGHTS_FILE, read_variables
from streamser.sessions import open_session

LIMIT = 40_000_000


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INSTALLED / "default", tmp_path / "copy"))


def change(folder: Path, **fields: object) -> None:
    path = folder / "pack.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_the_default_pack_is_whole_and_small() -> None:
    pack = find_pack("default")
    assert set(pack.components) == set(COMPONENTS)
    assert pack.size <= LIMIT
    assert pack.licence == "CC BY-NC-SA 4.0"
    assert (pack.folder / "MODEL_CARD.md").is_file()


def test_a_pack_is_found_by_folder(copy: Path) -> None:
    assert find_pack(copy).folder == copy


def test_an_unknown_pack_names_the_known_ones() -> None:
    with pytest.raises(PackError, match=r"no pack 'nonesuch'.*default"):
        find_pack("nonesuch")


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"is not a pack: it has no pack\.json"):
        find_pack(tmp_path)


def test_an_altered_file(copy: Path) -> None:
    path = copy / "fusion.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(PackError, match=r"fusion\.onnx is not the file that pack\.json names"):
        read_pack(copy)


def test_a_missing_file(copy: Path) -> None:
    (copy / "pitch.onnx").unlink()
    with pytest.raises(PackError, match=r"lacks its file pitch\.onnx"):
        read_pack(copy)


def test_another_schema(copy: Path) -> None:
    change(copy, schema=99)
    with pytest.raises(PackError, match="has schema 99; this streamser reads schema 1"):
        read_pack(copy)


def test_a_missing_field(copy: Path) -> None:
    change(copy, whisper={})
    with pytest.raises(PackError, match=r"is incomplete: KeyError"):
        read_pack(copy)


def test_words_without_settings_are_left_to_the_fusion(copy: Path) -> None:
    fields = json.loads((copy / "pack.json").read_text())
    fields.pop("words", None)
    (copy / "pack.json").write_text(json.dumps(fields))
    assert read_pack(copy).words == WordSettings(weight=0.0, in_fusion=True)
    change(copy, words={"weight": 0.2, "in_fusion": False, "prior": {"anger": 0.1}})
    assert read_pack(copy).words == WordSettings(weight=0.2, prior={"anger": 0.1}, in_fusion=False)


@pytest.mark.parametrize(
    "words", [{"weight": -1}, {"weight": "much"}, {"temperature": 0}, {"in_fusion": "no"}, {"prior": {"anger": 0}}]
)
def test_settings_of_words_that_make_no_sense(copy: Path, words: dict[str, object]) -> None:
    change(copy, words=words)
    with pytest.raises(PackError, match=r"is incomplete: ValueError"):
        read_pack(copy)


def test_a_pack_of_before_remembers_no_voices_and_has_no_prior(copy: Path) -> None:
    fields = json.loads((copy / "pack.json").read_text())
    for name in ("history", "prior"):
        fields.pop(name, None)
    (copy / "pack.json").write_text(json.dumps(fields))
    assert (read_pack(copy).history, read_pack(copy).prior) == (None, {})
    change(copy, history={"floor": 0.25, "voice_threshold": 1.5}, prior={"neutral": 1.2})
    assert (read_pack(copy).history, read_pack(copy).prior) == (HistorySettings(0.25, 1.5), {"neutral": 1.2})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"history": {"floor": 0.25}}, "KeyError at 'voice_threshold'"),
        ({"history": {"floor": 1.5, "voice_threshold": 1.0}}, "history: a floor of 1.5"),
        ({"history": {"floor": 0.25, "voice_threshold": 0}}, "with a voice_threshold of 0"),
        ({"prior": {"joy": 1.0}}, "prior: joy is none of the labels"),
        ({"prior": {"anger": float("inf")}}, "prior: offsets of"),
    ],
)
def test_a_history_or_a_prior_that_makes_no_sense(copy: Path, fields: dict[str, object], message: str) -> None:
    change(copy, **fields)
    with pytest.raises(PackError, match=message):
        read_pack(copy)


def test_no_json(copy: Path) -> None:
    (copy / "pack.json").write_text("{")
    with pytest.raises(PackError, match="cannot be read"):
        read_pack(copy)


def test_a_component_cannot_point_outside(copy: Path) -> None:
    components = json.loads((copy / "pack.json").read_text())["components"]
    components["pitch"]["file"] = "../pitch.onnx"
    change(copy, components=components)
    with pytest.raises(PackError, match="outside the pack"):
        read_pack(copy)


def test_whisper_of_the_wrong_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    pack = find_pack("default")
    with pytest.raises(PackError, match="wrong hash after joining: reinstall"):
        resolve_whisper(replace(pack.whisper, sha256="0" * 64), pack.whisper_graphs)
    assert not any((tmp_path / "whisper").iterdir())


def test_whisper_without_its_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    pack = find_pack("default")
    with pytest.raises(PackError, match=r"the wheel no-such-wheel.*is not installed: pip install"):
        resolve_whisper(replace(pack.whisper, wheels=("no_such_wheel",)), pack.whisper_graphs)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path / "file"))
    pack = find_pack("default")
    with pytest.raises(PackError, match="cannot be written"):
        resolve_whisper(pack.whisper, pack.whisper_graphs)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, DECODER_WEIGHTS_FILE, "decoder.onnx"])
def test_a_damaged_joined_file_is_made_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    pack = find_pack("default")
    folder = resolve_whisper(pack.whisper, pack.whisper_graphs)
    size = (folder / name).stat().st_size
    (folder / name).write_bytes(b"short")
    assert resolve_whisper(pack.whisper, pack.whisper_graphs) == folder
    assert (folder / name).stat().st_size == size


def test_no_whisper_model(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x06\0\0\0\x05\0abcd\0")
    with pytest.raises(PackError, match="not a Whisper model"):
        list(read_variables(path, "encoder/"))
    path.write_bytes(b"\x06\0")
    with pytest.raises(PackError, match="cut short"):
        list(read_variables(path, "encoder/"))


def test_the_encoder_equals_ctranslate2s() -> None:
    import ctranslate2

    pack = find_pack("default")
    folder = resolve_whisper(pack.whisper, pack.whisper_graphs)
    mel = np.random.default_rng(0).normal(0, 0.5, (1, 80, 200)).astype(np.float32)
    first, second = (open_session(folder / name) for name in GRAPH_FILES[:2])
    model = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    onward = second.get_inputs()[0].name
    ours = second.run(None, {onward: first.run([onward], {"mel": mel})[0]})[0]
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True))
    assert np.abs(ours - theirs).max() < 2e-4 * np.abs(theirs).max()


def test_what_another_process_has_unpacked_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamser.packs import whisper

    pack = find_pack("default")
    monkeypatch.setenv("STREAMSER_CACHE", str(tmp_path))
    monkeypatch.setattr(whisper, "write_encoder_weights", lambda source, target: target.touch())
    monkeypatch.setattr(whisper, "write_decoder_weights", lambda source, target: target.touch())
    monkeypatch.setattr(whisper, "_join", lambda specification, work: (work / "model.bin").touch())
    first = resolve_whisper(pack.whisper, pack.whisper_graphs)
    (first / "opened").touch()
    looks = iter([False, True])  # not there at first; there when this process is done
    monkeypatch.setattr(whisper, "_is_current", lambda folder: next(looks))
    assert resolve_whisper(pack.whisper, pack.whisper_graphs) == first
    assert (first / "opened").exists()
    assert [path.name for path in first.parent.iterdir()] == [first.name]
