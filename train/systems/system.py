"""A whole system by its configuration: features in, logits out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.systems.classifier import build_classifier
from train.systems.concatenation import Concatenation
from train.systems.config import SystemConfig
from train.systems.hcam import Hcam
from train.systems.mdat import Mdat
from train.systems.nodes import Nodes
from train.systems.pooled import Pooled
from train.systems.prosody import build_prosody
from train.systems.spectral_branch import build_spectral
from train.systems.transformer import Transformer

FUSIONS: dict[str, type[Pooled | Concatenation | Transformer | Hcam | Mdat]] = {
    "pooled": Pooled,
    "concatenation": Concatenation,
    "transformer": Transformer,
    "hcam": Hcam,
    "mdat": Mdat,
}


@dataclass(frozen=True)
class Widths:
    """How wide the encoders' features are; 0 where the system has none."""

    audio: int = 0
    text: int = 0


class AudioLayers(nn.Module):
    """The encoder's layers, standardised and softmax-mixed where several."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(layers, width))
        self.register_buffer("deviation", torch.ones(layers, width))
        self.mix = nn.Parameter(torch.zeros(layers)) if layers > 1 else None

    def forward(self, audio: Tensor) -> Tensor:
        """float [B, n, layers, width] -> [B, n, width]."""
        audio = (audio.float() - self.mean) / self.deviation
        return audio[:, :, 0] if self.mix is None else torch.einsum("bnlw,l->bnw", audio, torch.softmax(self.mix, 0))


class System(nn.Module):
    """The network of a configuration.

    With `fusion.masked`, padding takes no part and a modality that a row lacks (its mask all False) contributes exactly
    nothing: its part of the fused vector is zero and no other part hears of it. Without masks, all tensors are taken whole.

    Args:
        config: what to build.
        widths: of the encoders' features; those that the configuration does not name must be 0, and the others not.
        pretrained: read `features.ced_weights`; False where trained weights will replace them anyway.

    Raises:
        SystemExit: settings that do not go together; the message names them.
    """

    def __init__(self, config: SystemConfig, widths: Widths, pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        features, fusion = config.features, config.fusion
        sizes = {name: getattr(widths, name) for name in ("audio", "text") if getattr(features, name)}
        if not all(sizes.values()):
            raise ValueError(f"{config.name} names encoders of {', '.join(sizes)}, but the widths are {widths}")
        self.layers = AudioLayers(len(features.audio_layers), widths.audio) if "audio" in sizes else None
        self.prosody = build_prosody(features, fusion.width)
        self.spectral = build_spectral(features, fusion, pretrained)
        if self.prosody is not None:
            sizes["f0"] = fusion.width
        if not sizes and self.spectral is None:
            raise SystemExit(f"{config.name} hears nothing: name an audio or text encoder, a prosody or a spectral branch")
        if fusion.f0_crossed and fusion.kind != "mdat":
            raise SystemExit(f"{config.name}: fusion.f0_crossed is of MDAT alone, not of {fusion.kind}")
        self.fusion = FUSIONS[fusion.kind](sizes, fusion)
        self.part_widths = [*self.fusion.part_widths, *([fusion.width] if self.spectral is not None else [])]
        self.classify = build_classifier(config.classifier, sum(self.part_widths), len(config.data.labels), fusion.dropout)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Fix what is taken from the audio features and what they are divided by, float [layers, width] each."""
        if self.layers is not None:
            self.layers.mean.copy_(mean)
            self.layers.deviation.copy_(deviation)

    def nodes(self, batch: dict[str, Tensor]) -> dict[str, Nodes]:
        """Sound, words and F0 of a batch, those that the system has, in this order."""
        masked = self.config.fusion.masked
        found = {}
        if self.layers is not None:
            found["audio"] = self.layers(batch["audio"])
        if self.config.features.text:
            found["text"] = batch["text"].float()
        if self.prosody is not None:
            found["f0"] = self.prosody(batch["f0"].float(), batch["f0_mask"], masked)
        return {
            name: Nodes(values, batch[f"{name}_mask"] if masked else None, batch.get(f"{name}_age"))
            for name, values in found.items()
        }

    def fused(self, batch: dict[str, Tensor]) -> Tensor:
        """The parts side by side, float [B, sum of `part_widths`]: audio, text, F0, spectral, those that the system has."""
        parts = self.fusion(self.nodes(batch))
        if self.spectral is not None:
            parts.append(self.spectral(batch))
        return torch.cat([part.float() for part in parts], dim=1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """A batch of `train.systems.batches` -> logits, float32 [B, labels]."""
        return self.classify(self.fused(batch)).float()


def parameter_count(system: nn.Module, trainable: bool = True) -> int:
    """How many numbers a network learns, or (`trainable` False) holds, buffers apart."""
    return sum(value.numel() for value in system.parameters() if value.requires_grad or not trainable)
