"""Read a corpus in its published layout, or a folder of one's own, check it and write its `manifest.csv`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from train.corpora.layouts import crema_d, emo_db, esd, folder, iemocap, meld, msp_podcast, ravdess
from train.corpora.manifest import LABELS, OTHER_LABELS, SPLITS, Clip, read_manifest, validate, write_manifest

READERS: dict[str, Callable[..., list[Clip]]] = {
    "msp_podcast": msp_podcast.read,
    "iemocap": iemocap.read,
    "crema_d": crema_d.read,
    "meld": meld.read,
    "ravdess": ravdess.read,
    "emo_db": emo_db.read,
    "esd": esd.read,
    "folder": folder.read,
}
HELP = {
    "msp_podcast": "MSP-Podcast, challenge release",
    "iemocap": "IEMOCAP, one session left out",
    "crema_d": "CREMA-D",
    "meld": "MELD with its audio or video",
    "ravdess": "RAVDESS speech, EmoBox's folds",
    "emo_db": "EMO-DB, five folds of our own",
    "esd": "ESD, the emotional speech dataset",
    "folder": "your own: a folder with a CSV of path, label, speaker",
    "check": "a manifest that is there already",
}


def renaming(text: str) -> tuple[str, str]:
    before, _, after = text.partition("=")
    if not before or not after:
        raise argparse.ArgumentTypeError(f"{text!r} is not like happy=happiness")
    return before, after


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    layouts = parser.add_subparsers(dest="layout", metavar="LAYOUT", required=True, help=f"one of {', '.join(HELP)}")
    one = {name: layouts.add_parser(name, help=text, description=text) for name, text in HELP.items()}
    for name, entry in one.items():
        if name == "check":
            entry.add_argument("manifest", type=Path)
            entry.add_argument("--labels", nargs="+", default=[*LABELS, *OTHER_LABELS], help="all that may occur")
        else:
            entry.add_argument("folder", type=Path)
            entry.add_argument("-o", "--output", type=Path, help="by default manifest.csv in the folder")
    one["msp_podcast"].add_argument("--test", default="", help="the one test set that is wanted, such as Test1")
    one["iemocap"].add_argument("--test-session", type=int, default=1, help="the session left out, 1 to 5")
    one["meld"].add_argument(
        "--speakers-by-split", action="store_true", help="take the official splits although speakers are in several of them"
    )
    one["ravdess"].add_argument("--fold", type=int, default=1, help="1 to 6")
    one["emo_db"].add_argument("--fold", type=int, default=1, help="1 to 5")
    own = one["folder"]
    own.add_argument("--table", default="", help="the CSV file in the folder, where there are several")
    own.add_argument("--rename", nargs="+", type=renaming, default=[], metavar="WORD=LABEL", help="such as happy=happiness")
    own.add_argument("--seed", type=int, default=1, help="of the draw of speakers")
    own.add_argument("--fold", type=int, default=0, help="with few speakers: which fold tests, from 1 on")
    own.add_argument("--of", type=int, default=0, metavar="FOLDS", help="how many folds the speakers are dealt into")


def table(clips: list[Clip]) -> str:
    """Clips by split and label, with speakers and hours."""
    names = [*SPLITS, ""]
    splits = [name for name in names if any(clip.split == name for clip in clips)]
    counts = Counter((clip.split, clip.label) for clip in clips)
    labels = sorted({clip.label for clip in clips}, key=lambda label: (label == "", label))
    width = max(len(label) for label in [*labels, "speakers", "no label"])
    lines = [" " * width + "".join(f"{split or 'no split':>12}" for split in splits)]
    for label in labels:
        lines.append(f"{label or 'no label':<{width}}" + "".join(f"{counts[split, label]:>12}" for split in splits))
    speakers = [len({clip.speaker for clip in clips if clip.split == split}) for split in splits]
    hours = [sum(clip.duration for clip in clips if clip.split == split) / 3600 for split in splits]
    lines.append(f"{'speakers':<{width}}" + "".join(f"{number:>12}" for number in speakers))
    lines.append(f"{'hours':<{width}}" + "".join(f"{number:>12.2f}" for number in hours))
    return "\n".join(lines)


def advice(clips: list[Clip]) -> list[str]:
    """What a user should know of their own data before training."""
    found = []
    speakers = {clip.speaker for clip in clips}
    if len(speakers) < folder.FEW:
        few = f"only {len(speakers)} speakers: one split says little"
        found.append(f"{few}; cross-validate with --fold 1 --of {len(speakers)} and so on")
    own = [label for label in folder.labels_of(clips) if label not in LABELS]
    if own:
        named = f"labels beside the seven: {', '.join(own)}"
        found.append(f"{named}: name all of yours in the configuration's data.labels, or --rename them")
    for split in SPLITS:
        here = {clip.label for clip in clips if clip.split == split}
        lacking = [label for label in folder.labels_of(clips) if label not in here]
        if lacking:
            found.append(f"{split} has no clip with label {', '.join(lacking)}")
    return found


def run(args: argparse.Namespace) -> int:
    options = dict(vars(args))
    layout = options.pop("layout")
    if layout == "check":
        clips = read_manifest(args.manifest, None)
        validate(clips, str(args.manifest), args.labels)
        print(table(clips))
        print(f"{args.manifest}: {len(clips)} clips, nothing wrong")
        return 0
    where, output = options.pop("folder"), options.pop("output")
    if "rename" in options:
        options["rename"] = dict(options["rename"])
    output = output or where / "manifest.csv"
    if layout == "folder" and output.resolve() == folder.the_table(where, args.table).resolve():
        raise SystemExit(f"{output} is the table that is read: give another file with --output")
    clips = READERS[layout](where, **options)
    own = folder.labels_of(clips) if layout == "folder" else (*LABELS, *OTHER_LABELS)
    validate(clips, str(where), own)
    write_manifest(output, clips)
    print(table(clips))
    for line in advice(clips) if layout == "folder" else []:
        print(line)
    print(f"{len(clips)} clips -> {output}")
    return 0
