"""The parts of the system with their fixed inputs: sound in, logits out, the decoder beside."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from benchmarks.paper.networks import DecoderSound, Roberta, TransformerSize, WhisperDecoder, WhisperEncoder
from train.pitch.published import PublishedPitch, Sizes
from train.spectral.published import PUBLISHED_SIZES, PublishedCed, PublishedSize
from train.systems.classifier import build_classifier
from train.systems.config import FusionConfig, read_config
from train.systems.nodes import Nodes
from train.systems.prosody import QuantisedF0
from train.systems.system import System, Widths

SAMPLE_RATE, HOP = 16_000, 160
TOKENS_PER_SECOND = 12
ROW = "mdat-f0-quantised-augmented-swiglu"  # of the paper's table: its best single system; CED joins it as in its CED rows


@dataclass(frozen=True)
class Scale:
    whisper: TransformerSize
    mels: int
    roberta: TransformerSize
    pitch: Sizes
    ced: PublishedSize
    fusion: FusionConfig


_FULL = read_config(ROW).fusion
SCALES = {
    "full": Scale(  # Whisper large-v3, RoBERTa large, RMVPE, CED small
        TransformerSize(1280, 32, 20, 51866), 128, TransformerSize(1024, 24, 16, 50265), Sizes(), PUBLISHED_SIZES["small"], _FULL
    ),
    "small": Scale(
        TransformerSize(32, 2, 2, 100),
        16,
        TransformerSize(32, 2, 2, 100),
        Sizes(channels=2, blocks=1, intermediate=1, hidden=8),
        PublishedSize(24, 1, 3),
        replace(_FULL, width=32, feed_forward=64),
    ),
}


class Mel(nn.Module):
    """Log-mel frames every 10 ms. The filters are random: it is the time that counts."""

    window: Tensor
    filters: Tensor

    def __init__(self, fft: int, bands: int) -> None:
        super().__init__()
        self.fft = fft
        self.register_buffer("window", torch.hann_window(fft))
        self.register_buffer("filters", torch.rand(bands, fft // 2 + 1))

    def forward(self, samples: Tensor, frames: int) -> Tensor:
        """float32 [1, n] -> [1, bands, frames], zeros behind."""
        spectrum = torch.stft(samples, self.fft, HOP, window=self.window, return_complex=True).abs()
        mel = torch.log((self.filters @ spectrum).clamp(min=1e-5))
        return pad(mel, (0, max(0, frames - mel.shape[2])))[..., :frames]


class FrontEnds(nn.Module):
    """Spectrograms of all three networks, in float32, given in the networks' precision."""

    def __init__(self, scale: Scale, frames: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.frames, self.padded, self.dtype = frames, -(-frames // scale.pitch.multiple) * scale.pitch.multiple, dtype
        self.whisper, self.pitch, self.ced = Mel(400, scale.mels), Mel(1024, 128), Mel(512, 64)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float32 [1, n] -> Whisper's [1, mels, T], RMVPE's [1, T', 128], CED's [1, 64, T]."""
        whisper, ced = self.whisper(samples, self.frames), self.ced(samples, self.frames)
        pitch = self.pitch(samples, self.padded).transpose(1, 2).contiguous()
        return whisper.to(self.dtype), pitch.to(self.dtype), ced.to(self.dtype)


class Pitch(nn.Module):
    def __init__(self, scale: Scale, nodes: int) -> None:
        super().__init__()
        self.network, self.nodes = PublishedPitch(scale.pitch), nodes

    def forward(self, mel: Tensor) -> Tensor:
        """-> Hz of the strongest bin every 20 ms, float32 [1, nodes]."""
        bins = self.network(mel).argmax(2)[:, : 2 * self.nodes : 2]
        return 31.7 * torch.exp(bins.float() * (math.log(2) / 60))  # exp2 cannot be exported


class Spectral(nn.Module):
    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.network = PublishedCed(scale.ced)

    def forward(self, mel: Tensor) -> Tensor:
        """-> the mean of its tokens, [1, width]."""
        return self.network.summarise(self.network.encode(self.network.init_bn(mel))).embedding


class Fusion(nn.Module):
    """MDAT with quantised F0, CED's part beside its parts, SwiGLU."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        config = replace(read_config(ROW), fusion=scale.fusion)
        self.system = System(config, Widths(scale.whisper.width, scale.roberta.width))
        width = scale.fusion.width
        self.project, self.again = nn.Linear(scale.ced.width, width), nn.Linear(width, width)
        parts = sum(self.system.part_widths) + width
        self.system.classify = build_classifier(config.classifier, parts, len(config.data.labels), 0.0)

    def forward(self, audio: Tensor, text: Tensor, f0: Tensor, spectral: Tensor) -> Tensor:
        """Encoders' states [1, n, width], Hz [1, m], CED's mean -> log posterior, float32 [1, labels]."""
        dtype = self.project.weight.dtype
        system = self.system
        assert system.layers is not None
        assert isinstance(system.prosody, QuantisedF0)
        # As `train.systems.prosody.quantised`, whose constant would be copied to the device in the middle of a CUDA graph; all
        # frames count as voiced, so that nothing is left to interpolate, which could not be exported.
        quantiser = system.prosody.quantiser
        place = 1127 * (torch.log1p(f0 / 700) - math.log1p(quantiser.f0_min / 700)) / quantiser.step_mel + 1.5
        pitch = system.prosody.table(place.floor().clamp(1, quantiser.bins - 1).long())
        values = {"audio": system.layers(audio[:, :, None]).to(dtype), "text": text, "f0": pitch}
        found = {name: Nodes(entry, None) for name, entry in values.items()}
        parts = [*system.fusion(found), self.again(relu(self.project(spectral)))]
        return system.classify(torch.cat(parts, dim=1)).float().log_softmax(1)


@dataclass(frozen=True)
class Part:
    """A network with the tensors that it reads; `outputs` of the parts before are among them."""

    name: str
    network: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """front: of the spectrograms, always in torch. step: what a step waits for, in order. sound, token: the decoder's."""

    front: Part
    step: list[Part]
    sound: Part
    token: Part
    tensors: dict[str, Tensor]
    parameters: dict[str, int]


def build(scale: Scale, window: float, device: torch.device, dtype: torch.dtype) -> Built:
    """All networks with random weights made on the device, and the tensors that they begin with."""
    torch.manual_seed(0)
    frames = round(window * SAMPLE_RATE / HOP)
    words = max(1, round(window * TOKENS_PER_SECOND))
    with torch.device(device):
        decoder = WhisperDecoder(scale.whisper)
        front = Part("spectrograms", FrontEnds(scale, frames, dtype), ("samples",), ("mel", "pitch_mel", "ced_mel"))
        step = [
            Part("Whisper encoder", WhisperEncoder(scale.whisper, scale.mels), ("mel",), ("audio",)),
            Part("RMVPE", Pitch(scale, frames // 2), ("pitch_mel",), ("f0",)),
            Part("CED", Spectral(scale), ("ced_mel",), ("spectral",)),
            Part("RoBERTa", Roberta(scale.roberta), ("ids",), ("text",)),
            Part("MDAT", Fusion(scale), ("audio", "text", "f0", "spectral"), ("log_posterior",)),
        ]
        sound = Part("decoder, sound", DecoderSound(decoder), ("audio",), ("new_sound",))
        token = Part("decoder, a token", decoder, ("token", "position", "words", "sound"), ("next", "kept"))
        size = scale.whisper
        kept = (size.depth, 2, size.heads)
        tensors = {
            "samples": 0.1 * torch.randn(1, round(window * SAMPLE_RATE)),
            "ids": torch.randint(scale.roberta.vocabulary, (1, words + 2)),
            "token": torch.ones(1, dtype=torch.int64),
            "position": torch.full((1,), words, dtype=torch.int64),
            "words": 0.1 * torch.randn(*kept, 448, size.width // size.heads, dtype=dtype),
            "sound": 0.1 * torch.randn(*kept, 1500, size.width // size.heads, dtype=dtype),
        }
    for part in (*step, token):
        part.network.to(dtype).eval()
    front.network.eval()
    sound.network.eval()
    parameters = {part.name: sum(value.numel() for value in part.network.parameters()) for part in (*step, token)}
    return Built(front, step, sound, token, tensors, parameters)


def tokens_in(step: float, number: int) -> int:
    """How many tokens the decoder writes beside step `number`, so that they are TOKENS_PER_SECOND in all."""
    return math.floor((number + 1) * step * TOKENS_PER_SECOND + 1e-9) - math.floor(number * step * TOKENS_PER_SECOND + 1e-9)
