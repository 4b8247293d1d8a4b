"""The blocks of train.systems: graph attention against its literal form and its memory, F0 as nodes, CED in a system."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamser.features.quantised_f0 import F0Quantiser
from tests.published_ced import SIZE, random_network
from tests.small_systems import SMALL, WIDTHS, assert_close, config, example, infer, literal
from train.spectral.published import PUBLISHED_SIZES
from train.systems.config import FusionConfig
from train.systems.graph_attention import GraphAttention, GraphAttention2, GraphLayers
from train.systems.prosody import interpolated, quantised
from train.systems.spectral_branch import LEAST_TRUNCATED, truncated
from train.systems.system import System, parameter_count


@pytest.fixture(autouse=True)
def _seed(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setitem(PUBLISHED_SIZES, "tiny", SIZE)


# Graph attention


def test_separable_graph_attention_is_the_literal_one():
    layer = GraphAttention(12).double()
    x = torch.randn(2, 9, 12, dtype=torch.double) * 3
    assert_close(layer(x), literal(layer, x), 1e-12)


@pytest.mark.parametrize("heads", [1, 4])
def test_graph_attentions_are_torch_geometrics_on_the_full_graph(heads):
    from torch_geometric import nn as geometric

    nodes, width = 9, 12
    x = torch.randn(nodes, width) * 2
    edges = torch.cartesian_prod(torch.arange(nodes), torch.arange(nodes)).T
    settings = {"heads": heads, "bias": False, "add_self_loops": False}
    ours, theirs = GraphAttention(width, heads), geometric.GATConv(width, width // heads, **settings)
    ours2, theirs2 = GraphAttention2(width, heads), geometric.GATv2Conv(width, width // heads, **settings)
    with torch.no_grad():
        theirs.lin.weight.copy_(ours.weight.weight)
        theirs.att_src.copy_(ours.sender.reshape(1, heads, -1))
        theirs.att_dst.copy_(ours.receiver.reshape(1, heads, -1))
        theirs2.lin_l.weight.copy_(ours2.send.weight)
        theirs2.lin_r.weight.copy_(ours2.receive.weight)
        theirs2.att.copy_(ours2.attention.reshape(1, heads, -1))
    assert_close(ours(x[None])[0], theirs(x, edges))
    assert_close(ours2(x[None])[0], theirs2(x, edges))


@pytest.mark.parametrize("kind", [GraphAttention, GraphAttention2])
def test_blocks_of_receivers_change_nothing_forward_or_backward(kind):
    layer = kind(12, 4)
    mask = torch.ones(2, 11, dtype=torch.bool)
    mask[1, 6:] = False
    found = []
    for block in (10**6, 12 * 11 * 2 * 3):
        layer.block = block
        layer.zero_grad()
        x = torch.randn(2, 11, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = layer(x, mask)
        (out * mask[:, :, None]).square().sum().backward()
        found.append([out.detach(), x.grad, *(value.grad.clone() for value in layer.parameters())])
    for whole, part in zip(*found, strict=True):
        assert_close(part, whole)


def memory(name: str) -> float:
    """VmRSS, what the process has now, or VmHWM, its most, in MB."""
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024


def peak_of(work: Callable[[], object]) -> float:
    """The most memory that work takes beyond what there is, in MB."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures through /proc")
def test_graph_attention_of_30_s_stays_under_a_gigabyte():
    frames = torch.randn(1, 1500, 512, requires_grad=True)  # 30 s at 50 Hz
    mask = torch.ones(1, 1500, dtype=torch.bool)
    one, eight = (GraphLayers(FusionConfig(graph_heads=heads)) for heads in (1, 8))
    assert peak_of(lambda: one(frames, mask).sum().backward()) < 500
    assert peak_of(lambda: eight(frames, mask).sum().backward()) < 1000
    second = GraphLayers(FusionConfig(graph_attention="gatv2"))
    with torch.inference_mode():
        assert peak_of(lambda: second(frames[:, :800], mask[:, :800])) < 500  # its pairs at once would be 1300 MB
        # The literal form at a fifth of the length shows that the measure measures: 370 MB for the pairs alone.
        assert peak_of(lambda: literal(GraphAttention(512), frames[:, :300])) > 300


def test_graph_layers_without_residual_lose_the_nodes_and_with_it_keep_them():
    x = torch.randn(1, 50, 16)
    for residual in (False, True):
        layers = GraphLayers(replace(SMALL, graph_layers=3, graph_residual=residual))
        nodes = layers(x, None).detach()
        assert (float(nodes.std(1).mean()) > 0.5) == residual


# Prosody


@pytest.mark.parametrize("settings", [(), (64, 65.0, 500.0, 0), (512, 50.0, 1100.0, 1)])
def test_tokens_are_those_of_the_runtimes_quantiser(settings):
    quantiser = F0Quantiser(*settings)
    f0 = np.concatenate([np.linspace(0, 1300, 20_001), [-3.0, np.nan, 50.0, 1100.0]]).astype(np.float32)
    assert np.array_equal(quantised(torch.from_numpy(f0), quantiser).numpy(), quantiser.encode(f0))


def test_unvoiced_frames_lie_on_lines_between_voiced_ones():
    rng = np.random.default_rng(0)
    f0 = np.where(rng.random((40, 30)) < 0.6, 0, rng.uniform(60, 400, (40, 30))).astype(np.float32)
    f0[3] = 0
    lengths = rng.integers(1, 31, 40)
    mask = np.arange(30) < lengths[:, None]
    found = interpolated(torch.from_numpy(f0), torch.from_numpy(mask)).numpy()
    for row, length in enumerate(lengths):
        at = np.flatnonzero(f0[row, :length])
        expected = np.interp(np.arange(length), at, f0[row, at]) if len(at) else np.zeros(length)
        np.testing.assert_allclose(found[row, :length], expected, rtol=1e-5)
        assert not found[row, length:].any()


@pytest.mark.parametrize(("is_interpolated", "unvoiced"), [(True, 1), (False, 0)])
def test_padding_has_the_last_token_and_unvoiced_frames_what_the_setting_says(is_interpolated, unvoiced):
    prosody = System(config(SMALL, f0_interpolated=is_interpolated, f0_bins=64), WIDTHS).prosody
    assert prosody.table.weight.shape == (65, 16)
    found = prosody(torch.zeros(1, 3), torch.tensor([[True, True, False]]), True)[0]
    assert torch.equal(found, prosody.table.weight[[unvoiced, unvoiced, 64]])


# CED


def test_truncation_leaves_at_least_three_seconds_and_changes_half_of_the_rows():
    rows = [torch.arange(80_000.0)] * 200 + [torch.arange(40_000.0)]
    found = truncated(rows)
    shortened = [row for row in found[:-1] if len(row) < 80_000]
    assert len(found[-1]) == 40_000
    assert 60 < len(shortened) < 140
    assert min(map(len, shortened)) >= LEAST_TRUNCATED
    assert all(torch.equal(row, torch.arange(row[0], row[0] + len(row))) for row in shortened)


def test_pretrained_ced_gives_its_own_embedding_and_frozen_never_changes(tmp_path):
    published = random_network()
    torch.save(published.state_dict(), tmp_path / "ced.pt")
    batch = example(3)
    for spectral in ("ced-pretrained", "ced-frozen"):
        settings = config(replace(SMALL, masked=True), spectral=spectral, ced_weights=str(tmp_path / "ced.pt"))
        system = System(settings, WIDTHS)
        branch = system.spectral.eval()
        with torch.inference_mode():
            expected = published(branch.mel(batch["samples"])).embedding
            assert_close(branch.embed(list(batch["samples"])), expected)
        before = {name: value.clone() for name, value in branch.network.state_dict().items()}
        optimiser = torch.optim.SGD([value for value in system.parameters() if value.requires_grad], lr=0.1)
        system.train()(batch).square().sum().backward()
        optimiser.step()
        same = [torch.equal(value, before[name]) for name, value in branch.network.state_dict().items()]
        assert all(same) == (spectral == "ced-frozen")
        ced = sum(value.numel() for value in branch.network.parameters())
        assert parameter_count(system, trainable=False) - parameter_count(system) == (ced if spectral == "ced-frozen" else 0)
        # A trained system is built again without its checkpoint.
        again = System(replace(settings, features=replace(settings.features, ced_weights="")), WIDTHS, pretrained=False)
        again.load_state_dict(system.state_dict())
        assert_close(infer(again, batch), infer(system, batch), 0.0)
