"""The systems of train.systems: shapes, sizes, the paper's dataflow, masks, absent modalities, gradients."""

from dataclasses import replace

import pytest
import torch

from tests.published_ced import SIZE
from tests.small_systems import (
    EIGHT,
    KINDS,
    MODALITIES,
    OURS,
    SMALL,
    WIDTHS,
    assert_close,
    config,
    example,
    infer,
    literal,
    systems,
    widened,
    without,
)
from train.spectral.published import PUBLISHED_SIZES
from train.systems.config import ClassifierConfig, FeatureConfig, FusionConfig, SystemConfig
from train.systems.system import System, Widths, parameter_count


@pytest.fixture(autouse=True)
def _seed(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setitem(PUBLISHED_SIZES, "tiny", SIZE)


# Shapes and sizes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prosody", ["none", "raw", "quantised"])
@pytest.mark.parametrize("spectral", ["none", "streamed", "ced-random"])
def test_every_fusion_takes_every_prosody_spectral_branch_and_classifier(kind, prosody, spectral):
    batch = example()
    for classifier in ("relu", "swiglu"):
        system = System(config(replace(SMALL, kind=kind), classifier, prosody=prosody, spectral=spectral), WIDTHS)
        assert infer(system, batch).shape == (3, 7)
        assert len(system.part_widths) == 2 + (prosody != "none") + (spectral != "none")
        with torch.inference_mode():
            assert system.fused(batch).shape == (3, sum(system.part_widths))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heard", [("audio",), ("text",), ("f0",), ("audio", "f0"), ("text", "f0")])
def test_a_system_may_hear_less(kind, masked, heard):
    features = {"audio": "", "text": "", "prosody": "none"} | {name: "whatever" for name in heard if name != "f0"}
    fusion = replace(SMALL, kind=kind, masked=masked, f0_crossed=kind == "mdat")
    system = System(config(fusion, **features | {"prosody": "raw" if "f0" in heard else "none"}), WIDTHS)
    assert infer(system, {name: value for name, value in example().items() if name.split("_")[0] in heard}).shape == (3, 7)


PAPER = {  # trainable numbers with the paper's widths and eight labels
    "mdat swiglu quantised": 11_822_600,  # method.md 1.5: 11.82 M
    "mdat swiglu none": 10_641_928,
    "mdat relu none": 9_854_728,
    "mdat relu raw": 10_839_560,
    "hcam swiglu quantised": 34_917_896,
    "transformer relu none": 8_278_792,
    "concatenation relu none": 1_974_024,
    "pooled relu none": 1_776_392,
}


@pytest.mark.parametrize("name", PAPER)
def test_full_size_systems_have_the_papers_size_and_learn_from_one_step(name):
    kind, classifier, prosody = name.split()
    features = FeatureConfig(prosody=prosody)
    full = SystemConfig(name, features, FusionConfig(kind=kind), ClassifierConfig(kind=classifier), EIGHT)
    widths = Widths(audio=1280, text=1024)
    system = System(full, widths)
    assert parameter_count(system) == PAPER[name]
    before = {key: value.clone() for key, value in system.state_dict().items()}
    optimiser = torch.optim.SGD(system.parameters(), lr=0.1)
    loss = torch.nn.functional.cross_entropy(system(example(2, widths=widths)), torch.tensor([0, 1]))
    loss.backward()
    optimiser.step()
    assert loss.isfinite()
    moved = [key for key, value in system.named_parameters() if not torch.equal(value, before[key])]
    assert len(moved) == len(list(system.parameters()))


# The paper's dataflow


def test_mdat_as_configured_by_default_is_the_papers_dataflow():
    system = System(config(replace(SMALL, f0_crossed=True)), WIDTHS).eval()
    fusion, batch = system.fusion, example()
    nodes = system.nodes(batch)
    graph = {name: literal(fusion.graph[name].layers[0], fusion.project[name](nodes[name]).values) for name in nodes}

    def heard(co_attention, one, other):
        affinity = co_attention.one(one) @ co_attention.other(other).transpose(1, 2)
        return torch.softmax(affinity, -1) @ other, torch.softmax(affinity.transpose(1, 2), -1) @ one

    sound, words, f0 = graph["audio"], graph["text"], graph["f0"]
    to_sound, to_words = heard(fusion.co_attention, sound, words)
    to_f0 = 2 * f0 + heard(fusion.f0_co_attention, f0, sound)[0] + heard(fusion.f0_co_attention, f0, words)[0]
    parts = []
    for name, values in (("audio", sound + to_sound), ("text", words + to_words), ("f0", f0 + to_f0)):
        values = fusion.encode[name](values)
        parts.append((torch.softmax(fusion.pool[name].score(values), 1) * values).sum(1))
    with torch.inference_mode():
        assert_close(system.fused(batch), torch.cat(parts, 1))


def test_hcams_words_hear_sound_that_has_heard_the_words():
    system = System(config(replace(SMALL, kind="hcam"), prosody="none"), WIDTHS).eval()
    fusion, nodes = system.fusion, system.nodes(example())

    def attended(block, x, others):
        x = x + block.attention(x, others, others)[0]
        return block.norm(x + block.linear(x))

    sides = {}
    for name in ("audio", "text"):
        values = fusion.context[name].recurrent(fusion.project[name](nodes[name]).values)[0]
        sides[name] = attended(fusion.context[name].attend, values, values)
    sides["audio"] = attended(fusion.cross["audio"], sides["audio"], sides["text"])
    sides["text"] = attended(fusion.cross["text"], sides["text"], sides["audio"])
    with torch.inference_mode():
        found = fusion(nodes)
    for part, (name, values) in zip(found, sides.items(), strict=True):
        assert_close(part, (torch.softmax(fusion.pool[name].score(values), 1) * values).sum(1))


# Masks and absent modalities


@pytest.mark.parametrize("kind", KINDS)
def test_with_masks_a_row_alone_is_the_row_in_a_padded_batch(kind):
    for system in systems(replace(OURS, kind=kind)):
        batch = without(example(4, len(system.config.features.audio_layers)), "text", rows=slice(1, 2))
        together = infer(system, widened(batch))
        for row in range(4):
            alone = {name: values[row : row + 1] for name, values in batch.items()}
            length = {name: max(1, int(alone[f"{name}_mask"].sum())) for name in MODALITIES}
            cut = {name: values[:, : length[name.split("_")[0]]] for name, values in alone.items()}
            assert_close(infer(system, cut)[0], together[row])


def test_without_masks_padding_counts_as_in_the_papers_code():
    for kind in KINDS:
        system = System(config(replace(SMALL, kind=kind)), WIDTHS)
        assert not torch.allclose(infer(system, example(2)), infer(system, widened(example(2))), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("absent", MODALITIES)
def test_an_absent_modality_contributes_exactly_nothing(kind, absent):
    for system in systems(replace(OURS, kind=kind)):
        used = ["audio", "text", "f0", "samples" if system.config.features.spectral == "ced-random" else "spectral"]
        if absent not in used:
            continue
        batch = without(example(3, len(system.config.features.audio_layers)), absent)
        other = {**batch, absent: torch.randn_like(batch[absent]) * 100}
        with torch.inference_mode():
            fused = system.fused(batch)
            assert torch.equal(fused, system.fused(other))
        parts = fused.split(system.part_widths, 1)
        for name, part in zip(used, parts, strict=True):
            assert bool(part.any()) == (name != absent)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_sound_and_rows_of_words_learn_in_one_batch(kind):
    for system in systems(replace(OURS, kind=kind)):
        batch = example(4, len(system.config.features.audio_layers))
        batch = without(batch, "text", rows=slice(0, 2))
        batch = without(batch, "audio", "f0", "spectral", "samples", rows=slice(2, 4))
        system.train()
        torch.nn.functional.cross_entropy(system(batch), torch.tensor([0, 1, 2, 3])).backward()
        assert all(value.grad is not None and value.grad.isfinite().all() for value in system.parameters())
        found = infer(system, batch)
        assert_close(infer(system, {name: values[2:] for name, values in batch.items()}), found[2:])
        assert found.std(0).min() > 0


def test_a_batch_with_nothing_in_it_is_finite():
    for kind in KINDS:
        for system in systems(replace(OURS, kind=kind)):
            batch = without(example(2, len(system.config.features.audio_layers)), *MODALITIES)
            system.train()(batch).sum().backward()
            assert all(value.grad is None or value.grad.isfinite().all() for value in system.parameters())


@pytest.mark.parametrize("kind", ["concatenation", "transformer", "mdat"])
def test_the_order_of_nodes_matters_only_through_their_ages(kind):
    batch = example(2)
    turned = {
        name: values if name in ("f0", "f0_mask", "f0_age") or name.endswith("_age") else values.flip(1)
        for name, values in without(batch).items()
    }
    for age in (False, True):
        system = System(config(replace(OURS, kind=kind, age=age), prosody="none"), WIDTHS)
        full = {name: torch.ones_like(values) if name.endswith("_mask") else values for name, values in batch.items()}
        moved = {name: full[name] if name.endswith("_mask") else values for name, values in turned.items()}
        same = torch.allclose(infer(system, full), infer(system, moved), atol=1e-5)
        assert same == (not age or kind == "concatenation")


# Learning


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fusion", [SMALL, OURS], ids=["paper", "ours"])
def test_gradients_reach_every_parameter(kind, fusion):
    for system in systems(replace(fusion, kind=kind, dropout=0.0)):
        system.train()
        torch.nn.functional.cross_entropy(
            system(example(8, len(system.config.features.audio_layers))), torch.arange(8) % 7
        ).backward()
        untouched = [name for name, value in system.named_parameters() if value.grad is None or not value.grad.any()]
        assert untouched == []


def test_audio_layers_are_standardised_and_mixed():
    system = System(config(SMALL, audio_layers=(0, 1, -1)), WIDTHS)
    mean, deviation, audio = torch.randn(3, 12), torch.rand(3, 12) + 0.5, torch.randn(2, 4, 3, 12)
    system.standardise(mean, deviation)
    assert_close(system.layers(audio * deviation + mean).detach(), audio.mean(2))
    assert {"layers.mean", "layers.deviation", "layers.mix"} <= set(system.state_dict())


@pytest.mark.parametrize(
    ("features", "fusion", "said"),
    [
        ({"spectral": "ced-pretrained"}, SMALL, "ced_weights"),
        ({"spectral": "ced-frozen", "ced_weights": "nowhere.pt"}, SMALL, "nowhere.pt"),
        ({}, replace(SMALL, kind="hcam", f0_crossed=True), "f0_crossed"),
        ({}, replace(SMALL, graph_heads=3), "graph_heads"),
        ({}, replace(SMALL, encoder_heads=3), "3 heads"),
        ({"audio": "", "text": "", "prosody": "none"}, SMALL, "hears nothing"),
    ],
)
def test_settings_that_do_not_go_together_are_named(features, fusion, said):
    with pytest.raises(SystemExit, match=said):
        System(config(fusion, **features), WIDTHS)
