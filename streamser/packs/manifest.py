"""A pack: a folder with `pack.json`, ONNX files, a tokenizer and a model card. Nothing in it is executed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamser.errors import PackError
from streamser.packs.whisper import WhisperSpecification, file_sha256

SCHEMA = 1
MANIFEST_FILE = "pack.json"
DECODER_GRAPHS = ("whisper_cross", "whisper_decoder")
COMPONENTS = ("whisper_encoder", "whisper_last", *DECODER_GRAPHS, "pitch", "spectral", "text", "tokenizer", "fusion")
_DEFAULT = Path(__file__).parent / "default"


@dataclass(frozen=True)
class Component:
    """One file of a pack."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class WordSettings:
    """How words join the decision. A pack that says nothing of it leaves them to its fusion graph alone.

    weight: of the words' evidence beside the sound's log posterior; 0 leaves it out. temperature: divides the words' log
    probabilities. prior: by label, how common the text network takes it to be; taken out of what the words say, none where
    empty. in_fusion: whether the fusion graph reads the words.
    """

    weight: float = 0.0
    temperature: float = 1.0
    prior: dict[str, float] = field(default_factory=dict)
    in_fusion: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf or not 0 < self.temperature < math.inf:
            raise ValueError(f"words: a weight of {self.weight} with a temperature of {self.temperature}")
        if not all(0 < share < math.inf for share in self.prior.values()):
            raise ValueError(f"words: a prior of {self.prior}")


@dataclass(frozen=True)
class HistorySettings:
    """How a stream's earlier utterances become the history of a voice (`speaker_history`).

    floor: how much an utterance counts that does not seem neutral at all, 0 to 1. voice_threshold: the largest distance of two
    voice prints that are taken for one voice.
    """

    floor: float
    voice_threshold: float

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1 or not self.voice_threshold > 0:
            raise ValueError(f"history: a floor of {self.floor} with a voice_threshold of {self.voice_threshold}")


@dataclass(frozen=True)
class Pack:
    """A pack's manifest. Times are in seconds; `metrics` and `training` are for people."""

    folder: Path
    name: str
    version: str
    licence: str
    labels: tuple[str, ...]
    step: float
    window: float
    delay: float
    transcript_step: float
    text_lag: float
    whisper: WhisperSpecification
    components: dict[str, Component]
    members: tuple[str, ...]
    vote: str
    words: WordSettings
    arousal: bool  # whether the members were taught it
    uncertain_below: dict[str, float]  # by level, `step` and `utterance`: a confidence below it is `uncertain`
    history: HistorySettings | None  # None: no voice is remembered
    prior: dict[str, float]  # by label: added to its log posterior, for how common it is where the pack is used; 0 where absent
    training: dict[str, Any]
    metrics: dict[str, Any]

    def file(self, component: str) -> Path:
        return self.folder / self.components[component].file

    @property
    def whisper_graphs(self) -> list[Path]:
        """Of its encoder, up to the layers that the fusion hears, and from there to the last; and of its decoder.

        A pack of before 0.6 has none of the decoder. They hold no weights, so the default pack's do.
        """
        own = [self.file(name) for name in ("whisper_encoder", "whisper_last", *DECODER_GRAPHS) if name in self.components]
        return own if len(own) == 4 else [*own[:2], *(_DEFAULT / f"{name}.onnx" for name in DECODER_GRAPHS)]

    @property
    def size(self) -> int:
        """Bytes of all component files."""
        return sum(component.size for component in self.components.values())


def read_pack(folder: Path, verify: bool = True) -> Pack:
    """Read a pack and, unless told otherwise, hash every file of it.

    Raises:
        PackError: no manifest, an unknown schema, a field or a file missing, a wrong size or hash.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise PackError(f"{folder} is not a pack: it has no {MANIFEST_FILE}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackError(f"{path} cannot be read: {error}") from error
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if schema != SCHEMA:
        raise PackError(f"{path} has schema {schema!r}; this streamser reads schema {SCHEMA}: use a matching version of either")
    try:
        pack = _parse(folder, fields)
    except (KeyError, TypeError, ValueError) as error:
        raise PackError(f"{path} is incomplete: {type(error).__name__} at {error}; export it again with this version") from error
    if verify:
        for component in pack.components.values():
            _verify(folder, component)
    return pack


def _parse(folder: Path, fields: dict[str, Any]) -> Pack:
    whisper = fields["whisper"]
    known = [name for name in COMPONENTS if name in fields["components"] or name not in DECODER_GRAPHS]
    components = {name: Component(**fields["components"][name]) for name in known}
    for component in components.values():
        if Path(component.file).name != component.file:
            raise ValueError(f"file {component.file!r} outside the pack")
    return Pack(
        folder=folder,
        name=str(fields["name"]),
        version=str(fields["version"]),
        licence=str(fields["licence"]),
        labels=tuple(fields["labels"]),
        step=float(fields["step"]),
        window=float(fields["window"]),
        delay=float(fields["delay"]),
        transcript_step=float(whisper["transcript_step"]),
        text_lag=float(whisper["text_lag"]),
        whisper=WhisperSpecification(whisper["name"], tuple(whisper["wheels"]), whisper["sha256"]),
        components=components,
        members=tuple(fields["members"]),
        vote=str(fields["vote"]),
        words=_words(fields.get("words", {})),
        arousal=bool(fields.get("arousal", True)),
        uncertain_below={level: float(fields["uncertain_below"][level]) for level in ("step", "utterance")},
        history=_history(fields.get("history")),
        prior=_prior(fields.get("prior", {}), fields["labels"]),
        training=dict(fields["training"]),
        metrics=dict(fields["metrics"]),
    )


def _words(fields: dict[str, Any]) -> WordSettings:
    default = WordSettings()
    in_fusion = fields.get("in_fusion", default.in_fusion)
    if not isinstance(in_fusion, bool):
        raise ValueError(f"words: in_fusion {in_fusion!r} is neither true nor false")
    return WordSettings(
        weight=float(fields.get("weight", default.weight)),
        temperature=float(fields.get("temperature", default.temperature)),
        prior={str(label): float(share) for label, share in fields.get("prior", {}).items()},
        in_fusion=in_fusion,
    )


def _history(fields: dict[str, Any] | None) -> HistorySettings | None:
    return None if fields is None else HistorySettings(float(fields["floor"]), float(fields["voice_threshold"]))


def _prior(fields: dict[str, Any], labels: list[str]) -> dict[str, float]:
    prior = {str(label): float(offset) for label, offset in fields.items()}
    unknown = sorted(set(prior) - set(labels))
    if unknown:
        raise ValueError(f"prior: {', '.join(unknown)} is none of the labels")
    if not all(math.isfinite(offset) for offset in prior.values()):
        raise ValueError(f"prior: offsets of {prior}")
    return prior


def _verify(folder: Path, component: Component) -> None:
    path = folder / component.file
    if not path.is_file():
        raise PackError(f"the pack {folder} lacks its file {component.file}: copy the pack again or reinstall streamser")
    if path.stat().st_size != component.size or file_sha256(path) != component.sha256:
        raise PackError(
            f"{path} is not the file that pack.json names (wrong size or hash): copy the pack again or reinstall streamser"
        )
