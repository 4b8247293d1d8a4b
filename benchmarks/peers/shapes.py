"""emotion2vec base and WavLM large in their published sizes, in torch alone, with random weights: for timing, not for scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from streamser.clock import SAMPLE_RATE

KERNELS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))  # and strides, of all of wav2vec's kin: 320 samples a frame
BUCKETS, FARTHEST = 320, 800  # WavLM's relative positions
GATES = 8  # numbers that a head's gate is made of


@dataclass(frozen=True)
class Size:
    """A network of wav2vec's kin.

    positions: (layers, kernel, groups) of the convolutions that stand for positions. relative: biases by distance behind gates
    (WavLM), otherwise a slope for each head (ALiBi, as data2vec 2.0 has it). channels: of the feature extractor.
    extra_tokens: learned ones before the frames. published: parameters in millions.
    """

    name: str
    width: int
    depth: int
    heads: int
    positions: tuple[int, int, int]
    relative: bool
    extra_tokens: int
    published: float
    channels: int = 512


EMOTION2VEC = Size("emotion2vec base", 768, 12, 12, (5, 19, 16), False, 10, 93.0)
WAVLM = Size("WavLM large", 1024, 24, 16, (1, 128, 16), True, 0, 316.0)


class Positions(nn.Module):
    """Convolutions over the frames, which are added to them."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        layers, kernel, groups = size.positions
        self.even = 1 - kernel % 2
        self.layers = nn.ModuleList(
            nn.Conv1d(size.width, size.width, kernel, padding=kernel // 2, groups=groups) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[1, T, width] -> [1, T, width]."""
        y = x.transpose(1, 2)
        for layer in self.layers:
            y = layer(y)
            y = gelu(y[:, :, :-1] if self.even else y)
        return x + y.transpose(1, 2)


class Layer(nn.Module):
    """Attention of all to all with a bias by distance, and an MLP four times as wide."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, self.heads = size.width, size.heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gate = nn.Linear(width // size.heads, GATES) if size.relative else None
        self.constant = nn.Parameter(torch.ones(size.heads, 1, 1)) if size.relative else None

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """[1, T, width], [heads, T, T] -> [1, T, width]."""
        y = self.norm1(x)[0]
        q, k, v = (part.unflatten(1, (self.heads, -1)).transpose(0, 1) for part in self.qkv(y).chunk(3, dim=1))
        if self.gate is not None and self.constant is not None:
            parts = self.gate(y.unflatten(1, (self.heads, -1)).transpose(0, 1)).unflatten(2, (2, -1)).sum(-1).sigmoid()
            bias = bias * (parts[..., :1] * (parts[..., 1:] * self.constant - 1) + 2)
        shares = (q @ k.transpose(1, 2) * q.shape[-1] ** -0.5 + bias).softmax(-1)
        x = x + self.out((shares @ v).transpose(0, 1).flatten(1))
        return x + self.fc2(gelu(self.fc1(self.norm2(x))))


class Network(nn.Module):
    """Samples to frames of `width`, 50 a second."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        channels = [1, *[size.channels] * len(KERNELS)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels[i], channels[i + 1], kernel, stride, bias=False) for i, (kernel, stride) in enumerate(KERNELS)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size.channels) for _ in KERNELS)
        self.norm_in, self.project = nn.LayerNorm(size.channels), nn.Linear(size.channels, size.width)
        self.positions = Positions(size)
        self.extra = nn.Parameter(torch.zeros(1, size.extra_tokens, size.width))
        self.distances = nn.Embedding(BUCKETS, size.heads) if size.relative else None
        self.slopes = nn.Parameter(torch.ones(size.heads, 1, 1)) if not size.relative else None
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.depth))
        self.norm_out = nn.LayerNorm(size.width)

    def forward(self, samples: Tensor) -> Tensor:
        """[1, n] at 16 kHz -> [1, T, width]."""
        x = samples.unsqueeze(1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = gelu(norm(convolution(x).transpose(1, 2)).transpose(1, 2))
        x = self.positions(self.project(self.norm_in(x.transpose(1, 2))))
        if self.size.extra_tokens:
            x = torch.cat([self.extra, x], 1)
        bias = self.bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm_out(x)

    def bias(self, frames: int) -> Tensor:
        """[heads, T, T]."""
        places = torch.arange(frames)
        distance = places[None] - places[:, None]
        if self.distances is None:
            assert self.slopes is not None
            return -self.slopes * distance.abs().float()
        half, near = BUCKETS // 2, BUCKETS // 4
        far = near + torch.log(distance.abs().clamp(min=1).float() / near) / torch.tensor(FARTHEST / near).log() * (half - near)
        place = torch.where(distance.abs() < near, distance.abs(), far.long().clamp(max=half - 1))
        return self.distances(place + half * (distance > 0).long()).permute(2, 0, 1)


def parameters(size: Size) -> int:
    """How many, without making them."""
    with torch.device("meta"):
        return sum(weights.numel() for weights in Network(size).parameters())


def export(size: Size, folder: Path) -> Path:
    """A graph with random weights: `samples` float32 [1, n], any n, -> `frames`."""
    torch.manual_seed(0)
    path = folder / f"{size.name.replace(' ', '-')}.onnx"
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Network(size).eval(),
            (torch.zeros(1, SAMPLE_RATE),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["samples"],
            output_names=["frames"],
            dynamic_axes={"samples": {1: "samples"}, "frames": {1: "frames"}},
        )
    return path


def opened(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Float32 [n] to the frames of such a graph, on one thread, as the runtime's own networks run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda samples: np.asarray(session.run(None, {"samples": samples[None]})[0][0])
