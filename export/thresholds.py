"""When a decision is `uncertain`: thresholds on validation speakers, at the rank that split conformal prediction takes.

Corpora weigh the same, so decisions are drawn again from each: the coverage then holds for such a mixture of speakers, but
conformal prediction's guarantee for finite samples, which needs exchangeable decisions, is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamser.sessions import open_session
from train.fusion.calibration import risk_coverage
from train.fusion.data import in_order, without_history
from train.fusion.decide import EmittedDecisions, ensemble_posteriors
from train.fusion.inputs import Inputs
from train.fusion.mdat import STATISTICS
from train.metrics import calibration_error, conformal_threshold, macro_f1

COVERAGES = (0.5, 0.7, 0.8, 0.9, 1.0)
# Share of decisions about speakers like those of validation that are not `uncertain`. A step is doubted sooner: the next
# comes in half a second, and a doubtful one says less of ordinary talk than a wrong one.
COVERAGE = {"step": 0.9, "utterance": 0.97}
EVEN_ROWS = 2000  # drawn from every corpus, so that all weigh the same


def thresholds(path: Path, validation: list[Inputs], prior: dict[str, float]) -> dict[str, Any]:
    """Confidence thresholds and risk-coverage on validation speakers, for steps and for whole clips; corpora weigh the same.

    A step's confidence is the geometric mean of the members' probabilities, not renormalised, times `known`, as the runtime has
    it.
    """
    session = open_session(path)
    labels = validation[0].collection.labels
    offsets = np.array([prior.get(label, 0.0) for label in labels], np.float32)
    surest: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"step": [], "utterance": []}
    posteriors, scores = [], {}
    for part in validation:
        batches = (without_history(batch, STATISTICS) for batch in in_order(part))
        outputs = [session.run(["log_probabilities", "known"], batch) for batch in batches]
        members, known = np.concatenate([one[0] for one in outputs], axis=1), np.concatenate([one[1] for one in outputs])
        rows, clips = np.arange(len(part)), len(part.clip_label)
        for name, clip, truth, count in (
            ("step", rows, part.labels, len(part)),
            ("utterance", part.clip, part.clip_label, clips),
        ):
            emitted = EmittedDecisions(members, part.heard, clip, count, 0.0, known, offsets)
            found = emitted.found
            surest[name].append((emitted.confidence()[found], (emitted.labels() == truth)[found]))
        scores[part.collection.title] = round(macro_f1(part.clip_label, emitted.labels()), 4)
        posteriors.append((np.exp(ensemble_posteriors(members + offsets)), part.labels))
    rng = np.random.default_rng(0)
    told: dict[str, Any] = {"validation_macro_f1": scores, "coverage": COVERAGE["utterance"], "step_coverage": COVERAGE["step"]}
    for name, parts in surest.items():
        drawn = [rng.choice(len(right), EVEN_ROWS) for _, right in parts]
        confidence = np.concatenate([values[row] for (values, _), row in zip(parts, drawn, strict=True)])
        right = np.concatenate([values[row] for (_, values), row in zip(parts, drawn, strict=True)])
        half_way = (1 + 1 / len(labels)) / 2  # from chance to certainty: surer is never `uncertain`
        told[f"{name}_uncertain_below"] = round(min(conformal_threshold(confidence, COVERAGE[name]), half_way), 4)
        told[f"{name}_risk_by_coverage"] = risk_coverage(confidence, right, COVERAGES)
    errors = [calibration_error(values, truth) for values, truth in posteriors]
    told["step_calibration_error"] = round(float(np.mean(errors)), 4)
    return told
