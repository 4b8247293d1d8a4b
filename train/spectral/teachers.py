"""The teachers: YAMNet, with AudioSet scores and the layer under them for 0.975 s at a time, and Whisper's middle layers."""

from __future__ import annotations

import numpy as np

from train.corpora import data_root

PATCH_SAMPLES = 15_600
SCORES = 521
EMBEDDING = 1024
WHISPER = 1024  # layers 2 and 4 of Whisper base side by side
_EMBEDDING_TENSOR = "yamnet_frames/global_average_pooling2d/Mean"


class Yamnet:
    """The TFLite graph on one thread. The embedding is no output, so all tensors are kept and it is read by name."""

    def __init__(self) -> None:
        from ai_edge_litert.interpreter import Interpreter

        path = data_root() / "teachers" / "yamnet" / "yamnet.tflite"
        self._interpreter = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._scores = self._interpreter.get_output_details()[0]["index"]
        tensors = {tensor["name"]: tensor["index"] for tensor in self._interpreter.get_tensor_details()}
        self._embedding = tensors[_EMBEDDING_TENSOR]

    def __call__(self, patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 [15600] -> scores float32 [521] in 0..1 and embedding float32 [1024], not negative."""
        self._interpreter.set_tensor(self._input, patch[None].astype(np.float32))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._scores)[0].copy(), self._interpreter.get_tensor(self._embedding)[0].copy()


class WhisperLayers:
    """Whisper base's middle layers, which carry most about emotion (measured.md 11); not the pack's, which have heard labels."""

    def __init__(self) -> None:
        import torch

        from train.encoders.whisper_wheels import WheelWhisper

        self._whisper = WheelWhisper("whisper-base", torch.device("cpu"))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n] at 16 kHz, n a multiple of 320 -> float32 [n / 320, 1024], layers 2 and 4 at 50 Hz."""
        layers = self._whisper.encode(samples)
        return np.concatenate([layers[:, 1], layers[:, 3]], axis=1)
