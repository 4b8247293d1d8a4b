"""`python -m train text`: fit a head on the frozen sentence network, fine-tune both, calibrate, keep the better one.

The seed fixes the result on one machine with one torch. One thread; about 25 minutes on a laptop's core.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from streamser.features.text import normalise_text
from train.corpora import LABELS, cache_root
from train.text.measures import calibrate, report, scores
from train.text.network import TextModel, TextNetwork, load_minilm
from train.text.sentences import Sentence, as_spoken, augmented, named, read_goemotions, read_meld_test, targets_of

MAX_TRAINING_TOKENS = 48
TRAINED_LAYERS = 4  # of 6; the two below and the embeddings stay: a third less work
BATCH = 32
EMBEDDING_BATCH = 64
LAYER_RATE, HEAD_RATE = 1e-4, 3e-4
WEIGHT_DECAY = 0.01
WARM_UP = 0.06  # of all steps
LOG_EVERY = 100


def checkpoint_path() -> Path:
    """Where the better of the two models is kept."""
    return cache_root() / "text" / "text.pt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)


def framed_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token numbers of each text, its last MAX_TRAINING_TOKENS, framed."""
    first, last = tokenizer.encode("").ids
    encoded = tokenizer.encode_batch([normalise_text(text) for text in texts], add_special_tokens=False)
    return [[first, *entry.ids[2 - MAX_TRAINING_TOKENS :], last] for entry in encoded]


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """ids int64 [batch, longest] padded with 0, mask bool [batch, longest]."""
    longest = max(map(len, ids))
    mask = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in ids])
    return torch.tensor([row + [0] * (longest - len(row)) for row in ids]), mask


def length_batches(ids: list[list[int]], size: int, chance: random.Random) -> list[list[int]]:
    """Row numbers in batches of like length, the batches in random order."""
    order = sorted(range(len(ids)), key=lambda row: (len(ids[row]), chance.random()))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    chance.shuffle(batches)
    return batches


@torch.inference_mode()
def outputs_of(network: TextNetwork, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """pooled float32 [sentences, 384] and logits float32 [sentences, 7]."""
    network.eval()
    pooled, logits = (
        np.empty((len(ids), network.head.in_features), np.float32),
        np.empty((len(ids), len(LABELS)), np.float32),
    )
    for rows in length_batches(ids, EMBEDDING_BATCH, random.Random(0)):
        _, batch_pooled, batch_logits = network(*padded([ids[row] for row in rows]))
        pooled[rows], logits[rows] = batch_pooled.numpy(), batch_logits.numpy()
    return pooled, logits


def fit_head(network: TextNetwork, pooled: np.ndarray, targets: np.ndarray) -> None:
    """Logistic regression of the targets on frozen embeddings, by L-BFGS; the head is changed in place."""
    x, y = torch.from_numpy(pooled), torch.from_numpy(targets)
    optimiser = torch.optim.LBFGS(network.head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network.head(x), y) + 1e-5 * network.head.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)


def rate_at(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warm_up = max(1, round(WARM_UP * steps))
    return (step + 1) / warm_up if step < warm_up else 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def trained_parameters(network: TextNetwork) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The upper layers' and the head's parameters; all others are frozen, so that no gradient reaches below them."""
    network.requires_grad_(False)
    upper = network.layers[-TRAINED_LAYERS:].requires_grad_(True)
    network.head.requires_grad_(True)
    return list(upper.parameters()), list(network.head.parameters())


def fine_tune(model: TextModel, train: list[Sentence], seed: int, epochs: int, after_epoch: Callable[[int], None]) -> None:
    """Train the upper layers and the head, on fresh augmentations every epoch."""
    network, tokenizer, chance = model.network, model.tokenizer(), random.Random(seed)
    upper, head = trained_parameters(network)
    rates = (LAYER_RATE, HEAD_RATE)
    optimiser = torch.optim.AdamW([{"params": upper}, {"params": head}], weight_decay=WEIGHT_DECAY)
    targets = torch.from_numpy(targets_of(train))
    steps = epochs * math.ceil(len(train) / BATCH)
    step, running, started = 0, 0.0, time.monotonic()
    for epoch in range(epochs):
        ids = framed_ids(tokenizer, [augmented(sentence, chance).text for sentence in train])
        network.train()
        for rows in length_batches(ids, BATCH, chance):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * rate_at(step, steps)
            _, _, logits = network(*padded([ids[row] for row in rows]))
            loss = nn.functional.cross_entropy(logits, targets[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(upper, 1.0)
            optimiser.step()
            running, step = running + loss.item(), step + 1
            if step % LOG_EVERY == 0:
                seconds = time.monotonic() - started
                print(f"step {step}/{steps} loss {running / LOG_EVERY:.4f} {seconds:.0f} s", flush=True)
                running = 0.0
        after_epoch(epoch + 1)


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    train, dev, test, meld = (*(read_goemotions(split) for split in ("train", "dev", "test")), read_meld_test())
    spoken = [Sentence(as_spoken(named(s.text), punctuation=False) or s.text, s.target) for s in test]
    sets = {"goemotions_dev": dev, "goemotions_test": test, "goemotions_test_as_spoken": spoken, "meld_test": meld}
    prior = targets_of(train).mean(0)
    model = load_minilm()
    tokenizer = model.tokenizer()
    ids = {name: framed_ids(tokenizer, [named(s.text) for s in sentences]) for name, sentences in sets.items()}
    best = -1.0

    def keep_if_better(stage: str) -> None:
        nonlocal best
        logits = outputs_of(model.network, ids["goemotions_dev"])[1]
        calibration = calibrate(logits, dev, prior)
        figures = report(logits, dev, calibration)
        print(json.dumps({"stage": stage, "set": "goemotions_dev", **figures}), flush=True)
        macro_f1 = scores(calibration.apply(logits), dev)["macro_f1"]
        if macro_f1 > best:
            best = macro_f1
            checkpoint_path().parent.mkdir(parents=True, exist_ok=True)
            kept = {"stage": stage, "seed": args.seed, "dev": figures, "calibration": asdict(calibration)}
            torch.save({**kept, "tokenizer": tokenizer.to_str(), "network": model.network.state_dict()}, checkpoint_path())

    def evaluate(stage: str) -> None:
        calibration = calibrate(outputs_of(model.network, ids["goemotions_dev"])[1], dev, prior)
        for name in list(sets)[1:]:
            figures = report(outputs_of(model.network, ids[name])[1], sets[name], calibration)
            print(json.dumps({"stage": stage, "set": name, **figures}), flush=True)

    train_ids = framed_ids(tokenizer, [named(sentence.text) for sentence in train])
    fit_head(model.network, outputs_of(model.network, train_ids)[0], targets_of(train))
    keep_if_better("frozen")
    evaluate("frozen")
    fine_tune(model, train, args.seed, args.epochs, lambda epoch: keep_if_better(f"epoch {epoch}"))
    kept = torch.load(checkpoint_path(), weights_only=True)
    model.network.load_state_dict(kept["network"])
    evaluate(f"kept: {kept['stage']}")
    print(f"kept in {checkpoint_path()}")
    return 0
