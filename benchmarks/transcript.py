"""Word error rate of the streamed transcript on RAVDESS, whose two sentences are known, as `python -m benchmarks.transcript`.

Three conditions: every clip a stream of its own; clips joined without pauses (trimmed to their speech); and, with
`--decoders`, the context that the decoder attends to (docs/decisions.md 4). Both texts pass Whisper's English normaliser.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

import jiwer
import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

from streamser import Recognizer
from streamser.events import UtteranceEvent
from streamser.features.voice_activity import FRAME
from streamser.features.whisper import DECODER_FRAMES
from streamser.features.whisper_decoder import Decoder
from streamser.transcript import LEAST_LOG_PROBABILITY
from train.corpora import Clip, read_audio, read_corpus
from train.machine import machine_card
from train.whisper import whisper_folder

SENTENCES = {"stmt01": "kids are talking by the door", "stmt02": "dogs are sitting by the door"}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
normalise = EnglishTextNormalizer()


def plain(text: str) -> str:
    """Whisper's English normaliser, and then every digit spelt out."""
    return " ".join(re.sub(r"\d", lambda digit: f" {DIGITS[int(digit[0])]} ", normalise(text)).split())


def reference(clip: Clip) -> str:
    return SENTENCES[clip.extra.split(";")[1]]


def streamed_text(recognizer: Recognizer, samples: np.ndarray, language: str) -> str:
    """What the utterance events of one stream say in order."""
    stream = recognizer.stream(language=language)
    events = stream.feed(samples) + stream.finish()
    return " ".join(event.text for event in events if isinstance(event, UtteranceEvent))


def trimmed(recognizer: Recognizer, samples: np.ndarray) -> np.ndarray:
    """A clip from its first to its last frame of speech."""
    speech = np.flatnonzero(recognizer.features.voice_activity.stream().feed(samples).probability >= 0.5)
    return samples[max(speech[0] - 1, 0) * FRAME : (speech[-1] + 2) * FRAME]


def error_rate(references: list[str], hypotheses: list[str]) -> float:
    return float(jiwer.wer([plain(text) for text in references], [plain(text) for text in hypotheses]))


def compare_decoders(recognizer: Recognizer, clips: list[Clip]) -> None:
    """Error rate and time of one decoding a clip, by what follows the clip's own encoder states."""
    whisper = recognizer.features.whisper
    heard = [trimmed(recognizer, read_audio(clip.path)) for clip in clips]
    encodings = [whisper.encode(np.pad(samples, (0, -len(samples) % 320))) for samples in heard]
    silence = whisper.last(whisper.encode(np.zeros(DECODER_FRAMES * 320, np.float32)))
    decoder = whisper.decoder
    print(f"{'states attended to':24} {'WER %':>7} {'ms a clip':>10}")
    try:
        for length in (1500, 1000, 800, 500):
            whisper.decoder = Decoder(whisper_folder(), silence[:length])
            begun = time.perf_counter()
            hypotheses = [whisper.decode(encoding, "en", {}, LEAST_LOG_PROBABILITY[True]) for encoding in encodings]
            spent = 1000 * (time.perf_counter() - begun) / len(clips)
            texts = ["".join(word.text for word in hypothesis.words) for hypothesis in hypotheses]
            rate = error_rate([reference(clip) for clip in clips], texts)
            print(f"clip + silence to {length:<6} {100 * rate:7.1f} {spent:10.0f}", flush=True)
    finally:
        whisper.decoder = decoder


def measured(name: str, work: Callable[[], tuple[list[str], list[str]]], seconds: float) -> dict[str, float]:
    begun = time.perf_counter()
    references, hypotheses = work()
    figures = {"wer": error_rate(references, hypotheses), "real_time_factor": (time.perf_counter() - begun) / seconds}
    wrong = [text for text, right in zip(hypotheses, references, strict=True) if plain(text) != plain(right)]
    print(f"{name:36} WER {100 * figures['wer']:5.2f} %   real-time factor {figures['real_time_factor']:.2f}   wrong: {wrong[:4]}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--clips", type=int, default=0, help="take so many clips at random (default: all of the test actors)")
    parser.add_argument("--joined", type=int, default=20, help="clips in the joined stream")
    parser.add_argument("--language", default="en")
    parser.add_argument("--decoders", action="store_true", help="also compare decoding contexts")
    args = parser.parse_args()
    recognizer = Recognizer.load(args.pack)
    clips = [clip for clip in read_corpus("ravdess") if clip.speaker in ("01", "11", "20", "21")]
    random.Random(0).shuffle(clips)
    clips = clips[: args.clips] if args.clips else clips
    audio = [read_audio(clip.path) for clip in clips]
    references = [reference(clip) for clip in clips]
    results: dict[str, Any] = {"machine": machine_card(), "clips": len(clips), "language": args.language}
    seconds = sum(map(len, audio)) / 16_000
    results["clips_as_streams"] = measured(
        f"{len(clips)} clips, each a stream",
        lambda: (references, [streamed_text(recognizer, samples, args.language) for samples in audio]),
        seconds,
    )
    rates = []
    for first in range(0, min(len(clips), 3 * args.joined), args.joined):
        part = slice(first, first + args.joined)
        joined = np.concatenate([trimmed(recognizer, samples) for samples in audio[part]])
        text = [streamed_text(recognizer, joined, args.language)]
        whole = [" ".join(references[part])]
        rates.append(error_rate(whole, text))
        name = f"clips {first}-{part.stop - 1} joined, {len(joined) / 16_000:.0f} s"
        print(f"{name:36} WER {100 * rates[-1]:5.2f} %   {text[0]}", flush=True)
    results["joined"] = {"wer": float(np.mean(rates)), "each": rates}
    print(f"joined without pauses: mean WER {100 * float(np.mean(rates)):.2f} %")
    if args.decoders:
        compare_decoders(recognizer, clips)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
