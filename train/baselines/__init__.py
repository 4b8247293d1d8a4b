"""What the ensemble is measured against: three classifiers on one vector a whole clip, trained on the same speakers.

openSMILE's eGeMAPS and ComParE 2016 functionals with support vector machines, and the means and deviations of Whisper's layers
2, 4 and 6 with logistic regression. `python -m train baselines` measures them on EmoBox's folds of RAVDESS.
"""

from train.baselines.classifiers import BASELINES, Baseline
from train.baselines.clip_features import KINDS, whole_clips

__all__ = ["BASELINES", "KINDS", "Baseline", "whole_clips"]
