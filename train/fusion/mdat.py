"""MDAT: graph attention per modality, co-attention of sound and words, a transformer layer, attentive pooling, SwiGLU.

After Ferreira et al. 2025 (arXiv 2506.02088) and Zaidi et al. 2023 (arXiv 2306.13804), with what a stream needs on top: padding
masks everywhere, an age on every node, `heard`, and modalities that may be absent. An absent one contributes exactly nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamser.features.quantised_f0 import DEFAULT_PACK_F0
from streamser.fusion_input import WHISPER_LAYERS
from train.corpora import LABELS
from train.fusion.data import arousal_levels
from train.systems.graph_attention import GraphAttention
from train.systems.nodes import AgeEmbedding
from train.systems.pooling import ChannelPooling, masked_softmax

WHISPER_WIDTH = 512
SPECTRAL_WIDTH = 192
TEXT_WIDTH = 384
STATISTICS = 2 * WHISPER_LAYERS * WHISPER_WIDTH
TYPICAL_DEVIATION = 0.8  # of a standardised channel within a window
CLAMP = 12.0  # of a standardised channel
LEAST_VARIANCE = 1e-4
STATISTICS_CLAMP = 6.0  # of a standardised statistic
NORMALISED_CLAMP = 8.0
NEVER = -1e4  # added to a logit that does not count
SHRINKAGE = (10.0, 60.0)  # seconds of evidence at which a voice's own mean, and deviation, count half; a first guess
PITCH_TOKENS = DEFAULT_PACK_F0.bins + 2  # 0 unvoiced, 1 to 255 pitch; two to spare
PITCH_WIDTH = 32
TIMES = 3  # numbers that tell how much was heard


@dataclass(frozen=True)
class MemberConfig:
    """What may differ between the members of an ensemble.

    labels: what it tells apart, the same for all members of an ensemble. text: whether it hears words at all.
    statistics: the mean and deviation of all Whisper layers, projected, as a part of the fused vector.
    linear: the same statistics also straight to the logits, as a logistic regression has them.
    history: whether both also see the statistics normalised by what was heard of the voice before.
    nodes: whether Whisper's nodes go through MDAT at all; without, the member hears their statistics alone, and no words. With
    `linear` alone it is a regression, whose arousal is what its labels say.
    """

    width: int = 96
    heads: int = 4
    feed_forward: int = 192
    hidden: int = 96
    statistics: bool = True
    linear: bool = True
    history: bool = True
    pitch: bool = True
    spectral: bool = True
    dropout: float = 0.3
    text: bool = True
    nodes: bool = True
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        if not self.nodes and (self.text or not (self.statistics or self.linear)):
            raise ValueError("a member without nodes hears statistics and no words")

    @property
    def plain(self) -> bool:
        """Whether it is a linear map of the statistics and nothing else."""
        return not any((self.nodes, self.text, self.statistics, self.pitch, self.spectral))


class CoAttention(nn.Module):
    """Each side gains what the other says about its nodes; from an absent side, nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sound = nn.Linear(width, width, bias=False)
        self.words = nn.Linear(width, width, bias=False)

    def forward(self, sound: Tensor, sound_mask: Tensor, words: Tensor, words_mask: Tensor) -> tuple[Tensor, Tensor]:
        affinity = self.sound(sound) @ self.words(words).transpose(1, 2) / math.sqrt(sound.shape[-1])
        to_sound = masked_softmax(affinity, words_mask[:, None, :]) @ words
        to_words = masked_softmax(affinity.transpose(1, 2), sound_mask[:, None, :]) @ sound
        return sound + to_sound, words + to_words


class EncoderLayer(nn.Module):
    """A transformer encoder layer, normalised before each block, written out so that it exports with masks."""

    def __init__(self, config: MemberConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.wide = nn.Linear(width, config.feed_forward)
        self.narrow = nn.Linear(config.feed_forward, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, count, width = x.shape
        shape = (batch, count, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm1(x)).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        mixed = masked_softmax(scores, mask[:, None, None, :]) @ v
        x = x + self.dropout(self.attended(mixed.transpose(1, 2).reshape(batch, count, width)))
        return x + self.dropout(self.narrow(nn.functional.gelu(self.wide(self.norm2(x)))))


class WhisperNodes(nn.Module):
    """Whisper's layers, standardised with training statistics, mixed and projected; and their mean and deviation."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: MemberConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WHISPER_LAYERS, WHISPER_WIDTH))
        self.register_buffer("scale", torch.ones(WHISPER_LAYERS, WHISPER_WIDTH))
        self.nodes = config.nodes
        if config.nodes:
            self.mix = nn.Parameter(torch.zeros(WHISPER_LAYERS))
            self.project = nn.Linear(WHISPER_WIDTH, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor | None, Tensor]:
        """x: float32 [batch, n, layers, 512]. Returns nodes [batch, n, width], if wanted, and statistics [batch, STATISTICS]."""
        x = ((x - self.mean) / self.scale).clamp(-CLAMP, CLAMP)
        present = mask[:, :, None].to(x.dtype)
        flat = x.flatten(2)
        mean = (flat * present).sum(1) / present.sum(1).clamp(min=1)
        square = (flat * flat * present).sum(1) / present.sum(1).clamp(min=1)
        deviation = torch.sqrt((square - mean * mean).clamp(min=LEAST_VARIANCE)) - TYPICAL_DEVIATION
        statistics = torch.cat([mean, deviation], -1) * mask.any(1, keepdim=True)
        if not self.nodes:
            return None, statistics
        mixed = torch.einsum("bnlw,l->bnw", x, torch.softmax(self.mix, 0))
        return nn.functional.relu(self.project(self.dropout(mixed))), statistics


class SpeakerNormaliser(nn.Module):
    """Statistics as they deviate from what was heard of the voice before; mean and deviation shrink towards training's.

    With n seconds of evidence, the centre is n / (n + k) of the history's mean and the variance (n v + l w) / (n + l), v the
    history's and w that of training sessions; k and l are learned. Without a history it is the statistics over their usual
    deviation: nothing that the raw ones do not say.
    """

    variance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("variance", torch.ones(STATISTICS))
        self.shrinkage = nn.Parameter(torch.log(torch.tensor(SHRINKAGE)))

    def forward(self, statistics: Tensor, mean: Tensor, square: Tensor, seconds: Tensor) -> Tensor:
        """float32 [batch, STATISTICS], the history's mean and square alike, evidence [batch, 1] -> [batch, STATISTICS]."""
        centre, spread = torch.exp(self.shrinkage).unbind(0)
        own = (square - mean * mean).clamp(min=0)
        variance = (seconds * own + spread * self.variance) / (seconds + spread)
        deviation = (statistics - seconds / (seconds + centre) * mean) * torch.rsqrt(variance + LEAST_VARIANCE)
        return deviation.clamp(-NORMALISED_CLAMP, NORMALISED_CLAMP)


class Member(nn.Module):
    """One network of the ensemble. usual, spread: mean and deviation of the statistics over training windows, float32 [D]."""

    usual: Tensor
    spread: Tensor

    def __init__(self, config: MemberConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("usual", torch.zeros(STATISTICS))
        self.register_buffer("spread", torch.ones(STATISTICS))
        self.whisper = WhisperNodes(config)
        if config.nodes:
            self.whisper_age, self.whisper_graph = AgeEmbedding(width), GraphAttention(width)
        if config.text:
            self.text_project = nn.Sequential(nn.LayerNorm(TEXT_WIDTH), nn.Linear(TEXT_WIDTH, width), nn.ReLU())
            self.text_age, self.text_graph = AgeEmbedding(width), GraphAttention(width)
            self.co_attention = CoAttention(width)
        if config.nodes:
            self.whisper_encoder = EncoderLayer(config)
        if config.text:
            self.text_encoder = EncoderLayer(config)
        if config.nodes:
            self.whisper_pool = ChannelPooling(width)
        if config.text:
            self.text_pool = ChannelPooling(width)
        views = 1 + config.history
        if config.history:
            self.normaliser = SpeakerNormaliser()
        if config.statistics:
            self.statistics = nn.Linear(views * STATISTICS, width, bias=False)
        if config.linear:
            self.linear = nn.Linear(views * STATISTICS, len(config.labels), bias=False)
            nn.init.zeros_(self.linear.weight)
        parts = config.nodes + config.text + config.statistics + config.pitch + config.spectral
        if config.plain:
            self.offset = nn.Parameter(torch.zeros(len(config.labels)))
            levels = torch.from_numpy(arousal_levels(config.labels))
            self.register_buffer("high", torch.where(levels == 1, 0.0, NEVER))
            self.register_buffer("low", torch.where(levels == 0, 0.0, NEVER))
        if config.pitch:
            self.pitch_embedding = nn.Embedding(PITCH_TOKENS, PITCH_WIDTH)
            self.pitch_embedding.weight.data.copy_(smooth_table(PITCH_TOKENS, PITCH_WIDTH))
            self.pitch_project = nn.Linear(PITCH_WIDTH, width)
            self.pitch_age, self.pitch_pool = AgeEmbedding(width), ChannelPooling(width)
        if config.spectral:
            self.spectral_project = nn.Linear(SPECTRAL_WIDTH, width)
            self.spectral_age, self.spectral_graph = AgeEmbedding(width), GraphAttention(width)
            self.spectral_pool = ChannelPooling(width)
        self.dropout = nn.Dropout(config.dropout)
        if config.plain:
            return
        self.gate = nn.Linear(parts * width + TIMES, config.hidden)
        self.value = nn.Linear(parts * width + TIMES, config.hidden)
        self.classify = nn.Linear(config.hidden, len(config.labels))
        self.arouse = nn.Linear(config.hidden, 1)
        self.intensify = nn.Linear(config.hidden, 1)  # how strongly it is expressed: only training asks

    def statistics_of(self, statistics: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        """Whisper's statistics [batch, STATISTICS], standardised, and normalised by the voice: [batch, views * STATISTICS]."""
        views = [((statistics - self.usual) / self.spread).clamp(-STATISTICS_CLAMP, STATISTICS_CLAMP)]
        if self.config.history:
            history = (inputs["history_mean"], inputs["history_square"], inputs["history_seconds"])
            views.append(self.normaliser(statistics, *history))
        return torch.cat(views, -1)

    def fused(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The fused vector [batch, parts * width + TIMES] (a part a modality, and what was heard), and Whisper's statistics,
        standardised and normalised by the voice [batch, views * STATISTICS]."""
        drop = self.dropout
        sound, sound_mask = inputs["whisper"], inputs["whisper_mask"]
        sound, statistics = self.whisper(sound, sound_mask)
        statistics = self.statistics_of(statistics, inputs) * sound_mask.any(1, keepdim=True)
        parts = self._attended(sound, sound_mask, inputs) if sound is not None else []
        if self.config.statistics:
            parts.append(nn.functional.relu(self.statistics(drop(statistics))))
        if self.config.pitch:
            tones = self.pitch_embedding(inputs["pitch"])
            tones = nn.functional.relu(self.pitch_project(drop(tones))) + self.pitch_age(inputs["pitch_age"])
            parts.append(self.pitch_pool(tones, inputs["pitch_mask"]))
        if self.config.spectral:
            mask = inputs["spectral_mask"]
            columns = nn.functional.relu(self.spectral_project(drop(inputs["spectral"])))
            columns = columns + self.spectral_age(inputs["spectral_age"])
            columns = columns + self.spectral_graph(columns, mask)
            parts.append(self.spectral_pool(columns, mask))
        heard = inputs["heard"]
        before = torch.log1p(inputs["history_seconds"]) / 5 if self.config.history else torch.zeros_like(heard)
        return torch.cat([*(drop(part) for part in parts), heard / 4, torch.exp(-heard), before], -1), statistics

    def _attended(self, sound: Tensor, sound_mask: Tensor, inputs: dict[str, Tensor]) -> list[Tensor]:
        """What MDAT makes of Whisper's nodes, and of the words: [batch, width] each."""
        drop = self.dropout
        sound = drop(sound) + self.whisper_age(inputs["whisper_age"])
        sound = sound + self.whisper_graph(sound, sound_mask)
        if self.config.text:
            words_mask = inputs["text_mask"]
            words = drop(self.text_project(inputs["text"])) + self.text_age(inputs["text_age"])
            words = words + self.text_graph(words, words_mask)
            sound, words = self.co_attention(sound, sound_mask, words, words_mask)
        sound = self.whisper_encoder(sound, sound_mask)
        parts = [self.whisper_pool(sound, sound_mask)]
        if self.config.text:
            parts.append(self.text_pool(self.text_encoder(words, words_mask), words_mask))
        return parts

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The inputs of the fusion graph as tensors -> logits [batch, labels], logits of arousal and intensity [batch]."""
        if self.config.plain:
            mask = inputs["whisper_mask"]
            statistics = self.statistics_of(self.whisper(inputs["whisper"], mask)[1], inputs) * mask.any(1, keepdim=True)
            return self.regression(statistics)
        z, statistics = self.fused(inputs)
        hidden = self.dropout(nn.functional.silu(self.gate(z)) * self.value(z))
        logits = self.classify(hidden)
        if self.config.linear:
            logits = logits + self.linear(self.dropout(statistics))
        return logits, self.arouse(hidden)[:, 0], self.intensify(hidden)[:, 0]

    def regression(self, statistics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs of a plain member, of statistics as `statistics_of` gives them; it knows nothing of intensity."""
        logits = self.linear(statistics) + self.offset
        arousal = torch.logsumexp(logits + self.high, -1) - torch.logsumexp(logits + self.low, -1)
        return logits, arousal, torch.zeros_like(arousal)


def smooth_table(count: int, width: int) -> Tensor:
    """A first embedding in which neighbouring bins are alike: sines of several periods; row 0 (unvoiced) stands apart."""
    position = torch.arange(count)[:, None] / count
    frequency = torch.exp(torch.linspace(0, math.log(24), width // 2))[None]
    table = torch.cat([torch.sin(math.pi * position * frequency), torch.cos(math.pi * position * frequency)], 1)
    table[0] = torch.randn(width)
    return table
