"""What a system is: its features, fusion, classifier, data and training, read from a short TOML file.

The defaults are the paper's (arXiv 2506.02088, section 4, and its released code where the text is silent). A file says
`like = "mdat"` to start from another one beside it, so that a row of the paper's table is the few lines in which it differs.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

CONFIGS = Path(__file__).with_name("configs")


@dataclass(frozen=True)
class FeatureConfig:
    """Which features a system hears.

    audio: an encoder of `train.encoders`, or "" for none. audio_layers: which of its layers, softmax-mixed where several;
    -1 is the last. rate: nodes a second, a divisor of the encoder's 50. text: an encoder, or "" for none.
    spectral: CED on the waveform, as in the paper, or `streamed`: this project's columns of 160 ms from the cache.
    """

    audio: str = "whisper-large-v3"
    audio_layers: tuple[int, ...] = (-1,)
    rate: float = 50.0
    text: str = "roberta-large"
    prosody: Literal["none", "raw", "quantised"] = "none"
    f0_bins: int = 256
    f0_low: float = 50.0  # Hz
    f0_high: float = 1100.0
    f0_interpolated: bool = True  # unvoiced frames interpolated, as the paper has it; False: a token of their own
    spectral: Literal["none", "ced-random", "ced-pretrained", "ced-frozen", "streamed"] = "none"
    ced_size: Literal["tiny", "mini", "small", "base"] = "small"
    ced_weights: str = ""  # a published checkpoint, for `ced-pretrained` and `ced-frozen`


@dataclass(frozen=True)
class FusionConfig:
    """How the modalities meet. `pooled`: means of each, for unimodal systems; `concatenation`: the paper's Simple.

    graph_*: MDAT's graph attention. masked: padding takes no part (the paper's code has no masks). age: every node knows
    how many seconds before the end it was (but for words, and for `pooled` and `concatenation`, which keep no nodes).
    """

    kind: Literal["pooled", "concatenation", "transformer", "hcam", "mdat"] = "mdat"
    width: int = 512
    graph_layers: int = 1  # 0: none
    graph_heads: int = 1
    graph_attention: Literal["gat", "gatv2"] = "gat"
    graph_residual: bool = False  # a node keeps what it was and gains what it heard
    scaled: bool = False  # co-attention divided by the root of the width
    masked: bool = False
    age: bool = False
    f0_crossed: bool = False  # F0 with graph attention and co-attention of its own, instead of its mean
    encoder_heads: int = 8
    feed_forward: int = 2048
    dropout: float = 0.5


@dataclass(frozen=True)
class ClassifierConfig:
    kind: Literal["relu", "swiglu"] = "relu"
    hidden: int = 768


@dataclass(frozen=True)
class DataConfig:
    """What is learned from. corpora: names of corpora at hand, or paths of manifests.

    words: where text comes from: `transcripts` of the clips, or pseudo-`pairs` (a window meets a sentence of its label, a
    neutral one or none, at the same rates in every corpus), which is right for corpora that repeat their sentences.
    share: of the training clips, drawn by the seed. text_only: also learn from labelled sentences without sound.
    """

    corpora: tuple[str, ...] = ("ravdess", "nemo", "banglaser", "indian_emospeech")
    labels: tuple[str, ...] = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
    words: Literal["none", "transcripts", "pairs"] = "transcripts"
    share: float = 1.0
    longest: float = 10.0  # seconds of a clip that are heard in training; its beginning is drawn
    text_only: float = 0.0  # rows of every batch that are sentences alone


@dataclass(frozen=True)
class TrainingConfig:
    """How it is learned: AdamW with a linear warm-up from the least to the greatest rate and a half cosine back."""

    epochs: int = 20
    batch: int = 8
    batches: int = 0  # an epoch; 0: once through the training clips
    learning_rate: float = 5e-5
    least_learning_rate: float = 1e-5
    warm_up: int = 500  # steps
    weight_decay: float = 1e-6
    clip_norm: float = 10.0
    loss: Literal["cross-entropy", "focal", "kl", "logit-adjusted"] = "cross-entropy"
    class_weights: bool = True  # inverse frequency
    focal_gamma: float = 2.0
    adjustment: float = 1.0  # of the log prior, in the logit-adjusted loss
    sampling: Literal["natural", "balanced"] = "natural"
    sampling_schedule: Literal["none", "to-uniform", "to-distribution"] = "none"
    seqaug: float = 0.0  # share of rows, a modality at a time
    seqaug_independent: bool = False  # a permutation for every dimension, as the paper says; its code draws one for all
    modality_dropout: float = 0.0  # share of rows that lose a modality
    waveform: tuple[str, ...] = ()  # of train.augmentation.waveform: noise, room, gain, speed, telephone
    precision: Literal["no", "fp16", "bf16"] = "no"
    seed: int = 1


@dataclass(frozen=True)
class SystemConfig:
    """A whole system. `name` is the file's."""

    name: str
    features: FeatureConfig = field(default_factory=FeatureConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON and TOML hold them."""
        return asdict(self)


def changed(config: Any, values: dict[str, Any], where: str) -> Any:
    """A copy of a configuration with some values of a (nested) table replaced.

    Raises:
        SystemExit: a key or a value that the configuration does not know; `where` names the file.
    """
    hints = get_type_hints(type(config))
    known = {entry.name for entry in fields(config)}
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise SystemExit(f"{where}: no setting {key!r}; there are {', '.join(sorted(known))}")
        current, hint = getattr(config, key), hints[key]
        if is_dataclass(current):
            if not isinstance(value, dict):
                raise SystemExit(f"{where}: {key} is a table, not {value!r}")
            found[key] = changed(current, value, f"{where} [{key}]")
        else:
            found[key] = _checked(value, hint, f"{where}: {key}")
    return replace(config, **found)


def _checked(value: Any, hint: Any, where: str) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise SystemExit(f"{where} = {value!r}: choose from {', '.join(map(str, get_args(hint)))}")
        return value
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        if not isinstance(value, (list, tuple)) or not all(isinstance(entry, kind) for entry in value):
            raise SystemExit(f"{where} = {value!r}: a list of {kind.__name__} is wanted")
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise SystemExit(f"{where} = {value!r}: {hint.__name__} is wanted")
    return value


def read_config(path: str | Path) -> SystemConfig:
    """A system by its file, or by the name of one of the paper's rows (see `train/systems/configs`).

    Raises:
        SystemExit: no such file, not TOML, an unknown setting, or files that are `like` each other in a circle.
    """
    return _read(_found(str(path)), ())


def _found(name: str) -> Path:
    given = Path(name)
    path = given if given.suffix == ".toml" else CONFIGS / f"{name}.toml"
    if not path.is_file():
        rows = ", ".join(sorted(entry.stem for entry in CONFIGS.glob("*.toml")))
        raise SystemExit(f"no system {name!r}: give a .toml file or one of {rows}")
    return path


def _read(path: Path, seen: tuple[Path, ...]) -> SystemConfig:
    if path in seen:
        raise SystemExit(f"{path}: is like itself, by way of {', '.join(entry.name for entry in seen)}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} is not TOML: {error}") from None
    like = values.pop("like", None)
    start = SystemConfig(path.stem)
    if like is not None:
        beside = path.with_name(f"{like}.toml")
        start = _read(beside if beside.is_file() else _found(str(like)), (*seen, path))
    values.pop("name", None)
    return replace(changed(start, values, path.name), name=path.stem)
