"""Text encoders: the default pack's MiniLM, and any of transformers' (RoBERTa, E5, MiniLM and their kin)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from streamser.features.text import WIDTH, TextEncoder
from train.encoders.checkpoint import from_pretrained, load_model
from train.whisper import PACK

LONGEST = 512  # tokens, those that frame the text included


class PackTextEncoder:
    """The default pack's sentence network, which reads English only; a `SentenceEncoder`."""

    width = WIDTH

    def __init__(self) -> None:
        self._encoder = TextEncoder.load(PACK)

    def encode(self, text: str, language: str) -> np.ndarray:
        """See `SentenceEncoder.encode`: the last 128 tokens."""
        return self._encoder.encode(text, language).tokens


class TransformersText:
    """A frozen encoder of transformers; a `SentenceEncoder`. It reads any language: what it makes of it is its affair."""

    def __init__(self, folder: Path, device: torch.device, prefix: str = "") -> None:
        """Load a checkpoint's folder.

        Args:
            prefix: put before every text, "query: " for E5.

        Raises:
            SystemExit: it is not a text encoder's, or is not complete.
        """
        from transformers import AutoTokenizer

        self._model = load_model(folder)
        if self._model.main_input_name != "input_ids":
            raise SystemExit(f"{folder} holds a {type(self._model).__name__}, which does not read text: give it as audio:{folder}")
        self._model.to(device)
        self._tokenizer = from_pretrained(AutoTokenizer, folder)
        self._device, self._prefix = device, prefix
        config = self._model.config
        self.width = int(config.hidden_size)
        positions = getattr(config, "max_position_embeddings", LONGEST)
        if "roberta" in config.model_type:  # counts positions from the padding token's number on
            positions -= config.pad_token_id + 1
        self._longest = min(LONGEST, positions)

    @torch.inference_mode()
    def encode(self, text: str, language: str) -> np.ndarray:
        """See `SentenceEncoder.encode`: the first 512 tokens, those that frame the text (<s>, </s>) included."""
        if not text.strip():
            return np.zeros((0, self.width), np.float32)
        tokens = self._tokenizer(self._prefix + text, truncation=True, max_length=self._longest, return_tensors="pt")
        state = self._model(**{key: value.to(self._device) for key, value in tokens.items()}).last_hidden_state
        return np.asarray(state[0].float().cpu().numpy())
