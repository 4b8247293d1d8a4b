"""Temperatures of clips: what unseen speakers ask for, and how much more a corpus asks for that a copy has never heard."""

from __future__ import annotations

import math

import numpy as np

from train.collection import Collection
from train.corpora import TRAINING_CORPORA
from train.fusion.calibration import fit_temperature
from train.fusion.data import checkpoint_folder
from train.fusion.decide import decide, ensemble_posteriors
from train.fusion.inputs import Inputs, load_inputs
from train.fusion.mdat import Member
from train.fusion.train import kinds_of, load_member, step_logits


def clip_temperature(members: list[Member], temperatures: list[float], parts: list[Inputs], taught: set[str]) -> float:
    """What the common decisions about whole clips ask for beside the members' temperatures: a geometric mean over the parts.

    A clip is decided from its longest windows and so is surer of its right than a step, from which members are calibrated. Clips
    of labels that the members were not taught are left aside.
    """
    logs = []
    for part in parts:
        outputs = [step_logits(member, part) / own for member, own in zip(members, temperatures, strict=True)]
        joint = ensemble_posteriors(np.stack([values - np.logaddexp.reduce(values, 1)[:, None] for values in outputs]))
        decisions = decide(joint, part.heard, part.clip, len(part.clip_label))
        known = [number for number, label in enumerate(part.collection.labels) if label in taught]
        chosen = decisions.found & np.isin(part.clip_label, known)
        logs.append(math.log(fit_temperature([decisions.log_posteriors[chosen]], [part.clip_label[chosen]])))
    return math.exp(float(np.mean(logs)))


def taught_by(corpora: list[str], labels: tuple[str, ...]) -> set[str]:
    return {clip.label for corpus in corpora for clip in Collection(corpus, "train", 0, labels).clips()}


def left_out_ratios(names: list[str]) -> dict[str, float]:
    """By corpus left out, the temperature that its validation speakers ask of the copy without it, beside what those of the
    copy's own corpora ask for.

    Raises:
        SystemExit: a copy that was trained on all corpora.
    """
    found = {}
    for name in names:
        member, saved = load_member(checkpoint_folder() / f"{name}.pt")
        missing = [corpus for corpus in TRAINING_CORPORA if corpus not in saved["corpora"]]
        if len(missing) != 1:
            raise SystemExit(f"{name} was not trained without one corpus: make it by `python -m train fusion --leave-out CORPUS`")
        labels, kinds = member.config.labels, kinds_of(member.config)
        taught = taught_by(saved["corpora"], labels)
        own = [load_inputs(Collection(corpus, "validation", 0, labels), kinds) for corpus in saved["corpora"]]
        apart = [load_inputs(Collection(missing[0], "validation", 0, labels), kinds)]
        asked = [clip_temperature([member], [saved["temperature"]], parts, taught) for parts in (apart, own)]
        found[missing[0]] = round(asked[0] / asked[1], 4)
    return found


def joint_ratio(found: dict[str, float]) -> float:
    """Half-way, by ratio, from what unseen speakers of known corpora ask for (1) to what unseen corpora ask for."""
    return math.exp(0.5 * float(np.mean(np.log(list(found.values()))))) if found else 1.0
