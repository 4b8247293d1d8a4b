"""Small random checkpoints in the formats of the large published encoders: they run, and say nothing about emotion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
CONVOLUTIONS: dict[str, Any] = {"conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
LARGE: dict[str, Any] = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}


def _of_waveforms(kind: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        import transformers

        config = getattr(transformers, f"{kind}Config")(**SMALL, **CONVOLUTIONS, **LARGE)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)

    return save


def _whisper_large_v3(folder: Path) -> None:
    import transformers

    sizes: dict[str, Any] = {
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in (("layers", 3), ("attention_heads", 4), ("ffn_dim", 128))
    }
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = transformers.WhisperConfig(d_model=64, num_mel_bins=128, vocab_size=100, **sizes, **special)
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "whisper-large-v3": _whisper_large_v3,
    "wavlm-large": _of_waveforms("WavLM"),
    "hubert-large": _of_waveforms("Hubert"),
    "wav2vec2-large": _of_waveforms("Wav2Vec2"),
}


def save_random(name: str, folder: Path, seed: int) -> None:
    """A checkpoint of an encoder's architecture with small sizes and random weights, in the format of its library."""
    torch.manual_seed(seed)
    CHECKPOINTS[name](folder)
