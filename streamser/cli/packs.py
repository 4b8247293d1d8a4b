"""List, show and verify model packs."""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|verify")
    actions.add_parser("list", help="the packs at hand, with their licences")
    for action, text in (("show", "a pack's manifest"), ("verify", "hash every file of a pack and its Whisper")):
        one = actions.add_parser(action, help=text)
        one.add_argument("pack", nargs="?", default="default", help="a pack's name or folder (%(default)s)")


def run(args: argparse.Namespace) -> int:
    return {"list": list_packs, "show": show_pack, "verify": verify_pack}[args.action](args)


def list_packs(args: argparse.Namespace) -> int:
    from streamser.errors import PackError
    from streamser.packs.manifest import read_pack
    from streamser.packs.resolve import pack_folders

    failed = False
    for folder in pack_folders():
        try:
            pack = read_pack(folder, verify=False)
        except PackError as error:
            failed = True
            print(f"streamser: {error}", file=sys.stderr)
            continue
        print(f"{pack.name}  {pack.version}  {pack.size / 1e6:.1f} MB  {pack.licence}  {folder}")
    return 1 if failed else 0


def show_pack(args: argparse.Namespace) -> int:
    from streamser.packs.manifest import MANIFEST_FILE
    from streamser.packs.resolve import find_pack

    pack = find_pack(args.pack, verify=False)
    manifest = json.loads((pack.folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    print(json.dumps({"folder": str(pack.folder), **manifest}, indent=2, ensure_ascii=False))
    return 0


def verify_pack(args: argparse.Namespace) -> int:
    from streamser.packs.resolve import find_pack
    from streamser.packs.whisper import verify_whisper

    pack = find_pack(args.pack)
    verify_whisper(pack.whisper, pack.whisper_graphs)
    print(f"{pack.name}: {len(pack.components)} files and Whisper {pack.whisper.name} are as {pack.folder} says")
    return 0
