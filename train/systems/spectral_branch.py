"""The spectral branch: CED on the waveform, as in the paper, or this project's streamed columns from the cache."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu
from torch.nn.utils.rnn import pad_sequence

from streamser.errors import PackError
from train.spectral.published import CHUNK_FRAMES, PATCH, PUBLISHED_SIZES, PublishedCed
from train.spectral.published_mel import HOP, SAMPLE_RATE, PublishedMel
from train.spectral.published_weights import load_published
from train.systems.config import FeatureConfig, FusionConfig
from train.systems.nodes import Nodes, Projection
from train.systems.pooling import ChannelPooling

COLUMN_WIDTH = 192  # of this project's streaming encoder
SHORTEST = (PATCH - 1) * HOP  # samples of one patch; what is shorter is heard with silence behind it
LEAST_TRUNCATED = 3 * SAMPLE_RATE  # samples
TRUNCATED_SHARE = 0.5  # of the training clips longer than that


def truncated(rows: list[Tensor]) -> list[Tensor]:
    """Half of the rows longer than 3 s cut to a random piece of at least 3 s (method.md 1.5, step 8)."""
    found = []
    for row in rows:
        if len(row) > LEAST_TRUNCATED and torch.rand(()) < TRUNCATED_SHARE:
            length = int(torch.randint(LEAST_TRUNCATED, len(row) + 1, ()))
            start = int(torch.randint(len(row) - length + 1, ()))
            row = row[start : start + length]
        found.append(row)
    return found


class CedBranch(nn.Module):
    """CED's mean token, then Linear, ReLU, dropout, Linear. Frozen or fine-tuned with the rest.

    With masks every row is heard for itself, with its own length; without, all are filled up with zeros to the longest.
    """

    def __init__(self, features: FeatureConfig, config: FusionConfig, pretrained: bool) -> None:
        super().__init__()
        self.masked = config.masked
        self.frozen = features.spectral == "ced-frozen"
        self.mel = PublishedMel()
        self.network = ced_network(features, pretrained and features.spectral != "ced-random")
        self.network.outputlayer = nn.Sequential()  # AudioSet's classes have no user here
        self.network.requires_grad_(not self.frozen)
        self.project = nn.Linear(self.network.size.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.again = nn.Linear(config.width, config.width)

    def train(self, mode: bool = True) -> CedBranch:
        """A frozen network stays in evaluation mode: its batch norm would learn."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The batch's samples -> float [B, width]; zeros for a row without samples, where there are masks."""
        samples, mask = batch["samples"], batch["samples_mask"]
        rows = [row[:length] for row, length in zip(samples, mask.sum(1).tolist(), strict=True)]
        if self.training and not self.frozen:
            rows = truncated(rows)
        if not self.masked:
            rows = list(pad_sequence(rows, batch_first=True))
        lengths = torch.tensor([len(row) for row in rows])
        rows = [pad(row, (0, max(0, SHORTEST - len(row)))) for row in rows]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            embedding = self.embed(rows)
        found = self.again(self.dropout(relu(self.project(embedding))))
        return found * (lengths > 0).to(found.device)[:, None] if self.masked else found

    def embed(self, rows: list[Tensor]) -> Tensor:
        """Waveforms, float [n] each -> the mean of each one's tokens, float [B, CED's width]."""
        mels = [self.mel(row[None].float()) for row in rows]
        # The batch norm sees the frames of all rows and no padding.
        normalised = self.network.init_bn(torch.cat(mels, dim=2)).split([mel.shape[2] for mel in mels], dim=2)
        found = torch.zeros(len(rows), self.network.size.width, device=normalised[0].device)
        for frames in sorted({mel.shape[2] for mel in mels}):  # rows of one length go together
            same = [index for index, mel in enumerate(mels) if mel.shape[2] == frames]
            chunks = torch.cat([normalised[index] for index in same]).split(CHUNK_FRAMES, dim=2)
            tokens = [self.network.encode(chunk) for chunk in chunks if chunk.shape[2] >= PATCH]
            found = found.index_copy(0, torch.tensor(same, device=found.device), torch.cat(tokens, 1).mean(1).to(found.dtype))
        return found


def ced_network(features: FeatureConfig, pretrained: bool) -> PublishedCed:
    """CED of the configured size, at random or with the configured weights.

    Raises:
        SystemExit: weights are wanted and none named, or the named ones are of no use.
    """
    if not pretrained:
        return PublishedCed(PUBLISHED_SIZES[features.ced_size])
    if not features.ced_weights:
        raise SystemExit(f"spectral = {features.spectral!r} needs a published CED checkpoint: set features.ced_weights to its path")
    try:
        return load_published(Path(features.ced_weights), features.ced_size)
    except PackError as error:
        raise SystemExit(str(error)) from None


class StreamedBranch(nn.Module):
    """Columns of 160 ms, projected and pooled with attention."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.masked = config.masked
        self.project = Projection(COLUMN_WIDTH, config, timed=True)
        self.pool = ChannelPooling(config.width)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The batch's columns -> float [B, width]; zeros for a row without columns, where there are masks."""
        mask = batch["spectral_mask"] if self.masked else None
        nodes = self.project(Nodes(batch["spectral"].float(), mask, batch.get("spectral_age")))
        return self.pool(nodes.values, nodes.mask)


def build_spectral(features: FeatureConfig, config: FusionConfig, pretrained: bool) -> CedBranch | StreamedBranch | None:
    """The spectral branch of a configuration, or None."""
    if features.spectral == "none":
        return None
    return StreamedBranch(config) if features.spectral == "streamed" else CedBranch(features, config, pretrained)
