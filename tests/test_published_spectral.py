"""CED as published: its outputs, recordings shorter and longer than 1012 frames, batches, the exported graph.

Networks are tiny and random. Parity with the reference implementations was compared outside the repository.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from export import __main__ as export_command
from export.published_spectral import largest_difference, write_graph
from streamser.errors import AudioError, PackError
from tests.published_ced import CLASSES, assert_close, hear, hugging_face_state, random_mel, random_network, write_config
from train.spectral.published import CHUNK_FRAMES, PUBLISHED_SIZES, Block, PublishedCed, PublishedSize


@pytest.fixture(scope="module")
def network() -> PublishedCed:
    return random_network()


def test_the_published_sizes_have_the_published_numbers_of_parameters() -> None:
    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    millions = {
        name: (count(PublishedCed(replace(size, depth=0))) + size.depth * count(Block(size))) / 1e6
        for name, size in PUBLISHED_SIZES.items()
    }
    assert millions == pytest.approx({"tiny": 5.5, "mini": 9.6, "small": 22.0, "base": 86.0}, rel=0.02)


def test_the_outputs_hang_together(network: PublishedCed) -> None:
    heard = hear(network, random_mel(100, batch=3))
    assert heard.tokens.shape == (3, 4 * 6, 32)
    assert_close(heard.embedding, heard.tokens.mean(1))
    with torch.no_grad():
        assert_close(heard.logits, network.outputlayer(heard.embedding))
    assert heard.logits.shape == (3, CLASSES)


def test_tokens_come_in_order_of_time_with_the_bands_of_a_patch_together() -> None:
    """Without blocks, a token depends on its own patch alone."""
    network = random_network(PublishedSize(32, 0, 2))
    mel = random_mel(64)
    changed = mel.clone()
    changed[:, 32:48, 16:32] += 10.0  # band 2 of the second patch in time
    moved = (hear(network, changed).tokens - hear(network, mel).tokens).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [4 * 1 + 2]


def test_a_short_recording_has_the_first_time_positions() -> None:
    network = random_network(PublishedSize(32, 0, 2))
    mel = random_mel(CHUNK_FRAMES)
    assert_close(hear(network, mel[..., :70]).tokens, hear(network, mel).tokens[:, :16])


def test_the_last_full_chunk_is_heard(network: PublishedCed) -> None:
    """The published code drops it when the length is an exact multiple of 1012."""
    mel = random_mel(2 * CHUNK_FRAMES)
    heard = hear(network, mel)
    assert heard.tokens.shape == (1, 2 * 252, 32)
    halves = [hear(network, half) for half in mel.split(CHUNK_FRAMES, dim=-1)]
    assert_close(heard.tokens, torch.cat([half.tokens for half in halves], dim=1))
    assert_close(heard.embedding, (halves[0].embedding + halves[1].embedding) / 2)
    assert (heard.logits - halves[0].logits).abs().max() > 0.01


@pytest.mark.parametrize("frames", [500, CHUNK_FRAMES, 2 * CHUNK_FRAMES, 2 * CHUNK_FRAMES + 90])
def test_the_clips_of_a_batch_do_not_mix(network: PublishedCed, frames: int) -> None:
    """The published Hugging Face code mixes them above 1012 frames."""
    mel = random_mel(frames, batch=3)
    heard = hear(network, mel)
    for clip in range(3):
        alone = hear(network, mel[clip : clip + 1])
        assert_close(heard.tokens[clip], alone.tokens[0])
        assert_close(heard.logits[clip], alone.logits[0])


def test_the_last_chunk_is_not_padded_and_counts_by_its_length(network: PublishedCed) -> None:
    """The published code fills it with zeros up to 1012 frames, and it counts as much as a full one."""
    mel = random_mel(CHUNK_FRAMES + 160)
    heard = hear(network, mel)
    first, last = hear(network, mel[..., :CHUNK_FRAMES]), hear(network, mel[..., CHUNK_FRAMES:])
    assert heard.tokens.shape == (1, 252 + 40, 32)
    assert_close(heard.tokens[:, 252:], last.tokens)
    assert_close(heard.embedding, (252 * first.embedding + 40 * last.embedding) / 292)
    assert (heard.embedding - (first.embedding + last.embedding) / 2).abs().max() > 0.01


def test_a_remainder_under_a_patch_changes_nothing(network: PublishedCed) -> None:
    mel = random_mel(CHUNK_FRAMES + 15)
    assert_close(hear(network, mel).logits, hear(network, mel[..., :CHUNK_FRAMES]).logits)


def test_under_a_patch_is_an_error(network: PublishedCed) -> None:
    with pytest.raises(AudioError, match=r"15 frames of 10 ms, fewer than the 16.*pad it"):
        hear(network, random_mel(15))


def test_the_graph_answers_as_the_network_for_any_batch_and_length(tmp_path: Path, network: PublishedCed) -> None:
    write_graph(network, tmp_path / "ced.onnx")
    assert largest_difference(network, tmp_path / "ced.onnx") < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "ced.onnx", providers=["CPUExecutionProvider"])
    mel = random_mel(333, batch=3)
    for value, expected in zip(session.run(None, {"mel": mel.numpy()}), hear(network, mel), strict=True):
        assert_close(torch.from_numpy(value), expected, 1e-4)


def test_a_graph_of_other_weights_is_not_kept(tmp_path: Path, network: PublishedCed) -> None:
    write_graph(network, tmp_path / "ced.onnx")
    other = random_network()
    with torch.no_grad():
        other.freq_pos_embed.add_(0.5 * torch.randn(other.freq_pos_embed.shape))
    with pytest.raises(PackError, match="parity failed"):
        largest_difference(other, tmp_path / "ced.onnx")


def test_the_command_exports_and_refuses(
    tmp_path: Path, network: PublishedCed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, output = tmp_path / "weights", tmp_path / "made" / "ced.onnx"
    weights.mkdir()
    save_file(hugging_face_state(network), weights / "model.safetensors")
    write_config(weights)
    command = ["export", "published-spectral", "--weights", str(weights), "--output", str(output)]
    monkeypatch.setattr("sys.argv", [*command, "--size", "tiny"])
    assert export_command.main() == 1
    said = capsys.readouterr().err
    assert "not the size tiny but one of width 32, 2 blocks and 2 heads" in said
    assert said.count("\n") == 1
    assert not output.exists()
    monkeypatch.setattr("sys.argv", command)
    assert export_command.main() == 0
    assert "parity" in capsys.readouterr().out
    assert [path.name for path in output.parent.iterdir()] == ["ced.onnx"]
