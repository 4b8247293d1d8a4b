"""Whisper: the encoder up to the emotion's middle layers, its rest where something is decoded, and what is made of the decoder.

The encoder hears a short context; the decoder loops on such a short one, so what it attends to is filled up to 30 s with the
encoder's own states of silence (docs/decisions.md 4).
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamser.clock import SAMPLE_RATE
from streamser.features.whisper_decoder import Decoder, Listening, Spoken, Written
from streamser.packs.whisper import GRAPH_FILES
from streamser.sessions import open_session, resolve_accelerator, warn_once

if TYPE_CHECKING:
    from streamser.features.ctranslate_decoder import CudaDecoder, CudaListening

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


class Whisper:
    """The shared networks; without state, safe to call from several threads."""

    def __init__(self, folder: Path, accelerator: str = "cpu") -> None:
        """Load from a folder made by `streamser.packs.whisper.resolve_whisper`."""
        from faster_whisper.feature_extractor import FeatureExtractor

        self._first, self._second = (open_session(folder / name, accelerator) for name in GRAPH_FILES[:2])
        self._outputs = [output.name for output in self._first.get_outputs()]
        self._onward = self._second.get_inputs()[0].name  # the layer from which the decoder's way goes on
        self._mel = FeatureExtractor(self._first.get_inputs()[0].shape[1])
        self.decoder = _open_decoder(folder, self._silent_states(folder), accelerator)

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
        return frozenset(self.decoder.languages)

    def encode(self, samples: np.ndarray) -> Encoding:
        """Encode float32 [n] at 16 kHz, n a multiple of 320, at most 30 s."""
        mel = self._mel(samples, padding=HOP)[:, : len(samples) // HOP]
        outputs = self._first.run(self._outputs, {"mel": np.ascontiguousarray(mel[None], np.float32)})
        return Encoding(np.concatenate(outputs))

    def last(self, encoding: Encoding) -> np.ndarray:
        """The encoder's last layer, float32 [T, width]: what the decoder attends to."""
        layer = self._outputs.index(self._onward)
        return np.asarray(self._second.run(None, {self._onward: encoding.layers[layer : layer + 1]})[0][0])

    def decode(self, encoding: Encoding, language: str | None, prior: dict[str, float], least_log_probability: float) -> Hypothesis:
        """Greedy transcript of an encoding, its words aligned in time.

        Args:
            encoding: of one stretch of speech.
            language: a code, or None to detect it.
            prior: log probabilities by language summed over the stream so far, added to the detection's.
            least_log_probability: a mean below it, where Whisper also thinks that nobody speaks, gives no words.
        """
        last = self.last(encoding)
        with self.decoder.listen(last) as heard:
            log_probabilities: dict[str, float] = {}
            if language is None:
                log_probabilities = heard.language_log_probabilities()
                language = max(log_probabilities, key=lambda code: log_probabilities[code] + prior.get(code, 0.0))
            written, looped = _written(heard, language, len(last) * FRAME / SAMPLE_RATE, least_log_probability)
            words = _joined(heard.words(written.tokens, language)) if written.tokens else ()
        return Hypothesis(words, language, log_probabilities, written.log_probability, written.no_speech, looped)


def _written(heard: Listening | CudaListening, language: str, seconds: float, least: float) -> tuple[Written, bool]:
    """A transcript, and whether the decoder looped: no tokens where it doubts that there is speech, or loops whatever one does."""
    limit = SPARE_TOKENS + round(MAX_TOKENS_PER_SECOND * seconds)
    for penalty in (1.0, LOOP_PENALTY):
        written, looped = heard.write(language, limit, penalty), penalty > 1.0
        if written.no_speech > MAX_NO_SPEECH and written.log_probability < least:
            break
        if written.ended:  # a decoder that lost its place repeats itself until it is stopped
            return written, looped
    return replace(written, tokens=[]), looped


def _joined(spoken: list[Spoken]) -> tuple[Word, ...]:
    """Punctuation belongs to the word before."""
    words: list[Word] = []
    for one in spoken:
        if words and not any(map(str.isalnum, one.text)):
            words[-1] = replace(words[-1], text=words[-1].text + one.text)
        elif one.text.strip():
            words.append(Word(one.text, one.start, one.end, one.probability))
    return tuple(words)


def _open_decoder(folder: Path, silence: np.ndarray, accelerator: str) -> Decoder | CudaDecoder:
    """CTranslate2's on CUDA, which needs cuBLAS 12 of its own; where that is missing, ours on the CPU, with a warning."""
    if resolve_accelerator(accelerator) == "cuda":
        import ctranslate2

        from streamser.cuda_libraries import MEND_DECODER, missing_decoder_libraries

        if ctranslate2.get_cuda_device_count() > 0:
            if not (lacking := missing_decoder_libraries()):
                from streamser.features.ctranslate_decoder import CudaDecoder

                return CudaDecoder(folder, silence, DECODINGS)
            warn_once(f"the transcript is decoded on the CPU: CTranslate2 lacks {', '.join(lacking)}: {MEND_DECODER}")
    return Decoder(folder, silence)
