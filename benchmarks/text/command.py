"""What words add to the voice, whole streams over spoken sentences: `python -m benchmarks.text`.

MELD test and GoEmotions test sentences of the seven labels, spoken flat by espeak-ng and flite (`apt-get install espeak-ng flite`),
recognition errors and all: macro-F1 of the utterances with the sound alone (`--no-transcript`), with words in the fusion graph
(MDAT taught with pseudo-pairs), with words joined late, with both, and of the words alone; then what each costs on the test
speakers of the acted corpora, and whom it follows where voice and words contradict each other. `uncertain` counts as wrong; in
brackets the argmax. `--choose` chooses how words join, on development data, and writes `words.json` for `export pack`. What is
heard is kept under STREAMSER_CACHE; the acted corpora's features are those of `python -m train features`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.text.choose import as_fields, best, candidates
from benchmarks.text.figures import ALONE, BOTH, EXPRESSIVE, GRAPH, LATE, Judges, Score, print_conflicts, print_scores
from benchmarks.text.material import DEVELOPMENT, TESTS, Amounts, acted_sets, conflict_set, spoken_set
from benchmarks.text.verify import largest_difference
from benchmarks.text.voices import PROSODIES, require_synthesisers
from streamser import Recognizer
from streamser.packs.manifest import WordSettings
from train.machine import machine_card
from train.whisper import PACK

WORDS_FILE = PACK / "words.json"
VERIFIED = 14  # sentences
LEAST_GAIN, MOST_COST, LEAST_VOICE = 0.10, 0.005, 0.5  # bars


def shipped(settings: WordSettings) -> str:
    """The way of joining that these settings are."""
    return {(False, False): ALONE, (True, False): GRAPH, (False, True): LATE, (True, True): BOTH}[
        settings.in_fusion, settings.weight > 0
    ]


def choose(recognizer: Recognizer, amounts: Amounts, path: Path) -> int:
    spoken = spoken_set(recognizer, DEVELOPMENT, amounts.development)
    acted = acted_sets(recognizer, "validation", amounts.validation_clips)
    found = candidates(recognizer, spoken.heard, acted)
    sizes = {DEVELOPMENT: len(spoken.heard), **{name: len(clips) for name, clips in acted.items()}}
    print(f"{sizes}; WER {100 * spoken.word_error_rate():.1f} %; cost in points of macro-F1 on {', '.join(acted)}")
    print(*(entry.line() for entry in found), sep="\n")
    chosen = best(found)
    print(f"chosen: {chosen.line()}")
    fields = as_fields(chosen, {"clips": sizes})
    path.write_text(json.dumps(fields, indent=1) + "\n")
    print(json.dumps({"benchmark": "text --choose", "written": path.name, **fields, "machine": machine_card()}))
    return 0


def bars(way: str, spoken: dict[str, dict[str, Score]], acted: dict[str, dict[str, Score]], conflicts: dict[str, Any]) -> list[Any]:
    """(bar, met) of the way that ships."""
    found: list[Any] = []
    for name, scores in spoken.items():
        gain = scores[way].gain
        found.append((f"{way} beats the sound alone on {name} by at least 10 points: {100 * gain:+.1f}", gain >= LEAST_GAIN))
    for name, scores in acted.items():
        cost = -scores[way].gain
        found.append((f"{way} costs {name} at most 0.5 points: {100 * cost:+.2f}", cost <= MOST_COST))
    if way != ALONE:
        for kind in (*PROSODIES, EXPRESSIVE):
            share = conflicts[kind][way]["voice"]
            found.append((f"the voice decides against contrary words, {kind}: {100 * share:.0f} %", share > LEAST_VOICE))
    return found


def main() -> int:
    """Print the tables and bars, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--choose", action="store_true", help="choose how words join, on development data, and write it")
    parser.add_argument("-o", "--output", type=Path, default=WORDS_FILE, help="where --choose writes (%(default)s)")
    parser.add_argument("--words", type=Path, metavar="JSON", help="figures for these settings instead of the pack's")
    parser.add_argument("--sentences", type=int, default=Amounts.test, help="of each label and test set (%(default)s)")
    parser.add_argument(
        "--skip", type=int, default=0, help="leave out so many of each first: a sample that nobody looked at before"
    )
    parser.add_argument("--clips", type=int, default=Amounts.test_clips, help="of each acted corpus at most (%(default)s)")
    args = parser.parse_args()
    require_synthesisers()
    recognizer = Recognizer.load(args.pack, accelerator="cpu")
    amounts = replace(Amounts(), test=args.sentences, skipped=args.skip, test_clips=args.clips)
    if args.choose:
        return choose(recognizer, amounts, args.output)
    settings = recognizer.pack.words
    if args.words:
        fields = json.loads(args.words.read_text())
        settings = WordSettings(**{name: fields[name] for name in ("weight", "temperature", "prior", "in_fusion")})
    judges, way = Judges(recognizer, settings), shipped(settings)
    print(f"settings of the words: {settings}: {way}")
    results: dict[str, Any] = {}
    spoken, acted = {}, {}
    for name in TESTS:
        entry = spoken_set(recognizer, name, amounts.test, amounts.skipped)
        spoken[name] = judges.scores(entry.heard)
        rate = entry.word_error_rate()
        results[name] = {**print_scores(name, entry.heard, spoken[name], f", WER {100 * rate:.1f} %"), "wer": round(rate, 4)}
    for name, clips in acted_sets(recognizer, "test", amounts.test_clips).items():
        acted[name] = judges.scores(clips)
        results[name] = print_scores(f"{name}, test speakers", clips, acted[name])
    if not args.words:
        compared, worst = largest_difference(
            recognizer, spoken_set(recognizer, TESTS[0], amounts.test, amounts.skipped), TESTS[0], VERIFIED
        )
        print(
            f"\nthe same through Recognizer: {compared} utterances of {TESTS[0]}, largest difference of a probability {worst:.4f}"
        )
        results["end_to_end"] = {"utterances": compared, "largest_difference": round(worst, 5)}
    conflicts = print_conflicts(conflict_set(recognizer, amounts.conflict), judges)
    verdicts = bars(way, spoken, acted, conflicts)
    print("\nbars")
    for line, met in verdicts:
        print(f"{'met    ' if met else 'not met'} {line}")
    report = {
        "benchmark": "text",
        "settings": asdict(settings),
        "ships": way,
        "results": results,
        "conflicts": conflicts,
        "verdicts": [{"bar": line, "met": bool(met)} for line, met in verdicts],
        "machine": machine_card(),
    }
    print(json.dumps(report, default=float))
    return 0
