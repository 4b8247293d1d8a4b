"""Whisper's decoder in CTranslate2 on CUDA, through faster-whisper: the same words, from whole states filled up with silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from streamser.features.whisper_decoder import Spoken, Written

_LEAST_PROBABILITY = 1e-10  # float16 rounds to nothing what is smaller


class CudaDecoder:
    """The model on the GPU; safe to call from several threads."""

    device = "cuda"

    def __init__(self, folder: Path, silence: np.ndarray, decodings: int) -> None:
        """silence: encoder states float32 [frames, width]. decodings: how many may run at once."""
        self.model = WhisperModel(
            str(folder), device="cuda", compute_type="float16", cpu_threads=1, num_workers=decodings, local_files_only=True
        )
        self._silence = silence

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.model.supported_languages)

    @contextmanager
    def listen(self, states: np.ndarray) -> Iterator[CudaListening]:
        """Decode a stretch by its encoder states float32 [T, width]."""
        whole = np.concatenate([states, self._silence[len(states) :]])[None]
        yield CudaListening(self.model, ctranslate2.StorageView.from_array(np.ascontiguousarray(whole, np.float32)), len(states))


class CudaListening:
    """One decoding; as `whisper_decoder.Listening`."""

    def __init__(self, model: WhisperModel, states: ctranslate2.StorageView, frames: int) -> None:
        self._model = model
        self._states = states
        self._frames = frames

    def language_log_probabilities(self) -> dict[str, float]:
        found = self._model.model.detect_language(self._states)[0]
        return {token.strip("<|>"): float(np.log(max(probability, _LEAST_PROBABILITY))) for token, probability in found}

    def write(self, language: str, limit: int, penalty: float) -> Written:
        tokenizer = self._tokenizer(language)
        result = self._model.model.generate(
            self._states,
            [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
            beam_size=1,
            repetition_penalty=penalty,
            max_length=2 * limit,  # CTranslate2 writes half as many tokens as this at most
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        return Written(tokens, float(result.scores[0]), float(result.no_speech_prob), len(tokens) < limit)

    def words(self, tokens: Sequence[int], language: str) -> list[Spoken]:
        found = self._model.find_alignment(self._tokenizer(language), [list(tokens)], self._states, 2 * self._frames)[0]
        return [Spoken(one["word"], float(one["start"]), float(one["end"]), float(one["probability"])) for one in found]

    def _tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language)
