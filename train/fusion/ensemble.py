"""All members as one network, with what the runtime needs beside their posteriors: statistics, a voice print, `known`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.fusion.mdat import SPECTRAL_WIDTH, STATISTICS, Member, WhisperNodes

VOICE_WIDTH = 24
KNOWN_WIDTH = 48


class VoicePrint(nn.Module):
    """A linear map of the statistics in which one voice varies by 1 in every direction (linear discriminant analysis)."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(STATISTICS, VOICE_WIDTH)

    def forward(self, statistics: Tensor) -> Tensor:
        return self.project(statistics)


class KnownSound(nn.Module):
    """Whether this is speech that may carry an emotion, or a laugh, a cry, a noise, music: logit [batch]."""

    def __init__(self) -> None:
        super().__init__()
        self.statistics = nn.Linear(STATISTICS, KNOWN_WIDTH)
        self.spectral = nn.Linear(2 * SPECTRAL_WIDTH, KNOWN_WIDTH)
        self.dropout = nn.Dropout(0.3)
        self.classify = nn.Linear(KNOWN_WIDTH, 1)

    def forward(self, statistics: Tensor, columns: Tensor, mask: Tensor) -> Tensor:
        """statistics: [batch, STATISTICS]; columns: spectral [batch, n, 192] with their mask."""
        hidden = self.statistics(self.dropout(statistics)) + self.spectral(self.dropout(spectral_statistics(columns, mask)))
        return self.classify(self.dropout(nn.functional.relu(hidden)))[:, 0]


def spectral_statistics(columns: Tensor, mask: Tensor) -> Tensor:
    """Mean and deviation over the present columns, [batch, n, 192] -> [batch, 384]; zeros without any."""
    present = mask[:, :, None].to(columns.dtype)
    count = present.sum(1).clamp(min=1)
    mean = (columns * present).sum(1) / count
    square = (columns * columns * present).sum(1) / count
    deviation = torch.sqrt((square - mean * mean).clamp(min=1e-6))
    return torch.cat([mean, deviation], -1) * mask.any(1, keepdim=True)


class Ensemble(nn.Module):
    """All members as one graph, each with its temperature. They share the standardisation of Whisper's nodes."""

    temperatures: Tensor

    def __init__(
        self, members: list[Member], temperatures: list[float], voice: VoicePrint | None = None, known: KnownSound | None = None
    ) -> None:
        """Without a voice print or `known`, nothing tells voices apart, and everything is known.

        Raises:
            SystemExit: members that were standardised by different data.
        """
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperatures", torch.tensor(temperatures))
        self.voice, self.known = voice, known
        first = members[0].whisper
        if any(not same_standard(first, member.whisper) for member in members):
            raise SystemExit("the members were trained on different data: their statistics of Whisper's nodes differ")

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Calibrated log-probabilities [members, batch, labels], arousal in 0..1 [members, batch], statistics of the window
        [batch, STATISTICS], voice print [batch, VOICE_WIDTH], known in 0..1 [batch]."""
        outputs = [member(inputs) for member in self.members]
        logits = torch.stack([output[0] for output in outputs]) / self.temperatures[:, None, None]
        arousal = torch.sigmoid(torch.stack([output[1] for output in outputs]))
        statistics = self.members[0].whisper(inputs["whisper"], inputs["whisper_mask"])[1]  # type: ignore[union-attr,operator]
        voice = torch.zeros_like(statistics[:, :VOICE_WIDTH]) if self.voice is None else self.voice(statistics)
        known = torch.ones_like(statistics[:, 0])
        if self.known is not None:
            known = torch.sigmoid(self.known(statistics, inputs["spectral"], inputs["spectral_mask"]))
        return torch.log_softmax(logits, -1), arousal, statistics, voice, known


def same_standard(one: WhisperNodes, other: WhisperNodes) -> bool:
    return bool(torch.equal(one.mean, other.mean) and torch.equal(one.scale, other.scale))
