"""Peers run by funasr, an optional package (1.4.16 was tried, with random weights): see INSTALL."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers_accuracy.labels import UnexpectedAnswerError, among, emotion_tag, likeliest, our_label
from benchmarks.peers_accuracy.peers import BANNED, EMOTION2VEC, Peer
from streamser.clock import SAMPLE_RATE

INSTALL = "pip install torch 'funasr[knf]>=1.4'"  # knf: without it torchaudio is needed
WEIGHTS, CONFIGURATIONS = "model.pt", ("config.yaml", "configuration.json")
WAIT = 5.0  # seconds for a hub to answer

Decide = Callable[[np.ndarray], dict[str, str | None]]  # float32 [n] at 16 kHz; by reading, one of our labels or None


class NotRunHereError(Exception):
    """Why a peer cannot be run on this machine; its text stands in the table."""


def load(peer: Peer, folder: Path | None = None) -> Decide:
    """A peer that decides about clips.

    Args:
        folder: with its weights; None fetches them from ModelScope or Hugging Face, whichever answers.

    Raises:
        NotRunHereError: no funasr, no hub, or no weights.
    """
    opened = _automodel()
    if folder is not None:
        lacking = missing_files(folder)
        if lacking:
            raise NotRunHereError(f"weights not found: {folder} holds no {lacking}")
        return _deciding(peer, _opened(opened, str(folder), "ms"))
    failed = []
    for hub, model in peer.models.items():
        if not reachable(hub):
            continue
        try:
            return _deciding(peer, _opened(opened, model, hub))
        except NotRunHereError as error:
            failed.append(str(error))
    if failed:
        raise NotRunHereError("; ".join(failed))
    tried = " nor ".join(address(hub).partition("//")[2] for hub in peer.models)
    raise NotRunHereError(f"hub not reachable (neither {tried}); with the weights in a folder: --weights {peer.name}=FOLDER")


def missing_files(folder: Path) -> str:
    """What a folder of weights lacks; "" where nothing."""
    if not (folder / WEIGHTS).is_file():
        return WEIGHTS
    return "" if any((folder / name).is_file() for name in CONFIGURATIONS) else " or ".join(CONFIGURATIONS)


def address(hub: str) -> str:
    return "https://www.modelscope.cn" if hub == "ms" else os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def reachable(hub: str) -> bool:
    """Whether a hub answers, whatever it answers; not where Hugging Face is switched off by HF_HUB_OFFLINE."""
    if hub == "hf" and os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    try:
        urllib.request.urlopen(urllib.request.Request(address(hub), method="HEAD"), timeout=WAIT).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _automodel() -> Any:
    try:
        with _aside():
            return importlib.import_module("funasr").AutoModel
    except (ImportError, AttributeError) as error:
        lacking = getattr(error, "name", None) or "funasr"
        raise NotRunHereError(f"package missing ({lacking}): {INSTALL}") from None


def _opened(automodel: Any, model: str, hub: str) -> Any:
    """funasr prints why a download failed and goes on, and may go on without weights: neither is let pass."""
    said = io.StringIO()
    try:
        with _aside(said):
            found = automodel(model=model, hub=hub, device="cpu", disable_update=True, disable_pbar=True, log_level="ERROR")
    except Exception as error:
        download = re.search(r"^Download: .*failed.*$", said.getvalue(), re.MULTILINE)
        told = f"weights not found: {_line(download[0])}" if download else f"{model} could not be opened: {_line(error)}"
        raise NotRunHereError(told) from None
    place = Path(str(getattr(found, "model_path", "")))
    if not (place / WEIGHTS).is_file():
        raise NotRunHereError(f"weights not found: {model} came without {WEIGHTS}")
    return found


def _deciding(peer: Peer, model: Any) -> Decide:
    decide = _emotion2vec if peer.kind == EMOTION2VEC else _sensevoice

    def guarded(samples: np.ndarray) -> dict[str, str | None]:
        try:
            with _aside():
                return decide(peer, model, np.asarray(samples, np.float32))
        except UnexpectedAnswerError as error:
            raise NotRunHereError(f"{error}: `pip install --upgrade funasr`, and the newest weights") from None
        except Exception as error:
            raise NotRunHereError(f"it failed on a clip: {_line(error)}") from None

    return guarded


def _emotion2vec(peer: Peer, model: Any, samples: np.ndarray) -> dict[str, str | None]:
    found = model.generate(input=samples, fs=SAMPLE_RATE, granularity="utterance", extract_embedding=False)
    names, scores = found[0]["labels"], found[0]["scores"]
    if len(names) != len(scores):
        raise UnexpectedAnswerError(f"{len(names)} labels, but {len(scores)} scores")
    # A funasr of some months gave 0 to every label but four, by a list of its own.
    if not any(score for name, score in zip(names, scores, strict=True) if our_label(name) in ("disgust", "fear", "surprise")):
        raise UnexpectedAnswerError("disgust, fear and surprise are all given exactly 0")
    shares = among(names, scores, peer.labels)
    return {reading: likeliest(shares, peer.labels) for reading in peer.readings}


def _sensevoice(peer: Peer, model: Any, samples: np.ndarray) -> dict[str, str | None]:
    told: dict[str, str | None] = {}
    for reading in peer.readings:
        banned = reading == BANNED
        found = model.generate(input=samples, fs=SAMPLE_RATE, cache={}, language="auto", use_itn=False, ban_emo_unk=banned)
        label = our_label(emotion_tag(found[0]["text"]))
        told[reading] = label if label in peer.labels else None
    return told


@contextlib.contextmanager
def _aside(kept: io.StringIO | None = None) -> Iterator[None]:
    """What a library prints goes to standard error: the table and the JSON are alone on standard output."""
    caught = kept or io.StringIO()
    try:
        with contextlib.redirect_stdout(caught):
            yield
    finally:
        sys.stderr.write(caught.getvalue())


def _line(what: object) -> str:
    """The first line of a message."""
    return (str(what).strip() or type(what).__name__).splitlines()[0][:160]
