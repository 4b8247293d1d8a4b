"""Reads published CED weights in both of their formats; nothing in a file is executed.

* original (RicherMans/CED, Zenodo 8275319 and 8275347): a torch state dict, bare or under "model", with keys front_end.*
  (torchaudio's window and mel filters), init_bn.1.*, patch_embed.proj.*, time_pos_embed, freq_pos_embed, blocks.{i}.*,
  norm.*, outputlayer.{0,1}.*;
* Hugging Face (mispeech/ced-*): a folder with config.json and model.safetensors or pytorch_model.bin, or one of those two
  alone; the same keys under "encoder.", but for outputlayer.*; init_bn.* without the 1; no front_end.

Shapes tell width, depth and classes, but not the number of heads: that comes from config.json, else from the published size of
that width.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from streamser.errors import PackError
from train.spectral.published import PUBLISHED_SIZES, PublishedCed, PublishedSize
from train.spectral.published_mel import mel_filterbank

FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
# Settings that no shape shows, and their only values here; "logit" is "mean" without the sigmoid.
ASSUMED: dict[str, tuple[object, ...]] = {
    "pooling": ("mean", "logit"),
    "patch_stride": (16,),
    "n_fft": (512,),
    "win_size": (512,),
    "hop_size": (160,),
    "f_min": (0,),
    "f_max": (8000, None),
    "center": (True,),
}


def load_published(path: Path, size: str | None = None) -> PublishedCed:
    """The network of a weights file or a Hugging Face folder, float32, in evaluation mode.

    Args:
        path: .pt, .pth, .bin or .safetensors, or a folder.
        size: tiny, mini, small or base where the caller knows it; the weights must agree.

    Raises:
        PackError: nothing there, unreadable, another network, or another size; the message names the keys at fault.
    """
    file = _weights_file(path)
    found = _published_names(_read_tensors(file), file)
    for key in ("patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "outputlayer.1.weight"):
        if key not in found:
            raise PackError(f"{file} is no CED checkpoint that can tag: {key} is missing; it has {_few(found) or 'nothing'}")
    measured = _size_of(found, _config(file), file)
    if size is not None and measured != PUBLISHED_SIZES[size]:
        raise PackError(f"{file} is not the size {size} but {_describe(measured)}: name that size, or none")
    network = PublishedCed(measured, classes=len(found["outputlayer.1.weight"]))
    _compare({key: tuple(value.shape) for key, value in network.state_dict().items()}, found, file)
    network.load_state_dict(found)
    return network.eval()


def _weights_file(path: Path) -> Path:
    """The file that holds the weights."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise PackError(f"no weights at {path}: name a published CED file, or the folder of a Hugging Face download")
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return path / name
    raise PackError(f"{path} has neither {' nor '.join(FOLDER_FILES)}: download the whole repository, or name the file itself")


def _read_tensors(file: Path) -> dict[str, Tensor]:
    """The file's named tensors as they are."""
    try:
        content = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise PackError(f"{file} is refused: it is no torch file, or holds more than tensors; get the published one") from error
    except OSError as error:
        raise PackError(f"{file} cannot be opened: {error.strerror or error}") from error
    except Exception as error:  # a damaged file raises whatever its bytes happen to lead to
        raise PackError(f"{file} cannot be read, cut off perhaps: download it again") from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise PackError(f"{file} is no state dict, a table of named tensors: save model.state_dict() alone")
    return content


def _published_names(content: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The network's own names for either format; the front end is compared with ours and left out."""
    filters = content.get("front_end.0.mel_scale.fb")
    ours = mel_filterbank()
    # A thousandth is far above rounding and far below the change of any setting.
    if filters is not None and (filters.shape != ours.shape or float((filters.float() - ours).abs().max()) > 1e-3):
        raise PackError(f"{file} was trained on another mel front end than the published one: it cannot be used here")
    names = {}
    for key, value in content.items():
        if not key.startswith("front_end."):
            names[key.removeprefix("encoder.").replace("init_bn.1.", "init_bn.")] = value
    return names


def _config(file: Path) -> dict[str, object]:
    """config.json beside Hugging Face's files, checked against what the network takes for granted; else empty."""
    path = file.parent / "config.json"
    if file.name not in FOLDER_FILES or not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PackError(f"{path} is not JSON: download it again ({error})") from error
    if not isinstance(config, dict) or config.get("model_type", "ced") != "ced":
        raise PackError(f"{path} describes another kind of model than ced: name a folder of a CED download")
    other = [f"{name} {config[name]}" for name, values in ASSUMED.items() if name in config and config[name] not in values]
    if other:
        raise PackError(f"{path} describes another network than the published CED ({', '.join(other)}): it cannot be used here")
    return config


def _size_of(found: dict[str, Tensor], config: dict[str, object], file: Path) -> PublishedSize:
    """Width and depth by shapes, heads by config.json or else by the published rule."""
    width = found["patch_embed.proj.weight"].shape[0]
    blocks = {key.split(".")[1] for key in found if key.startswith("blocks.")}
    published = {size.width: size.heads for size in PUBLISHED_SIZES.values()}
    heads = config.get("num_heads", published.get(width))
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise PackError(
            f"{file} has width {width}, and no config.json beside it tells a fitting number of attention "
            f"heads (num_heads): the published widths, {', '.join(map(str, published))}, need none"
        )
    return PublishedSize(width, len(blocks), heads)


def _compare(expected: dict[str, tuple[int, ...]], found: dict[str, Tensor], file: Path) -> None:
    """Raise one line that names what is missing, unexpected or of another shape."""
    shapes = [
        f"{key} is {list(found[key].shape)} instead of {list(shape)}"
        for key, shape in expected.items()
        if key in found and tuple(found[key].shape) != shape
    ]
    faults = []
    for title, keys in (
        ("missing", [key for key in expected if key not in found]),
        ("unexpected", [key for key in found if key not in expected]),
        ("misshapen", shapes),
    ):
        if keys:
            faults.append(f"{title}: {_few(keys)}")
    if faults:
        raise PackError(f"{file} does not fit CED, {'; '.join(faults)}: use an unaltered published file")


def _few(keys: Iterable[str]) -> str:
    """The first three, and how many more."""
    listed = list(keys)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _describe(size: PublishedSize) -> str:
    """A size by its published name, else by its numbers."""
    for name, known in PUBLISHED_SIZES.items():
        if known == size:
            return name
    return f"one of width {size.width}, {size.depth} blocks and {size.heads} heads"
