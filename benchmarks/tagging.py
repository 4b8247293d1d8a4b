"""`python -m benchmarks.tagging`: what a linear probe reads from frozen, mean-pooled spectral embeddings.

Three encoders on the same clips: the spectral network with random weights, as shipped, and YAMNet, its teacher.
ESC-10 (5 folds, accuracy; never heard by teacher or student) and RAVDESS (EmoBox's 6 folds, 8 classes). The shipped
encoder was taught the emotions of the RAVDESS actors of folds 3 to 6, so only folds 1 and 2, `ravdess_unseen`, are a
fair figure for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from export.spectral import PACK_FILE
from streamser.features.spectral import SpectralEncoder
from streamser.features.spectral_mel import COLUMN_SAMPLES, LOOK_AHEAD, columns_decibels
from train.corpora import Clip, read_audio, read_corpus

Embed = Callable[[np.ndarray], np.ndarray]
RAVDESS_FOLDS = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)
UNSEEN_FOLDS = (0, 1)


def random_encoder(seed: int) -> Embed:
    """The same architecture before any training; its front end is scaled by rough constants."""
    import torch

    from train.spectral.model import SIZES
    from train.spectral.model import SpectralEncoder as Network

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Network(SIZES["tiny"]).eval()
    network.mean.fill_(-20.0)
    network.deviation.fill_(20.0)

    def embed(samples: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(columns_decibels(samples))[None])[0].mean(dim=0).numpy()

    return embed


def shipped_encoder(path: Path) -> Embed:
    """The pack's graph, every clip a fresh stream."""
    encoder = SpectralEncoder.load(path)
    return lambda samples: encoder.stream().feed(samples).mean(axis=0)


def teacher_encoder() -> Embed:
    """YAMNet's 1024 numbers every 0.48 s."""
    from train.spectral.teacher import PATCH_SAMPLES, Yamnet

    teacher = Yamnet()

    def embed(samples: np.ndarray) -> np.ndarray:
        samples = np.pad(samples, (0, max(0, PATCH_SAMPLES - len(samples))))
        begins = range(0, len(samples) - PATCH_SAMPLES + 1, 7680)
        return np.mean([teacher(samples[begin : begin + PATCH_SAMPLES])[1] for begin in begins], axis=0)

    return embed


def embed_clips(embed: Embed, clips: list[Clip]) -> np.ndarray:
    """float32 [clips, width]; a clip shorter than one column is padded with silence."""
    least = COLUMN_SAMPLES + LOOK_AHEAD
    audio = (read_audio(clip.path) for clip in clips)
    return np.stack([embed(np.pad(samples, (0, max(0, least - len(samples))))) for samples in audio])


def probe(vectors: np.ndarray, labels: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Fit a standardised, balanced logistic regression on the rest, score it on `test` (a mask). Nothing is tuned."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000))
    guess = model.fit(vectors[~test], labels[~test]).predict(vectors[test])
    truth = labels[test]
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "uar": float(balanced_accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, average="macro")),
    }


def average(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([score[name] for score in scores])), 4) for name in scores[0]}


def evaluate(embed: Embed) -> dict[str, dict[str, float]]:
    """Mean scores over folds: `esc10`, `ravdess` (all folds) and `ravdess_unseen` (folds 1 and 2)."""
    sounds = read_corpus("esc10")
    vectors, labels = embed_clips(embed, sounds), np.array([clip.label_raw for clip in sounds])
    folds = np.array([clip.extra for clip in sounds])
    esc10 = [probe(vectors, labels, folds == fold) for fold in sorted(set(folds))]
    speech = read_corpus("ravdess")
    vectors, labels = embed_clips(embed, speech), np.array([clip.label_raw for clip in speech])
    actors = np.array([clip.speaker for clip in speech])
    ravdess = [probe(vectors, labels, np.isin(actors, fold)) for fold in RAVDESS_FOLDS]
    unseen = [ravdess[fold] for fold in UNSEEN_FOLDS]
    return {"esc10": average(esc10), "ravdess": average(ravdess), "ravdess_unseen": average(unseen)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tagging", description=__doc__)
    parser.add_argument("--encoder", type=Path, default=PACK_FILE, help="the spectral graph (default: the default pack's)")
    args = parser.parse_args()
    encoders = {"random": random_encoder(0), "trained": shipped_encoder(args.encoder), "yamnet": teacher_encoder()}
    results = {}
    print(f"{'encoder':10} {'ESC-10 acc':>11} {'RAVDESS UAR':>12} {'F1':>6} {'unseen UAR':>11} {'F1':>6}")
    for name, embed in encoders.items():
        scores = results[name] = evaluate(embed)
        all_folds, unseen = scores["ravdess"], scores["ravdess_unseen"]
        print(
            f"{name:10} {scores['esc10']['accuracy']:11.3f} {all_folds['uar']:12.3f} {all_folds['macro_f1']:6.3f} "
            f"{unseen['uar']:11.3f} {unseen['macro_f1']:6.3f}",
            flush=True,
        )
    print(json.dumps({"benchmark": "tagging", "encoder": args.encoder.name, **results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
