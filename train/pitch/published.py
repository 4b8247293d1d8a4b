"""The published RMVPE, in the form behind the weights that people have: a U-Net over time and frequency, then a GRU both ways.

After Wei et al. 2023 (RMVPE, arXiv 2306.15412). With the default sizes it is E2E0(4, 1, (2, 2)) of 90.4 million parameters.
Attributes carry the names of the published state dicts. It does not stream: its convolutions alone reach 15.5 s either way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamser.features.pitch import BINS
from train.pitch.published_mel import BANDS

READOUT = 3  # channels that leave the U-Net


@dataclass(frozen=True)
class Sizes:
    """How large the network is.

    channels: of the first encoder level; every level doubles them, and the intermediate layers double the last level's.
    levels: encoder and decoder levels, each of which halves (doubles) time and frequency.
    blocks: residual blocks in a level and in an intermediate layer.
    intermediate: intermediate layers.
    hidden: of the GRU, in each direction.
    timbre_filter: a residual block on each skip connection (`unet.tf`), as in the paper. The published weights were trained
        without: files of the 230917 release hold a `unet.tf` that their network never calls.
    """

    channels: int = 16
    levels: int = 5
    blocks: int = 4
    intermediate: int = 4
    hidden: int = 256
    timbre_filter: bool = False

    @property
    def multiple(self) -> int:
        """What the number of frames must be a multiple of."""
        return int(2**self.levels)


PUBLISHED = Sizes()


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm and ReLU, added to the input (through a 1 x 1 where channels change)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """f32[B, inputs, T, F] -> f32[B, outputs, T, F]."""
        return self.conv(x) + self.shortcut(x)


def residual_blocks(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """`count` residual blocks; the first changes the channels."""
    return nn.Sequential(*(ResidualBlock(outputs if number else inputs, outputs) for number in range(count)))


class Stage(nn.Module):
    """The blocks of one encoder level or intermediate layer."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.conv = residual_blocks(inputs, outputs, blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Encoder(nn.Module):
    """Batch norm of the mel spectrogram, then levels with a 2 x 2 mean after each."""

    def __init__(self, channels: list[int], blocks: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(1)
        self.layers = nn.ModuleList(Stage(here, there, blocks) for here, there in zip([1, *channels], channels, strict=False))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """f32[B, 1, T, F] -> (the last level's output after its mean, every level's output before it)."""
        skips = []
        x = self.bn(x)
        for layer in self.layers:
            skips.append(layer(x))
            x = nn.functional.avg_pool2d(skips[-1], 2)
        return x, skips


class Layers(nn.Module):
    """Modules one after the other: the intermediate layers; or one for each skip: the timbre filter."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class DecoderStage(nn.Module):
    """Up by two in time and frequency, the encoder's output of that level beside it, blocks."""

    def __init__(self, inputs: int, blocks: int) -> None:
        super().__init__()
        outputs = inputs // 2
        up = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.conv1 = nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU())
        self.conv2 = residual_blocks(2 * outputs, outputs, blocks)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """f32[B, C, T, F] and the skip f32[B, C/2, 2T, 2F] -> f32[B, C/2, 2T, 2F]."""
        return self.conv2(torch.cat([self.conv1(x), skip], dim=1))


class UNet(nn.Module):
    """Encoder, intermediate layers at the coarsest grid, decoder."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        channels = [sizes.channels * 2**level for level in range(sizes.levels)]
        deepest = 2 * channels[-1]
        self.encoder = Encoder(channels, sizes.blocks)
        inputs = [channels[-1], *[deepest] * (sizes.intermediate - 1)]
        self.intermediate = Layers([Stage(here, deepest, sizes.blocks) for here in inputs])
        self.tf = Layers([ResidualBlock(width, width) for width in channels]) if sizes.timbre_filter else None
        self.decoder = Layers([DecoderStage(2 * width, sizes.blocks) for width in reversed(channels)])

    def forward(self, x: Tensor) -> Tensor:
        """f32[B, 1, T, F] -> f32[B, channels, T, F]."""
        x, skips = self.encoder(x)
        for layer in self.intermediate.layers:
            x = layer(x)
        if self.tf is not None:
            skips = [block(skip) for block, skip in zip(self.tf.layers, skips, strict=True)]
        for layer, skip in zip(self.decoder.layers, reversed(skips), strict=True):
            x = layer(x, skip)
        return x


class BothWays(nn.Module):
    """A GRU that reads the frames forwards and one that reads them backwards."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, batch_first=True, bidirectional=True)

    def forward(self, rows: Tensor) -> Tensor:
        """f32[B, T, inputs] -> f32[B, T, 2 hidden]."""
        return self.gru(rows)[0]


class PublishedPitch(nn.Module):
    """Log-mel frames of a whole recording -> salience of 360 bins, 20 cents apart. For inference: it starts in eval mode."""

    def __init__(self, sizes: Sizes = PUBLISHED) -> None:
        super().__init__()
        self.sizes = sizes
        self.unet = UNet(sizes)
        self.cnn = nn.Conv2d(sizes.channels, READOUT, 3, padding=1)
        # Between the last layer and the sigmoid the published one has a dropout of 0.25: nothing outside training.
        self.fc = nn.Sequential(BothWays(READOUT * BANDS, sizes.hidden), nn.Linear(2 * sizes.hidden, BINS))
        self.eval()

    def forward(self, mel: Tensor) -> Tensor:
        """mel f32[B, T, 128] of `published_mel`, T a multiple of `sizes.multiple` -> salience f32[B, T, 360] in 0..1."""
        image = self.cnn(self.unet(mel.unsqueeze(1)))
        return self.fc(image.transpose(1, 2).flatten(2)).sigmoid()
