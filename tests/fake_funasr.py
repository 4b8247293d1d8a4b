"""A funasr of our own with the real one's calls and shapes of answers (1.4.16), without networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

NINE = (
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
    "吃惊/surprised",
    "<unk>",
)


class AutoModel:
    """Answers by what the folder's `says.txt` holds: nine scores, or the tag that stands unless unknown is banned."""

    opened: Sequence[dict[str, Any]] = ()
    labels: tuple[str, ...] = NINE

    def __init__(self, **options: Any) -> None:
        AutoModel.opened = [*AutoModel.opened, options]
        print("funasr version: 1.4.16.")  # as the real one does, on standard output
        folder = Path(options["model"])
        if not folder.is_dir():
            print(f"Download: {options['model']} failed!: Got: ConnectError: no such name")
            raise RuntimeError(f"model '{options['model']}' is not registered.\nRegistered model keys (29): Branchformer")
        self.model_path = str(folder)
        self.says = (folder / "says.txt").read_text(encoding="utf-8").split()

    def generate(self, input: np.ndarray, **options: Any) -> list[dict[str, Any]]:
        assert input.dtype == np.float32
        assert options["fs"] == 16_000
        if "granularity" in options:
            assert options["granularity"] == "utterance"
            return [{"key": "rand_key_1", "labels": list(self.labels), "scores": [float(entry) for entry in self.says]}]
        banned, told = self.says[-1], self.says[0]
        tag = banned if options["ban_emo_unk"] else told
        return [{"key": "rand_key_1", "text": f"<|en|><|{tag}|><|Speech|><|woitn|>kids are talking"}]


def module() -> Any:
    AutoModel.opened, AutoModel.labels = (), NINE
    return SimpleNamespace(AutoModel=AutoModel)


def weights(folder: Path, *says: object) -> Path:
    """A folder that looks as if a model had been downloaded into it."""
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"")
    (folder / "config.yaml").write_text("model: Emotion2vec\n")
    (folder / "says.txt").write_text(" ".join(map(str, says)), encoding="utf-8")
    return folder
