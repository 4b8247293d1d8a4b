"""What the words say: token embeddings and emotion probabilities of a transcript, from a sentence network (MiniLM)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from streamser.errors import PackError
from streamser.sessions import open_session

WIDTH = 384
MAX_TOKENS = 128  # with the two marks that frame a text
MAX_CHARACTERS = 4_000  # of the end of a text; far more than MAX_TOKENS tokens of speech, and a bound on the tokenizer's work
LANGUAGE = "en"
FRAME = 2  # tokens: [CLS] before and [SEP] after the words
_STRAIGHT = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "...", "\u2013": "-", "\u2014": "-"}
)


def normalise_text(text: str) -> str:
    """Straight quotes and dashes, single spaces: the vocabulary tells apart what recognisers and people mix."""
    return " ".join(text.translate(_STRAIGHT).split())


@dataclass(frozen=True)
class TextFeatures:
    """The features of one text.

    tokens: float32 [n, 384], the last hidden state, [CLS] and [SEP] included; n = 0 where there is no usable text.
    probabilities: float32 [7] in the order of the network's labels, calibrated; None where there is no usable text.
    """

    tokens: np.ndarray
    probabilities: np.ndarray | None


class TextEncoder:
    """The network and its tokenizer: stateless, shared between streams and threads. `labels` are the network's, in order."""

    def __init__(self, graph: str | Path, tokenizer: str | Path, accelerator: str = "cpu", threads: int = 1) -> None:
        """Open `text.onnx` and `tokenizer.json`.

        Raises:
            PackError: a file is missing or is not what it should be.
            AcceleratorError: CUDA was asked for and is not to be had.
        """
        for path in (Path(graph), Path(tokenizer)):
            if not path.is_file():
                raise PackError(f"the text network lacks {path.name}: nothing at {path}")
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # tokenizers raises bare Exceptions
            raise PackError(f"{Path(tokenizer).name} is not a tokenizer that can be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        frame = self._tokenizer.encode("").ids
        unknown = self._tokenizer.token_to_id("[UNK]")
        if len(frame) != FRAME or unknown is None:
            raise PackError(f"{Path(tokenizer).name} does not belong to this network: it lacks [CLS], [SEP] or [UNK]")
        self._first, self._last = frame
        self._unknown = unknown
        self._session = open_session(graph, accelerator, threads)
        self.labels = tuple(self._session.get_modelmeta().custom_metadata_map.get("labels", "").split())
        if not self.labels:
            raise PackError(f"{Path(graph).name} does not name its labels: export it again with `python -m export text`")

    @classmethod
    def load(cls, folder: str | Path, accelerator: str = "cpu", threads: int = 1) -> TextEncoder:
        """Open the `text.onnx` and `tokenizer.json` of a pack's folder; errors as in the constructor."""
        return cls(Path(folder) / "text.onnx", Path(folder) / "tokenizer.json", accelerator, threads)

    def token_ids(self, text: str) -> np.ndarray:
        """The token numbers of a text's end, int64 [n <= 128], framed by [CLS] and [SEP]; n = 0 without usable words.

        Text is usable when at least half of its tokens are in the vocabulary, and one of these holds a letter.
        """
        encoded = self._tokenizer.encode(normalise_text(text[-MAX_CHARACTERS:]), add_special_tokens=False)
        ids, tokens = encoded.ids[FRAME - MAX_TOKENS :], encoded.tokens[FRAME - MAX_TOKENS :]
        known = [token for number, token in zip(ids, tokens, strict=True) if number != self._unknown]
        if 2 * len(known) < len(ids) or not any(character.isalpha() for token in known for character in token):
            return np.empty(0, np.int64)
        return np.array([self._first, *ids, self._last], np.int64)

    def encode(self, text: str, language: str | None) -> TextFeatures:
        """The features of the last 128 tokens of a text.

        Args:
            text: what was said so far.
            language: its code; the network reads English only, so anything but `en` gives no features.
        """
        ids = self.token_ids(text) if language == LANGUAGE else np.empty(0, np.int64)
        if not ids.size:
            return TextFeatures(np.empty((0, WIDTH), np.float32), None)
        tokens, logits = self._session.run(["tokens", "logits"], {"ids": ids})
        shares = np.exp(logits - logits.max())
        return TextFeatures(tokens, (shares / shares.sum()).astype(np.float32))
