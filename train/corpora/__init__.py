"""The corpora: one manifest format, clips with labels, speakers split so that none is in two splits.

`clips_of` gives the clips of a split of a corpus at hand or of any manifest; `python -m train corpus` makes a manifest of a
published corpus or of a user's own folder.
"""

from train.corpora.audio import read_audio
from train.corpora.manifest import LABELS, OTHER_LABELS, SPLITS, Clip, parse_shares, read_manifest, validate, write_manifest
from train.corpora.roots import cache_root, data_root
from train.corpora.shared import AUXILIARY_CORPORA, EVALUATION_CORPORA, TRAINING_CORPORA, clips_of, read_corpus, read_split
from train.corpora.split_files import SPLITS_FILE

__all__ = [
    "AUXILIARY_CORPORA",
    "EVALUATION_CORPORA",
    "LABELS",
    "OTHER_LABELS",
    "SPLITS",
    "SPLITS_FILE",
    "TRAINING_CORPORA",
    "Clip",
    "cache_root",
    "clips_of",
    "data_root",
    "parse_shares",
    "read_audio",
    "read_corpus",
    "read_manifest",
    "read_split",
    "validate",
    "write_manifest",
]
