"""Two ways for words to join the sound: an MDAT taught with pseudo-pairs, and late fusion with a text network taught alone.

Both hear the same clips and read the same sentences. `benchmarks.text` asks the same of whole streams, where words are spoken.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from streamser.features.text import TextEncoder
from streamser.late_fusion import LateFusion
from streamser.packs.manifest import WordSettings
from train.corpora import LABELS
from train.encoders.registry import fingerprint
from train.experiments import grids
from train.experiments.cells import Cell, Outcome, outcome_of
from train.experiments.cells import experiment_folder as folder_of
from train.systems.runs import Run
from train.systems.scores import Predictions
from train.systems.words import NO_SENTENCE, PAIR_SHARES, chosen_sentences
from train.whisper import PACK

TITLE = "Words: an MDAT taught with pseudo-pairs, and late fusion of a text network"
DATA = grids.DATA_LINE + (
    f" Pairs: {', '.join(f'{share:.0%} {kind}' for kind, share in PAIR_SHARES.items())}. Late fusion: the sound's log posterior "
    "and a weight times what the words say, by the default pack's text network (GoEmotions); the weight is chosen on validation. "
    "Differences are those of `words`."
)
PAIRED, LATE, LATE_NEUTRAL = "MDAT taught with pairs", "late fusion", "late fusion, neutral counts as any label"
REFERENCE = ALONE = "sound alone"
COLUMNS = ("words join",)
SCORES, RECIPE = (grids.WORDS, *grids.SCORES), grids.RECIPE
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
DEAF = {"features.text": "", "data.words": "none"}


def cells(seeds: list[int]) -> list[Cell]:
    how = {ALONE: "never", PAIRED: "in the fusion", LATE: "late", LATE_NEUTRAL: "late"}
    return [Cell(name, seed, {"words join": joined}) for name, joined in how.items() for seed in seeds]


def run(cell: Cell) -> Outcome:
    """The late fusions share the training of the sound alone."""
    if cell.name == PAIRED:
        return grids.outcome_of_run(cell, grids.trained(grids.config_of({}, cell.seed)))
    alone = grids.trained(grids.config_of(DEAF, cell.seed))
    if cell.name == ALONE:
        heard = grids.outcome_of_run(cell, alone)
        same = {grids.SOUND: heard.by_speaker[grids.SOUND], grids.WORDS: heard.by_speaker[grids.SOUND]}
        scored = outcome_of(cell, same, heard.parameters, heard.seconds)
        return replace(scored, scores={**heard.scores, **scored.scores})
    weight = max(WEIGHTS, key=lambda tried: grids.macro_f1(grids.tables_of(joined(alone, "validation", cell.name, tried))))
    test, validation = (joined(alone, split, cell.name, weight) for split in ("test", "validation"))
    found = grids.outcome_of_run(cell, alone)
    by_speaker = {**found.by_speaker, grids.WORDS: grids.tables_of(test)}
    scores = {grids.VALIDATION: grids.macro_f1(grids.tables_of(validation)), "weight": weight}
    together = outcome_of(cell, by_speaker, found.parameters, found.seconds)
    return replace(together, scores={**together.scores, **scores})


def joined(alone: Run, split: str, name: str, weight: float) -> Predictions:
    """What sound and words say together, log posteriors that are not normalised."""
    heard = alone.predictions(split)
    spread_neutral = name == LATE
    return replace(heard, log_posteriors=heard.log_posteriors + weight * evidence(split, spread_neutral))


@functools.cache
def evidence(split: str, spread_neutral: bool) -> np.ndarray:
    """What the words of each clip say, float64 [clips, labels]; zeros without words.

    spread_neutral: neutral words say nothing about the voice, as in the runtime.
    """
    paired = grids.config_of({}, 1)
    rows = np.concatenate([part.sentences for part in grids.DATA_READ.parts(paired, split) if part.sentences is not None])
    probabilities = sentence_probabilities(split)
    if spread_neutral:
        late = LateFusion(WordSettings(weight=1.0), LABELS, LABELS)
        said = np.stack([late.evidence(entry) for entry in probabilities])
    else:
        said = np.log(probabilities + 1e-3)
    return np.asarray(np.where((rows == NO_SENTENCE)[:, None], 0.0, said[rows]))


def sentence_probabilities(split: str) -> np.ndarray:
    """What the default pack's text network says of the sentences of a bank, float32 [sentences, labels]; kept."""
    path = folder_of("text") / f"{fingerprint('minilm')[:12]}-{split}.npy"
    if not path.exists():
        encoder = TextEncoder.load(PACK)
        columns = [encoder.labels.index(label) for label in LABELS]
        texts, _ = chosen_sentences(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([_said(encoder, text)[columns] for text in texts]))
    return np.asarray(np.load(path))


def _said(encoder: TextEncoder, text: str) -> np.ndarray:
    found = encoder.encode(text, "en").probabilities
    return np.full(len(encoder.labels), 1 / len(encoder.labels), np.float32) if found is None else found
