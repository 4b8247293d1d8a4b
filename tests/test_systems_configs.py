"""The paper's rows: every file is read, builds its network, and differs from its neighbour as the table says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from train.systems.config import CONFIGS, SystemConfig, read_config
from train.systems.system import System, Widths, parameter_count

ROWS = sorted(path.stem for path in CONFIGS.glob("*.toml"))
SMALL = sorted(f"small/{path.stem}" for path in (CONFIGS / "small").glob("*.toml"))
WIDTHS = {"whisper-large-v3": 1280, "roberta-large": 1024, "e5": 1024, "whisper-base": 512, "minilm": 384}

# Which settings a row adds to the row before it in the paper's tables 2 and 3.
STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("mdat", "mdat-f0-raw", {"features.prosody": "raw"}),
    ("mdat", "mdat-f0-quantised", {"features.prosody": "quantised"}),
    ("mdat-f0-quantised", "mdat-f0-quantised-augmented", {"training.seqaug": 0.5}),
    ("mdat-f0-quantised-augmented", "mdat-f0-quantised-augmented-swiglu", {"classifier.kind": "swiglu"}),
    ("mdat", "mdat-ced-random", {"features.spectral": "ced-random"}),
    ("mdat", "mdat-ced-pretrained", {"features.spectral": "ced-pretrained"}),
    ("mdat-ced-pretrained", "mdat-ced-augmented", {"training.seqaug": 0.5}),
    ("mdat-ced-augmented", "mdat-ced-augmented-swiglu", {"classifier.kind": "swiglu"}),
    ("simple", "transformers", {"fusion.kind": "transformer"}),
    ("simple", "hcam", {"fusion.kind": "hcam"}),
    ("simple", "mdat", {"fusion.kind": "mdat"}),
    ("hcam", "hcam-f0-ced", {"features.prosody": "quantised", "features.spectral": "ced-pretrained"}),
    ("hcam-f0-ced", "hcam-f0-ced-augmented-focal", {"training.seqaug": 0.5, "training.loss": "focal"}),
    ("whisper-large-v3", "xeus", {"features.audio": "xeus"}),
    ("whisper-large-v3", "wavlm-large", {"features.audio": "wavlm-large"}),
    ("whisper-large-v3", "hubert-large", {"features.audio": "hubert-large"}),
    ("whisper-large-v3", "w2v2-large", {"features.audio": "wav2vec2-large"}),
    (
        "transformers",
        "xeus-e5-transformers-balanced-augmented-focal",
        {
            "features.audio": "xeus",
            "features.text": "e5",
            "training.sampling": "balanced",
            "training.class_weights": False,
            "training.seqaug": 0.5,
            "training.loss": "focal",
        },
    ),
]


def flat(config: SystemConfig) -> dict[str, Any]:
    tables = config.as_dict()
    tables.pop("name")
    return {f"{table}.{key}": value for table, values in tables.items() for key, value in values.items()}


@pytest.mark.parametrize(("before", "after", "added"), STEPS, ids=[after for _, after, _ in STEPS])
def test_a_row_differs_as_the_table_says(before: str, after: str, added: dict[str, Any]) -> None:
    one, two = flat(read_config(before)), flat(read_config(after))
    assert {key: value for key, value in two.items() if value != one[key]} == added


def test_every_row_is_in_the_steps_above() -> None:
    assert set(ROWS) == {name for before, after, _ in STEPS for name in (before, after)}


def test_the_recipe_is_the_papers() -> None:
    for name in ROWS:
        training = read_config(name).training
        assert (training.batch, training.epochs, training.warm_up, training.clip_norm) == (8, 20, 500, 10.0)
        assert (training.learning_rate, training.least_learning_rate) == (5e-5, 1e-5)


@pytest.mark.parametrize("name", [*ROWS, *SMALL])
def test_every_file_builds_its_network(name: str) -> None:
    config = read_config(name)
    features = config.features
    widths = Widths(*(WIDTHS.get(encoder, 1024) if encoder else 0 for encoder in (features.audio, features.text)))
    with torch.device("meta"):  # shapes without memory
        system = System(config, widths, pretrained=False)
    assert parameter_count(system) > 10_000


def test_the_best_single_system_has_as_many_parameters_as_the_papers() -> None:
    with torch.device("meta"):
        system = System(read_config("mdat-f0-quantised-augmented-swiglu"), Widths(1280, 1024))
    assert parameter_count(system) == pytest.approx(11.82e6, rel=0.01)
