"""Whisper: the encoder up to the emotion's middle layers, its rest where something is decoded, and faster-whisper's decoder.

The encoder hears a short context; the decoder loops on such a short one, so what it attends to is filled up to 30 s with the
encoder's own states of silence (docs/decisions.md 4).
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamser.clock import SAMPLE_RATE
from streamser.packs.whisper import GRAPH_FILES
from streamser.sessions import open_session, resolve_accelerator

HOP = 160  # samples a mel frame
FRAME = 320  # samples an encoder frame, 50 Hz
DECODER_FRAMES = 1500  # 30 s
MAX_TOKENS_PER_SECOND = 8  # fast speech has about 6; a decoder that loops has many more
SPARE_TOKENS = 8
MAX_NO_SPEECH = 0.6
LOOP_PENALTY = 1.3  # stops nearly every loop, at the price of a word here and there
SURE_LOG_PROBABILITY = -0.8  # words of a lower mean are doubted: half of those are wrong
SURE_NO_SPEECH = 0.8  # and of a higher probability that nobody speaks
SURE_LANGUAGE = 0.5  # and in a less probable language
DECODINGS = 2  # at once: successive ones of a recording overlap, and several streams' do
_SILENCE_FILE = "silence.npy"


@dataclass(frozen=True)
class Encoding:
    """Encoder outputs at 50 Hz: layers float32 [K, T, width], the middle layers that the pack's graph gives."""

    layers: np.ndarray


@dataclass(frozen=True)
class Word:
    """A word as the decoder writes it, with the space before it where the language has spaces; times in seconds.

    doubted: of a hypothesis that the decoder itself doubts: it is written down, and says nothing of emotion.
    """

    text: str
    start: float
    end: float
    probability: float
    doubted: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """What the decoder made of a stretch of audio; the words' times count from its start.

    log_probability: mean over the tokens. no_speech: the probability that nobody speaks. looped: the decoder repeated itself
    and had to be held back.
    """

    words: tuple[Word, ...]
    language: str
    language_log_probabilities: dict[str, float]
    log_probability: float = 0.0
    no_speech: float = 0.0
    looped: bool = False

    @property
    def language_probability(self) -> float:
        """Of the language in this stretch alone; 1 where it was given."""
        return float(np.exp(self.language_log_probabilities.get(self.language, 0.0)))

    @property
    def doubted(self) -> bool:
        """Whether the decoder doubts what it wrote, or that it is in this language at all."""
        unsure = self.log_probability < SURE_LOG_PROBABILITY or self.no_speech > SURE_NO_SPEECH
        return self.looped or unsure or self.language_probability < SURE_LANGUAGE


@dataclass(frozen=True)
class _Written:
    tokens: list[int]
    log_probability: float
    no_speech: float
    looped: bool


class Whisper:
    """The shared networks; without state, safe to call from several threads."""

    def __init__(self, folder: Path, accelerator: str = "cpu") -> None:
        """Load from a folder made by `streamser.packs.whisper.resolve_whisper`."""
        from faster_whisper import WhisperModel

        self._first, self._second = (open_session(folder / name, accelerator) for name in GRAPH_FILES)
        self._outputs = [output.name for output in self._first.get_outputs()]
        device = _decoder_device(accelerator)
        self._model = WhisperModel(
            str(folder),
            device=device,
            compute_type="int8" if device == "cpu" else "float16",
            cpu_threads=1,
            num_workers=DECODINGS,
            local_files_only=True,
        )
        self._silence = self._silent_states(folder)

    def _silent_states(self, folder: Path) -> np.ndarray:
        """The last layer on 30 s of silence, float32 [1500, width]: computed once (about a second) and kept beside the weights."""
        path = folder / _SILENCE_FILE
        with contextlib.suppress(OSError, ValueError):
            return np.asarray(np.load(path, allow_pickle=False), np.float32)
        states = self.last(self.encode(np.zeros(DECODER_FRAMES * FRAME, np.float32)))
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            np.save(file, states)
            Path(file.name).replace(path)
        return states

    @property
    def languages(self) -> frozenset[str]:
        """The codes that `language` may have."""
        return frozenset(self._model.supported_languages)

    def encode(self, samples: np.ndarray) -> Encoding:
        """Encode float32 [n] at 16 kHz, n a multiple of 320, at most 30 s."""
        mel = self._model.feature_extractor(samples, padding=HOP)[:, : len(samples) // HOP]
        outputs = self._first.run(self._outputs, {"mel": np.ascontiguousarray(mel[None], np.float32)})
        return Encoding(np.concatenate(outputs))

    def last(self, encoding: Encoding) -> np.ndarray:
        """The encoder's last layer, float32 [T, width]: what the decoder attends to."""
        return np.asarray(self._second.run(None, {self._outputs[-1]: encoding.layers[-1:]})[0][0])

    def decode(self, encoding: Encoding, language: str | None, prior: dict[str, float], least_log_probability: float) -> Hypothesis:
        """Greedy transcript of an encoding, its words aligned in time.

        Args:
            encoding: of one stretch of speech.
            language: a code, or None to detect it.
            prior: log probabilities by language summed over the stream so far, added to the detection's.
            least_log_probability: a mean below it, where Whisper also thinks that nobody speaks, gives no words.
        """
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        last = self.last(encoding)
        states = _storage(np.concatenate([last, self._silence[len(last) :]]))
        log_probabilities: dict[str, float] = {}
        if language is None:
            log_probabilities = self._detect(states)
            language = max(log_probabilities, key=lambda code: log_probabilities[code] + prior.get(code, 0.0))
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
        written = self._generate(tokenizer, states, len(last) * FRAME / SAMPLE_RATE, least_log_probability)
        words = self._align(tokenizer, written.tokens, states, len(last)) if written.tokens else ()
        return Hypothesis(words, language, log_probabilities, written.log_probability, written.no_speech, written.looped)

    def _generate(self, tokenizer: Any, states: object, seconds: float, least: float) -> _Written:
        """The tokens of a transcript; none where the decoder doubts that there is speech, or loops whatever one does."""
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        limit = SPARE_TOKENS + round(MAX_TOKENS_PER_SECOND * seconds)
        for penalty in (1.0, LOOP_PENALTY):
            result = self._model.model.generate(
                states,
                [prompt],
                beam_size=1,
                repetition_penalty=penalty,
                max_length=len(prompt) + limit,
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
            score, no_speech, looped = float(result.scores[0]), float(result.no_speech_prob), penalty > 1.0
            if no_speech > MAX_NO_SPEECH and score < least:
                break
            tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
            if len(tokens) < limit:  # a decoder that lost its place repeats itself until it is stopped
                return _Written(tokens, score, no_speech, looped)
        return _Written([], score, no_speech, looped)

    def _detect(self, states: object) -> dict[str, float]:
        found = self._model.model.detect_language(states)[0]
        return {token.strip("<|>"): float(np.log(max(probability, 1e-10))) for token, probability in found}

    def _align(self, tokenizer: Any, tokens: list[int], states: object, frames: int) -> tuple[Word, ...]:
        words: list[Word] = []
        for found in self._model.find_alignment(tokenizer, [tokens], states, 2 * frames)[0]:
            word = Word(found["word"], float(found["start"]), float(found["end"]), float(found["probability"]))
            if words and not any(map(str.isalnum, word.text)):  # punctuation belongs to the word before
                words[-1] = replace(words[-1], text=words[-1].text + word.text)
            elif word.text.strip():
                words.append(word)
        return tuple(words)


def _storage(states: np.ndarray) -> object:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(states[None], np.float32))


def _decoder_device(accelerator: str) -> str:
    """CTranslate2 needs cuBLAS 12 of its own: with `auto`, where that is missing, the decoder stays on the CPU."""
    import ctranslate2

    if resolve_accelerator(accelerator) == "cuda" and ctranslate2.get_cuda_device_count() > 0:
        from streamser.cuda_libraries import missing_decoder_libraries

        if not missing_decoder_libraries():
            return "cuda"
    return "cpu"
