"""Speech encoders of transformers: Whisper, WavLM, HuBERT, wav2vec 2.0, with the front end that each checkpoint names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from train.encoders import FRAME, SAMPLE_RATE
from train.encoders.checkpoint import from_pretrained, load_model

SHORTEST = 2 * FRAME  # samples; wav2vec 2.0's convolutions need 400


class TransformersSpeech:
    """A frozen encoder on clips; an `AudioEncoder`.

    Whisper hears the clip padded to 30 s and its frames are cut to the clip's (as arXiv 2506.02088 does); all others hear
    the clip alone, normalised where their preprocessor's `do_normalize` says so.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load a checkpoint's folder.

        Raises:
            SystemExit: it is not a speech encoder's, or is not complete.
        """
        from transformers import AutoFeatureExtractor

        model = load_model(folder)
        if model.main_input_name not in ("input_values", "input_features"):
            raise SystemExit(f"{folder} holds a {type(model).__name__}, which does not hear audio: give it as text:{folder}")
        self._padded = model.config.model_type == "whisper"
        self._model = (model.encoder if self._padded else model).to(device)
        self._extractor = from_pretrained(AutoFeatureExtractor, folder)
        if self._extractor.sampling_rate != SAMPLE_RATE:
            raise SystemExit(f"{folder} hears audio at {self._extractor.sampling_rate} Hz; only 16 kHz is supported")
        self._device = device
        config = model.config
        self.width = int(config.d_model if self._padded else config.hidden_size)
        self.depth = int(config.encoder_layers if self._padded else config.num_hidden_layers)

    @torch.inference_mode()
    def encode(self, samples: np.ndarray) -> np.ndarray:
        """See `AudioEncoder.encode`."""
        frames = max(1, len(samples) // FRAME)
        padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
        inputs = self._extractor(padded, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        inputs = {key: value.to(self._device) for key, value in inputs.items() if key == self._model.main_input_name}
        output = self._model(**inputs, output_hidden_states=True)
        layers = [*output.hidden_states[1:-1], output.last_hidden_state]
        stacked = torch.stack([layer[0] for layer in layers], dim=1)
        return stacked[:frames].float().cpu().numpy() if self._padded else stacked.float().cpu().numpy()
