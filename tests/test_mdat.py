"""The fusion network: its graph attention against torch-geometric, its masks, and modalities that are absent."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from export.fusion import HISTORY, example_batch
from train.fusion.mdat import ChannelPooling, GraphAttention, Member, MemberConfig, masked_softmax
from train.fusion.members import as_tensors
from train.fusion.train import CONFIGURATIONS

SMALL = MemberConfig(width=16, heads=2, feed_forward=16, hidden=8)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def member(config: MemberConfig = SMALL) -> Member:
    return Member(config).eval()


def widened(batch: dict[str, np.ndarray], more: int) -> dict[str, np.ndarray]:
    """The same rows with masked nodes of rubbish behind the real ones."""
    rng = np.random.default_rng(5)
    wide = {name: batch[name] for name in ("heard", *HISTORY)}
    for name in ("whisper", "pitch", "spectral", "text"):
        values = batch[name]
        shape = (len(values), more, *values.shape[2:])
        rubbish = rng.integers(0, 200, shape) if name == "pitch" else rng.normal(size=shape) * 50
        wide[name] = np.concatenate([values, rubbish.astype(values.dtype)], 1)
        ages = rng.random((len(values), more)).astype(np.float32)
        wide[f"{name}_age"] = np.concatenate([batch[f"{name}_age"], ages], 1)
        wide[f"{name}_mask"] = np.concatenate([batch[f"{name}_mask"], np.zeros((len(values), more), bool)], 1)
    return wide


def test_graph_attention_is_gatconv_on_the_full_graph():
    from torch_geometric import nn as geometric

    nodes, width = 9, 12
    ours = GraphAttention(width)
    theirs = geometric.GATConv(width, width, heads=1, bias=False, add_self_loops=False)
    with torch.no_grad():
        theirs.lin.weight.copy_(ours.weight.weight)
        theirs.att_src[0, 0].copy_(ours.sender)
        theirs.att_dst[0, 0].copy_(ours.receiver)
    x = torch.randn(nodes, width)
    edges = torch.cartesian_prod(torch.arange(nodes), torch.arange(nodes)).T
    found = ours(x[None], torch.ones(1, nodes, dtype=torch.bool))[0]
    assert torch.allclose(found, theirs(x, edges), atol=1e-5)


def test_graph_attention_leaves_masked_nodes_out():
    layer = GraphAttention(6)
    x = torch.randn(1, 5, 6)
    mask = torch.tensor([[True, True, True, False, False]])
    assert torch.allclose(layer(x, mask)[:, :3], layer(x[:, :3], mask[:, :3]), atol=1e-6)


def test_masked_softmax_of_nothing_is_zero():
    assert torch.equal(masked_softmax(torch.randn(2, 3), torch.zeros(2, 3, dtype=torch.bool)), torch.zeros(2, 3))
    assert torch.equal(ChannelPooling(4)(torch.randn(1, 3, 4), torch.zeros(1, 3, dtype=torch.bool)), torch.zeros(1, 4))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_padded_batch_equals_the_rows_alone(name):
    network = member(CONFIGURATIONS[name])
    batch = example_batch(np.random.default_rng(1), rows=3)
    with torch.inference_mode():
        together = network(as_tensors(widened(batch, 6)))
        for row in range(3):
            alone = network(as_tensors({key: values[row : row + 1] for key, values in batch.items()}))
            assert torch.allclose(alone[0][0], together[0][row], atol=1e-4)
            assert torch.allclose(alone[1][0], together[1][row], atol=1e-4)


def test_the_order_of_nodes_does_not_matter_but_their_ages_do():
    network = member()
    batch = example_batch(np.random.default_rng(2), rows=1)
    for name in ("text", "pitch", "spectral"):
        batch[f"{name}_mask"][:] = True
    turned = {key: values if key in ("heard", *HISTORY) else values[:, ::-1].copy() for key, values in batch.items()}
    older = {**batch, "whisper_age": batch["whisper_age"][:, ::-1].copy()}
    with torch.inference_mode():
        found, same, other = (network(as_tensors(entry))[0] for entry in (batch, turned, older))
    assert torch.allclose(found, same, atol=1e-5)
    assert not torch.allclose(found, other, atol=1e-4)


def test_no_text_contributes_exactly_nothing():
    network = member()
    batch = as_tensors(example_batch(np.random.default_rng(3)))
    batch["text_mask"] = torch.zeros_like(batch["text_mask"])
    other = {**batch, "text": torch.randn_like(batch["text"]) * 100, "text_age": batch["text_age"] + 3}
    with torch.inference_mode():
        fused, fused_other = network.fused(batch)[0], network.fused(other)[0]
    width = network.config.width
    assert torch.equal(fused, fused_other)
    assert torch.equal(fused[:, width : 2 * width], torch.zeros(len(fused), width))


def test_text_matters_where_it_is():
    network = member()
    batch = as_tensors(example_batch(np.random.default_rng(3)))
    batch["text_mask"] = torch.ones_like(batch["text_mask"])
    with torch.inference_mode():
        found = network(batch)[0]
        other = network({**batch, "text": torch.randn_like(batch["text"])})[0]
    assert not torch.allclose(found, other, atol=1e-4)


def test_everything_absent_is_finite_and_so_are_the_gradients():
    network = Member(SMALL).train()
    batch = as_tensors(example_batch(np.random.default_rng(4)))
    for name in ("whisper", "pitch", "spectral", "text"):
        batch[f"{name}_mask"] = torch.zeros_like(batch[f"{name}_mask"])
    logits, arousal, intensity = network(batch)
    (logits.sum() + arousal.sum() + intensity.sum()).backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(value.grad).all() for value in network.parameters() if value.grad is not None)


def test_a_member_without_nodes_hears_statistics_alone():
    pooled = member(replace(SMALL, nodes=False, text=False))
    batch = example_batch(np.random.default_rng(3))
    with torch.inference_mode():
        first = pooled(as_tensors(batch))[0]
        reversed_nodes = batch | {
            "whisper": batch["whisper"][:, ::-1].copy(),
            "whisper_mask": batch["whisper_mask"][:, ::-1].copy(),
        }
        assert torch.allclose(pooled(as_tensors(reversed_nodes))[0], first, atol=1e-5)
        worded = batch | {"text": batch["text"] + 1}
        assert torch.equal(pooled(as_tensors(worded))[0], first)
    with pytest.raises(ValueError, match="statistics and no words"):
        MemberConfig(nodes=False)
