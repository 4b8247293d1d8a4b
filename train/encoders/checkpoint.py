"""Where a published checkpoint is: in a folder, in the hub's cache, or on the hub."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NoReturn

from streamser.packs.whisper import file_sha256

UNUSED = ("*.msgpack", "*.h5", "*.onnx", "*.ot", "*.gguf", "onnx/*", "openvino/*", "*.tflite", "*.wav", "*.flac")
SPARED = ("masked_spec_embed", "pooler")  # weights of training and of sentence pairs, which no encoding needs
_HASHED = {".safetensors", ".bin", ".pth", ".json", ".txt", ".yaml", ".model"}


def checkpoint_folder(name: str, hub: str) -> Path:
    """The folder of a checkpoint, downloaded from the hub unless it is at hand or HF_HUB_OFFLINE is set.

    Args:
        name: what the user calls it: a folder, or for a message.
        hub: its id on the hub; "" where it has none.

    Raises:
        SystemExit: it is neither a folder nor to be had.
    """
    if Path(name).is_dir():
        return Path(name)
    if not hub:
        raise SystemExit(f"there is no encoder {name!r}, and no such folder: see train/encoders/registry.py for the names")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, local_files_only=True))
    except OSError:
        pass
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
        _missing(name, hub, "HF_HUB_OFFLINE is set")
    try:
        return Path(snapshot_download(hub, ignore_patterns=list(UNUSED)))
    except Exception as error:  # the hub's client raises errors of httpx, of its own, and OSErrors
        _missing(name, hub, f"the hub did not give it ({type(error).__name__})")


def _missing(name: str, hub: str, why: str) -> NoReturn:
    raise SystemExit(
        f"the checkpoint of {name} is not here and {why}: run `hf download {hub}` where https://huggingface.co/{hub} can be "
        "reached, or give the path of a folder with it instead of the name"
    )


def folder_hash(folder: Path) -> str:
    """A hash of every weight and setting in a checkpoint's folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _HASHED and path.is_file())
    if not files:
        raise SystemExit(f"{folder} holds no checkpoint: there is no file ending in {', '.join(sorted(_HASHED))}")
    lines = [f"{path.relative_to(folder)} {file_sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def from_pretrained(kind: Any, folder: Path, **settings: Any) -> Any:
    """What transformers' `kind` loads from a folder; its many errors as one line."""
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, **settings)
    except Exception as error:  # OSError, ValueError, KeyError, RuntimeError and safetensors' own
        first = str(error).strip().partition("\n")[0]
        raise SystemExit(f"{folder} is not a checkpoint that transformers' {kind.__name__} can load: {first}") from None


def load_model(folder: Path) -> Any:
    """The network of a folder in float32, in evaluation mode, with all its weights.

    Raises:
        SystemExit: it cannot be loaded, or lacks weights (transformers would make them up).
    """
    import transformers

    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # it warns of every head that is left out
    try:
        model, found = from_pretrained(transformers.AutoModel, folder, output_loading_info=True)
    finally:
        transformers.logging.set_verbosity(verbosity)
    missing = sorted(key for key in found["missing_keys"] if not any(part in key for part in SPARED))
    if missing or found["mismatched_keys"]:
        raise SystemExit(f"{folder} lacks weights of its network, {', '.join(missing[:3]) or 'some of other shapes'}: get it again")
    return model.float().eval()
