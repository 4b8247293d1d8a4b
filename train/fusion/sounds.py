"""`python -m train sounds`: what the pack needs beside its members: a voice print, and whether a sound is emotional speech at all.

Saved as `sounds.pt` beside the members' checkpoints; `python -m export fusion` takes it from there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.checkpoints import read_checkpoint
from train.collection import MEETINGS, OTHER_PASSES, OTHER_SOUNDS, Collection, training_collections
from train.corpora import TRAINING_CORPORA
from train.fusion.data import TrainingSet, checkpoint_folder
from train.fusion.ensemble import KnownSound, VoicePrint
from train.fusion.histories import histories_of
from train.fusion.inputs import load_inputs
from train.fusion.known import logits_of, sounds_of, train_known
from train.fusion.voices import distances, voice_print, voice_threshold
from train.training_streams import FRESH_PASSES

FILE = "sounds.pt"


def load_sounds(path: Path) -> tuple[VoicePrint, KnownSound, dict[str, Any]]:
    """The two networks and what is known of them: figures, and the mean of the nodes that they were trained with (`standard`).

    Raises:
        SystemExit: there is no such checkpoint.
    """
    saved = read_checkpoint(path, "sounds", "voice")
    voice, known = VoicePrint(), KnownSound()
    voice.load_state_dict(saved["voice"])
    known.load_state_dict(saved["known"])
    return voice.eval(), known.eval(), {**saved["told"], "standard": saved.get("standard")}


def rounded(network: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(value.half().float())
    return network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--leave-out", nargs="+", choices=TRAINING_CORPORA, default=[], help="train without these, as the members")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    corpora = [corpus for corpus in TRAINING_CORPORA if corpus not in args.leave_out]
    parts = [load_inputs(entry, ("whisper",)) for corpus in corpora for entry in training_collections(corpus, ["train"])]
    meetings = [load_inputs(Collection(MEETINGS, "train", number), ("whisper",)) for number in OTHER_PASSES]
    data = TrainingSet([*parts, *meetings], None)
    validation = [load_inputs(Collection(corpus, "validation")) for corpus in corpora]
    mean, scale = data.standard.mean, data.standard.scale
    voice = voice_print(data.histories[: len(parts)])
    rounded(voice)
    watched = [histories_of(part, mean, scale) for part in validation]
    same, other = distances(voice, watched)
    threshold, strangers = voice_threshold(same, other)
    streams = [part.collection for part in data.parts if part.collection.number not in FRESH_PASSES]
    speech = [sounds_of(load_inputs(collection), mean, scale) for collection in streams]
    elsewhere = [sounds_of(load_inputs(Collection(OTHER_SOUNDS, "train", number)), mean, scale) for number in OTHER_PASSES]
    watched_speech = [sounds_of(part, mean, scale) for part in validation]
    known = train_known(speech, elsewhere, watched_speech, args.seed)
    rounded(known)
    held_out = sounds_of(load_inputs(Collection(OTHER_SOUNDS, "validation")), mean, scale)
    with torch.inference_mode():
        missed = [float((logits_of(known, part) < 0).float().mean()) for part in watched_speech]
        taken = float((logits_of(known, held_out) >= 0).float().mean())
    told = {
        "voice_threshold": round(threshold, 4),
        "strangers_within": round(strangers, 4),
        "speech_not_known": {part.collection.corpus: round(value, 4) for part, value in zip(validation, missed, strict=True)},
        "other_sounds_known": round(taken, 4),
        "median_distance": [round(float(np.median(same)), 3), round(float(np.median(other)), 3)],
    }
    saved = {"voice": voice.state_dict(), "known": known.state_dict(), "told": told, "standard": torch.from_numpy(mean)}
    torch.save(saved, checkpoint_folder() / FILE)
    print(json.dumps(told))
    return 0
