"""Temperatures of clips: what unseen speakers ask for, and how much more a corpus asks for that a copy has never heard."""

from __future__ import annotations

import math

import numpy as np

from train.collection import Collection
from train.corpora import TRAINING_CORPORA
from train.fusion.calibration import fit_temperature
from train.fusion.decide import decide, ensemble_posteriors
from train.fusion.inputs import Inputs
from train.fusion.mdat import Member
from train.fusion.members import step_logits
from train.tuning.network import load_tuned
from train.tuning.train import checkpoint_file


def clip_temperature(members: list[Member], temperatures: list[float], parts: list[Inputs], taught: set[str]) -> float:
    """What the common decisions about whole clips ask for beside the members' temperatures: a geometric mean over the parts.

    A part of n speakers weighs n / (n + 1), as in a mean of means whose parts differ as much as their speakers do (DerSimonian
    and Laird 1986): one speaker says little of a corpus. A clip is decided from its longest windows and so is surer of its right
    than a step, from which members are calibrated. Clips of labels that the members were not taught are left aside.
    """
    logs, weights = [], []
    for part in parts:
        outputs = [step_logits(member, part) / own for member, own in zip(members, temperatures, strict=True)]
        joint = ensemble_posteriors(np.stack([values - np.logaddexp.reduce(values, 1)[:, None] for values in outputs]))
        decisions = decide(joint, part.heard, part.clip, len(part.clip_label))
        known = [number for number, label in enumerate(part.collection.labels) if label in taught]
        chosen = decisions.found & np.isin(part.clip_label, known)
        logs.append(math.log(fit_temperature([decisions.log_posteriors[chosen]], [part.clip_label[chosen]])))
        weights.append(1 - 1 / (1 + len(set(part.clip_speaker[chosen].tolist()))))
    return math.exp(float(np.average(logs, weights=weights)))


def taught_by(corpora: list[str], labels: tuple[str, ...]) -> set[str]:
    return {clip.label for corpus in corpora for clip in Collection(corpus, "train", 0, labels).clips()}


def left_out_ratios(names: list[str]) -> dict[str, float]:
    """By corpus left out, the temperature that its validation speakers ask of the tuned copy without it (its blocks and its head
    have never heard the corpus), beside what those of the copy's own corpora ask for.

    Raises:
        SystemExit: there is no such copy, or it was taught all corpora.
    """
    found = {}
    for name in names:
        _, saved = load_tuned(checkpoint_file(name))
        missing = [corpus for corpus in TRAINING_CORPORA if corpus not in saved["corpora"]]
        if len(missing) != 1:
            raise SystemExit(f"{name} was not taught without one corpus: make it by `python -m train tune --leave-out CORPUS`")
        found[missing[0]] = round(saved["left_out"]["temperature"] / saved["temperature"], 4)
    return found


def joint_ratio(found: dict[str, float]) -> float:
    """Half-way, by ratio, from what unseen speakers of known corpora ask for (1) to what unseen corpora ask for."""
    return math.exp(0.5 * float(np.mean(np.log(list(found.values()))))) if found else 1.0
