"""SeqAug (Georgiou and Potamianos 2023, arXiv 2305.01954): some feature dimensions of a sequence are shuffled in time.

The distribution of each dimension over time stays, its order goes. The paper of this project says that every dimension is
permuted on its own; its code draws one permutation for all: `independent` tells the two apart.
"""

from __future__ import annotations

import numpy as np

BETA = (0.5, 0.5)  # of the share of dimensions that are shuffled


def seqaug(frames: np.ndarray, rng: np.random.Generator, independent: bool = False) -> np.ndarray:
    """A copy of one sequence with a random share ~ Beta(.5, .5) of its dimensions shuffled in time.

    Args:
        frames: float [n, ...], the present frames of one modality, without padding; all further axes are feature dimensions.
        independent: every picked dimension has a permutation of its own; otherwise all share one.
    """
    shape = frames.shape
    found = np.array(frames.reshape(len(frames), -1))
    width = found.shape[1]
    picked = rng.permutation(width)[: round(float(rng.beta(*BETA)) * width)]
    if independent:
        order = rng.permuted(np.broadcast_to(np.arange(len(found))[:, None], (len(found), len(picked))), axis=0)
        found[:, picked] = np.take_along_axis(found[:, picked], order, 0)
    else:
        found[:, picked] = found[:, picked][rng.permutation(len(found))]
    return found.reshape(shape)
